import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const api = vi.hoisted(() => ({ getKept: vi.fn(), getMoment: vi.fn(), getScalars: vi.fn() }));
vi.mock('../../frontend/src/lib/api.js', () => api);
vi.mock('../../frontend/src/lib/stream.js', () => ({ Stream: FakeStream }));

class FakeStream {
  /** @type {any[]} */
  sent = [];
  open = true;
  watch = vi.fn();
  close = vi.fn();
  /** @param {string} url @param {any} listener */
  constructor(url, listener) {
    this.url = url;
    this.listener = listener;
  }
  /** @param {any} command */
  send(command) {
    if (this.open) this.sent.push(command);
    return this.open;
  }
  /** The commands sent of a type. @param {string} type */
  of(type) {
    return this.sent.filter((command) => command.type === type);
  }
}

const experiment = /** @type {any} */ ({
  knobs: {
    properties: {
      lr: { title: 'Learning rate', type: 'number', 'x-live': true },
      momentum: { title: 'Momentum', type: 'number', 'x-live': true },
      probe: { title: 'Probe', type: 'number', 'x-live': true, 'x-role': 'look' },
    },
  },
  words: { diverged: '발산' },
});
const KNOBS = { lr: 0.1, momentum: 0.9, probe: 0 };
const info = (/** @type {Record<string, any>} */ more = {}) => ({
  ...{ id: 'a', seed: 7, device: 'cpu', parent: null, branched_at: null, name: '', created_at: '' },
  ...{ status: 'running', reason: '', step: 0, pace: null, steps_per_epoch: null, scalars_exact_from: 0 },
  knobs: KNOBS,
  ...more,
});

/** @type {(() => void)[]} */
let due = [];
/** @type {any} */
let page;
let now = 0;
let reduced = false;
/** An animation frame. */
const frame = () => due.splice(0).forEach((act) => act());
const soon = () => new Promise((done) => setTimeout(done));

beforeEach(() => {
  vi.resetAllMocks();
  due = [];
  now = 0;
  reduced = false;
  page = { hidden: false, addEventListener: vi.fn(), removeEventListener: vi.fn() };
  vi.stubGlobal('document', page);
  vi.stubGlobal('location', { protocol: 'http:', host: 'here' });
  vi.stubGlobal('requestAnimationFrame', (/** @type {() => void} */ act) => due.push(act));
  vi.stubGlobal('matchMedia', () => ({ matches: reduced }));
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  api.getMoment.mockResolvedValue([]);
  api.getScalars.mockResolvedValue({});
});
afterEach(() => vi.unstubAllGlobals());

const { RunView } = await import('../../frontend/src/lib/run.svelte.js');
const { recorded } = await import('../../frontend/src/lib/run/past.svelte.js');

/** A run, its stream, and a way to hear an event. @param {Record<string, any>} [more] */
function runOf(more = {}, greet = true) {
  const run = new RunView(/** @type {any} */ (info(more)), experiment);
  const stream = /** @type {FakeStream} */ (/** @type {unknown} */ (run.stream));
  const hear = (/** @type {any} */ event) => stream.listener.event(event);
  stream.listener.connection('open');
  if (greet) hear({ type: 'hello', seq: 0, run: info(more) });
  return { run, stream, hear };
}
const picture = (/** @type {number} */ seq, panel = 'map') => ({ type: 'panel', panel, seq, step: seq });
const scalars = (/** @type {number[]} */ steps, seq = 1) => ({
  ...{ type: 'scalars', seq, step: steps.at(-1), run: 'a' },
  tensors: {
    step: { shape: [steps.length], data: BigInt64Array.from(steps.map(BigInt)) },
    loss: { shape: [steps.length], data: Float32Array.from(steps.map((step) => 1 / (1 + step))) },
  },
});

