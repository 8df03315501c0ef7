import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../frontend/src/lib/refusal.js';

const sweepRun = vi.hoisted(() => vi.fn());
vi.stubGlobal('navigator', { language: 'en' });
vi.mock('../../frontend/src/lib/api.js', () => ({ sweepRun }));
const { Sweeper } = await import('../../frontend/src/components/sweep/sweeper.svelte.js');

const rate = {
  type: 'number',
  minimum: 1e-5,
  maximum: 10,
  'x-live': true,
  'x-log': true,
  'x-role': 'rate',
  title: 'Rate',
};
const properties = {
  momentum: { type: 'number', minimum: 0, maximum: 1, 'x-live': true, title: 'Momentum' },
  lr: rate,
  optimizer: { enum: ['sgd', 'adam'], 'x-live': true, title: 'Optimizer' },
};

/** A run as far as a sweep knows one. @param {Record<string, any>} [changes] */
const runOf = (changes = {}) =>
  /** @type {any} */ ({
    ...{ id: 'r', at: null, now: 40, rate: null, pace: null, followed: {} },
    knobs: { lr: 0.1, momentum: 0.9, optimizer: 'sgd' },
    experiment: { knobs: { properties }, words: {} },
    ...changes,
  });

/** A frame of two curves, the second of the smaller value. @param {boolean} final @param {Record<string, any>} meta */
const frameOf = (final, meta = {}) => ({
  ...{ type: 'sweep', run: 'r', step: 40, final },
  meta: {
    ...{ knob: 'lr', steps: 2, series: ['loss/train', 'loss/test'], batched: 2 },
    variants: [
      { knobs: { lr: 1 }, order: 0 },
      { knobs: { lr: 0.1 }, order: 0 },
    ],
    ...meta,
  },
  tensors: {
    losses: { shape: [2, 2, 2], data: Float32Array.from([4, 2, 3, 1, 4, 2, 3, 1]) },
    taken: { shape: [2], data: Int32Array.from([2, 2]) },
    diverged: { shape: [2], data: Uint8Array.from([0, 0]) },
  },
});

/** @param {any[]} frames */
const streamOf = (...frames) =>
  sweepRun.mockImplementation(async function* () {
    yield* frames;
  });

/** A stream that is refused. @param {Error} error @returns {AsyncGenerator<any>} */
// eslint-disable-next-line require-yield
async function* refusal(error) {
  throw error;
}

beforeEach(() => sweepRun.mockReset());

describe('what is asked for', () => {
  it('is around the knob’s value, with as many steps as take half a minute', () => {
    expect(new Sweeper(() => runOf()).fields).toMatchObject({
      low: '0.001',
      high: '10',
      count: '16',
      steps: '100',
    });
    const slow = new Sweeper(() => runOf({ rate: 20 }));
    slow.learnRate();
    expect(slow.fields.steps).toBe('20');
  });

  it('is not asked where a field is no number', async () => {
    const sweeper = new Sweeper(() => runOf());
    sweeper.typed.low = 'x';
    await sweeper.start();
    expect(sweeper.problem).toEqual({ field: 'low', text: 'from: “x” is not a number.' });
    expect(sweepRun).not.toHaveBeenCalled();
  });

  it('has at most so many steps and curves, and says so', async () => {
    streamOf(frameOf(true));
    const sweeper = new Sweeper(() => runOf({ at: 30 }));
    sweeper.typed.count = '500';
    sweeper.each = 'optimizer';
    await sweeper.start();
    expect(sweeper.fields.count).toBe('64');
    expect(sweepRun.mock.calls[0][1]).toMatchObject({
      ...{ knob: 'lr', low: 0.001, high: 10, count: 64, step: 30 },
      vary: { optimizer: ['sgd', 'adam'] },
    });
  });

  it('of another knob is around that one’s value', () => {
    const sweeper = new Sweeper(() => runOf());
    sweeper.typed.low = '0.5';
    sweeper.pick('momentum');
    expect(sweeper.fields).toMatchObject({ low: '0', high: '1' });
  });
});

describe('what comes', () => {
  it('is shown as it grows, and known once all steps are taken', async () => {
    streamOf(frameOf(false), frameOf(true));
    const sweeper = new Sweeper(() => runOf());
    const done = sweeper.start();
    expect(sweeper.waiting).toBe(true);
    await done;
    expect(sweeper).toMatchObject({ waiting: false, running: null, problem: null, early: false });
    expect(sweeper.sweep?.curves).toHaveLength(2);
  });

  it('says so where it ends too soon', async () => {
    streamOf(frameOf(false));
    const sweeper = new Sweeper(() => runOf());
    await sweeper.start();
    expect(sweeper.problem?.field).toBe('');
    expect(sweeper.early).toBe(true);
  });

  it('waits while there is no room', async () => {
    vi.useFakeTimers();
    const full = new ApiError({ code: 'too-many-sweeps' });
    streamOf(frameOf(true));
    for (let i = 0; i < 2; i++) sweepRun.mockImplementationOnce(() => refusal(full));
    const sweeper = new Sweeper(() => runOf());
    const done = sweeper.start();
    await vi.advanceTimersByTimeAsync(1500);
    expect(sweeper.crowded).toBe(true);
    await vi.advanceTimersByTimeAsync(1000);
    await done;
    vi.useRealTimers();
    expect(sweeper.crowded).toBe(false);
    expect(sweeper.sweep?.final).toBe(true);
  });

  it.each([
    ['values', 'low'],
    ['lr', 'low'],
    ['vary', 'each'],
    ['steps', 'steps'],
    ['nothing', ''],
  ])('may be a refusal of %s, shown at “%s”', async (field, place) => {
    const error = new ApiError({ detail: 'no', code: 'odd', field });
    sweepRun.mockImplementation(() => refusal(error));
    const sweeper = new Sweeper(() => runOf());
    await sweeper.start();
    expect(sweeper.problem).toEqual({ field: place, text: 'no' });
    expect(sweeper.running).toBeNull();
  });

  it('is no problem where the learner stopped it', async () => {
    sweepRun.mockImplementation(async function* (_id, _order, /** @type {AbortSignal} */ signal) {
      yield frameOf(false);
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    });
    const sweeper = new Sweeper(() => runOf());
    const done = sweeper.start();
    await vi.waitFor(() => expect(sweeper.sweep).not.toBeNull());
    sweeper.stop();
    await done;
    expect(sweeper.problem).toBeNull();
    expect(sweeper.running).toBeNull();
  });
});

it('the keys go from curve to curve, by value', async () => {
  streamOf(frameOf(true));
  const sweeper = new Sweeper(() => runOf());
  await sweeper.start();
  sweeper.move(1);
  expect(sweeper.hovered?.value).toBe(0.1);
  sweeper.move(1);
  expect(sweeper.hovered?.value).toBe(1);
  sweeper.move(1e6);
  expect(sweeper.hovered?.value).toBe(1);
  sweeper.hover = null;
  sweeper.move(-1);
  expect(sweeper.hovered?.value).toBe(1);
});