describe('frames', () => {
  it('are shown once per animation frame, the newest of each panel, and acknowledged', () => {
    const { run, stream } = runOf();
    for (const one of [picture(3), picture(5), picture(4, 'bars')]) stream.listener.frame(one);
    expect(run.frames.size).toBe(0);
    frame();
    expect([run.frames.get('map')?.seq, run.frames.get('bars')?.seq]).toEqual([5, 4]);
    expect(stream.of('ack')).toEqual([{ type: 'ack', seq: 5 }]);
    stream.listener.frame(picture(2));
    frame();
    expect(run.frames.get('map')?.seq).toBe(5);
  });

  it('are taken at once while the page is hidden, which gets no animation frames', async () => {
    const { run, stream } = runOf();
    page.hidden = true;
    stream.listener.frame(picture(3));
    await soon();
    expect(run.frames.get('map')?.seq).toBe(3);
  });

  it('that wait when the page is hidden are taken then', () => {
    const { run, stream } = runOf();
    stream.listener.frame(picture(3));
    page.hidden = true;
    page.addEventListener.mock.calls[0][1]();
    expect(run.frames.get('map')?.seq).toBe(3);
  });

  it('of scalars advance the step and measure the speed', () => {
    const { run, stream } = runOf();
    for (const [time, step] of [
      [0, 9],
      [500, 109],
    ]) {
      // prettier-ignore
      now = time;
      stream.listener.frame(scalars([step], step));
      frame();
    }
    expect(run.step).toBe(110);
    expect(run.rate).toBeCloseTo(200);
    expect(run.valueOf('loss')).toBeCloseTo(1 / 110);
    stream.listener.connection('lost');
    expect(run.rate).toBeNull();
  });
});

it('the device is the one that was chosen, with what was measured', () => {
  const { run, hear } = runOf({ device: 'cpu' });
  expect([run.device, run.chosen]).toEqual(['cpu', null]);
  const chosen = {
    type: 'device',
    seq: 1,
    step: 0,
    device: 'cuda:0',
    rates: { cpu: 1, cuda: 9 },
    failed: {},
  };
  hear(chosen);
  expect([run.device, run.chosen]).toEqual(['cuda:0', chosen]);
});

describe('a knob', () => {
  it('is shown at once and sent with the next animation frame, several as one', () => {
    const { run, stream } = runOf();
    run.setKnob('lr', 0.5);
    run.setKnob('lr', 0.7);
    expect(run.knobs.lr).toBe(0.7);
    expect(stream.of('knobs')).toEqual([]);
    frame();
    expect(stream.of('knobs')).toEqual([{ type: 'knobs', knobs: { lr: 0.7 }, tag: '1' }]);
    run.setKnob('lr', 0.7); // nothing new
    frame();
    expect(stream.of('knobs')).toHaveLength(1);
  });

  it('that was refused is shown as it is, with the error, until a later one takes effect', () => {
    const { run, hear } = runOf();
    run.setKnob('lr', -1);
    frame();
    hear({ type: 'error', tag: '1', code: 'bad-knob', detail: '' });
    expect([run.knobs.lr, run.error?.code]).toEqual([0.1, 'bad-knob']);
    run.setKnob('lr', 0.2);
    frame();
    hear({ type: 'done', tag: '2' });
    expect(run.error).toBeNull();
  });

  it('is what the server answers: a change with all knobs, or a look', () => {
    const { run, hear } = runOf();
    const after = { lr: 0.3, momentum: 0.8, probe: 0 };
    hear({ type: 'knobs', seq: 1, step: 40, knobs: { lr: 0.3 }, now: after });
    expect(run.knobs).toEqual(after);
    hear({ type: 'look', step: 41, knobs: { probe: 5 } });
    expect(run.knobs).toEqual({ ...after, probe: 5 });
    expect(run.knobChanges).toMatchObject([{ step: 40, knobs: { lr: 0.3 } }]);
  });

  it('that does not affect training is no touch, nor is a value it has already', () => {
    const { run, hear } = runOf();
    hear({ type: 'knobs', seq: 1, step: 10, knobs: { probe: 3 } });
    hear({ type: 'knobs', seq: 2, step: 20, knobs: { lr: 0.1 } });
    expect(run.touched).toBe(0);
    hear({ type: 'knobs', seq: 3, step: 30, knobs: { lr: 0.2 } });
    expect(run.touched).toBe(30);
  });

  it('set after the end waits for the next run', () => {
    const { run, stream } = runOf({ status: 'finished' });
    run.setKnob('lr', 0.5);
    frame();
    expect(stream.of('knobs')).toEqual([]);
    expect(run.wishes).toEqual({ lr: 0.5 });
  });

  it('set offline is sent after the next greeting', () => {
    const { run, stream, hear } = runOf();
    stream.listener.connection('lost');
    run.setKnob('lr', 0.5);
    frame();
    expect(stream.of('knobs')).toEqual([]);
    hear({ type: 'hello', seq: 0, run: info() });
    expect(stream.of('knobs')).toHaveLength(1);
  });

  it('that follows a schedule has its measured value', () => {
    const { run, stream } = runOf({ knobs: { ...KNOBS, schedules: { lr: { kind: 'step' } } } });
    const { tensors } = scalars([4]);
    stream.listener.frame({ ...scalars([4]), tensors: { step: tensors.step, 'knob/lr': tensors.loss } });
    frame();
    expect(run.followed.lr).toBeCloseTo(0.2);
    run.setKnob('lr', 0.1); // as it was set: ends the schedule
    expect(run.followed).toEqual({});
  });
});

describe('the past', () => {
  it('shows pictures, values and knobs of its step, and live the present ones', async () => {
    const { run, stream, hear } = runOf();
    hear({ type: 'knobs', seq: 1, step: 50, knobs: { lr: 0.3 }, now: { ...KNOBS, lr: 0.3 } });
    stream.listener.frame(scalars([99]));
    stream.listener.frame(picture(9));
    frame();
    run.setVisible('map', true);
    api.getMoment.mockResolvedValue([picture(2)]);
    api.getScalars.mockResolvedValue({ loss: [0.25] });
    run.seek(40);
    expect([run.at, run.now, run.shownAt, run.knobs.lr]).toEqual([40, 40, null, 0.1]);
    await soon();
    expect(api.getMoment).toHaveBeenCalledWith('a', 40, ['map']);
    expect(api.getScalars).toHaveBeenCalledWith('a', 39, 39);
    expect([run.shownAt, run.frames.get('map')?.seq, run.valueOf('loss')]).toEqual([40, 2, 0.25]);
    run.seek(null);
    expect([run.at, run.frames.get('map')?.seq, run.knobs.lr]).toEqual([null, 9, 0.3]);
  });

  it('keeps knobs for a branch, in which one set by hand ends its schedule', () => {
    const { run, stream } = runOf({ step: 100 });
    run.seek(40);
    run.setKnobs({ schedules: { lr: { kind: 'cosine' } } });
    expect(run.knobs.schedules).toEqual({ lr: { kind: 'cosine' } });
    run.setKnob('lr', 5);
    frame();
    expect(stream.of('knobs')).toEqual([]);
    expect(run.wanted).toEqual({ lr: 5, schedules: {} });
    expect(run.knobs).toEqual({ ...KNOBS, lr: 5, schedules: {} });
    run.seek(30);
    expect(run.wanted).toEqual({});
  });

  it('asks for one moment at a time, and last for the last one sought', async () => {
    const { run } = runOf({ step: 100 });
    run.setVisible('map', true);
    for (const step of [10, 20, 30]) run.seek(step);
    await soon();
    expect(api.getMoment.mock.calls.map(([, step]) => step)).toEqual([10, 30]);
    expect(run.shownAt).toBe(30);
  });

  it('that cannot be fetched says so', async () => {
    const { run } = runOf({ step: 100 });
    run.setVisible('map', true);
    api.getMoment.mockRejectedValue(new Error('gone'));
    run.seek(10);
    await soon();
    expect(run.error?.message).toBe('gone');
  });

  it('has recorded pictures, spread over the run', async () => {
    api.getKept.mockResolvedValue({ frames: { map: [0, 10, 20, 30] } });
    api.getMoment.mockImplementation(async (_, step) => [picture(step)]);
    expect((await recorded('a', 'map', 2)).map(({ step }) => step)).toEqual([0, 20]);
  });
});

describe('commands', () => {
  it('show their wish until the state says so', () => {
    const { run, stream, hear } = runOf();
    run.send({ type: 'pause' });
    expect([run.halted, run.status]).toEqual([true, 'running']);
    hear({ type: 'state', seq: 1, step: 5, status: 'paused' });
    expect([run.halted, run.wish, stream.of('pause').length]).toEqual([true, null, 1]);
  });

  it('given while the connection is lost go out after it, the last of each kind, the steps summed up', () => {
    const { run, stream, hear } = runOf();
    stream.listener.connection('lost');
    stream.open = false;
    for (const type of ['step', 'pause', 'resume', 'pause', 'step'])
      run.send(/** @type {any} */ (type === 'step' ? { type, steps: 2 } : { type }));
    run.send({ type: 'pace', steps_per_second: 5 });
    stream.open = true;
    hear({ type: 'hello', seq: 0, run: info() });
    expect(stream.sent.filter(({ type }) => type !== 'watch')).toEqual([
      { type: 'pace', steps_per_second: 5 },
      { type: 'pause' },
      { type: 'step', steps: 4 },
    ]);
  });
});

describe('what the server tells', () => {
  it('of the run, its recording and its health is kept', () => {
    const { run, hear } = runOf();
    hear({ type: 'state', seq: 1, step: 8, status: 'failed', reason: 'no', field: 'lr', params: { a: 1 } });
    expect([run.status, run.reason, run.ended, run.step]).toEqual(['failed', 'no', true, 8]);
    expect(run.refused).toEqual({ field: 'lr', params: { a: 1 } });
    hear({ type: 'recording', ok: false, reason: 'disk-full' });
    expect(run.recording).toEqual({ ok: false, reason: 'disk-full' });
    for (const step of [1, 2]) hear({ type: 'diagnosis', seq: 1 + step, step, code: 'stuck', params: {} });
    expect(run.diagnosis('stuck')?.step).toBe(2);
  });

  it('of the states that a script keeps, and of going back to one', () => {
    const { run, hear } = runOf({ experiment: 'watched-x', step: 50 });
    expect(run.way).toBeNull();
    hear({ type: 'kept', seq: 1, step: 40, steps: [10, 30, 40] });
    expect(run.way).toBe(40);
    run.seek(35);
    expect(run.way).toBe(30);
    run.seek(5);
    expect(run.way).toBeNull();
    run.seek(null);
    hear({ type: 'back', seq: 2, step: 50, to: 30 });
    expect(run.backs.map(({ step, to }) => [step, to])).toEqual([[50, 30]]);
    expect(run.touched).toBe(50);
    hear({ type: 'state', seq: 3, step: 60, status: 'finished' });
    expect(run.way).toBeNull(); // its states are gone with its process
  });

  it('once more after a reconnect is not taken for news', () => {
    const { run, hear } = runOf({}, false);
    hear({ type: 'hello', seq: 5, run: info({ status: 'paused' }) });
    hear({ type: 'state', seq: 3, step: 4, status: 'running' });
    hear({ type: 'knobs', seq: 4, step: 4, knobs: { lr: 9 } });
    expect([run.status, run.knobs.lr, run.knobChanges.length]).toEqual(['paused', 0.1, 1]);
  });
});

describe('the panels on screen', () => {
  it('are told once, at a calmer rate where motion is reduced', async () => {
    const { run, stream } = runOf();
    run.setVisible('map', true);
    run.setVisible('bars', true);
    await soon();
    expect(stream.watch.mock.calls).toEqual([[['map', 'bars'], 30]]);
    reduced = true;
    run.setVisible('bars', false);
    await soon();
    expect(stream.watch).toHaveBeenLastCalledWith(['map'], 2);
  });

  it('are none in the past and in a hidden page', async () => {
    const { run, stream } = runOf({ step: 100 });
    run.setVisible('map', true);
    run.seek(5);
    expect(stream.watch).toHaveBeenLastCalledWith([], 30);
    run.seek(null);
    expect(stream.watch).toHaveBeenLastCalledWith(['map'], 30);
    page.hidden = true;
    page.addEventListener.mock.calls[0][1]();
    expect(stream.watch).toHaveBeenLastCalledWith([], 30);
  });
});

it('closes its stream and hears the page no more', () => {
  const { run, stream } = runOf();
  run.close();
  expect(stream.close).toHaveBeenCalled();
  expect(page.removeEventListener.mock.calls[0]).toEqual(page.addEventListener.mock.calls[0]);
});
