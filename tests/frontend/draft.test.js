import { beforeEach, describe, expect, it, vi } from 'vitest';
import SCHEDULES from '../fixtures/schedules.json';
import { ApiError } from '../../frontend/src/lib/refusal.js';

const planSchedule = vi.hoisted(() => vi.fn());
vi.mock('../../frontend/src/lib/api.js', () => ({ planSchedule }));
const { Draft } = await import('../../frontend/src/components/schedule/draft.svelte.js');

const number = { type: 'number', minimum: 0.001, maximum: 1, 'x-live': true };

/** A run as far as a draft knows one. @param {Record<string, any>} [changes] */
const runOf = (changes = {}) =>
  /** @type {any} */ ({
    id: 'r',
    first: 0,
    now: 500,
    rate: null,
    ended: false,
    knobs: { lr: 0.1, momentum: 0.9 },
    followed: {},
    experiment: {
      schedules: SCHEDULES,
      knobs: {
        properties: {
          momentum: { ...number, title: 'Momentum' },
          lr: { ...number, title: 'Learning rate', 'x-log': true, 'x-role': 'rate' },
          layers: { ...number, title: 'Layers', 'x-live': false },
        },
      },
    },
    setKnobs: vi.fn(),
    ...changes,
  });

beforeEach(() => {
  vi.useFakeTimers();
  planSchedule.mockReset();
});

describe('a draft of a schedule', () => {
  it('is about a learning rate, unless the learner chooses another live number', () => {
    const draft = new Draft(runOf());
    expect(draft.names).toEqual(['momentum', 'lr']);
    expect(draft.knob).toBe('lr');
    draft.chooseKnob('momentum');
    expect(draft.knob).toBe('momentum');
    expect(draft.value).toBe(0.9);
  });

  it('has the settings that were suggested but for those that were set, until the kind changes', () => {
    const draft = new Draft(runOf());
    draft.set('steps', 300);
    expect(draft.schedule).toMatchObject({ kind: 'cosine', steps: 300, low: 0.001 });
    draft.chooseKind('exponential');
    expect(draft.schedule).toEqual({ kind: 'exponential', every: 250, factor: 0.5 });
  });

  it('can be of a kind that this page has never heard of', () => {
    const run = runOf();
    const width = { name: 'width', whole: true, amount: 0.5, of: 'ahead' };
    run.experiment.schedules = { ...SCHEDULES, triangle: [width] };
    const draft = new Draft(run);
    expect(draft.kinds.at(-1)).toBe('triangle');
    draft.chooseKind('triangle');
    expect(draft.schedule).toEqual({ kind: 'triangle', width: 500 });
    draft.set('width', 80);
    draft.follow();
    expect(run.setKnobs).toHaveBeenCalledWith({ schedules: { lr: { kind: 'triangle', width: 80 } } });
  });

  it('is followed beside the schedules of other knobs', () => {
    const run = runOf();
    run.knobs.schedules = { momentum: { kind: 'step' } };
    const draft = new Draft(run);
    draft.chooseKind('step');
    draft.follow();
    expect(run.setKnobs).toHaveBeenCalledWith({
      schedules: { momentum: { kind: 'step' }, lr: { kind: 'step', every: 250, factor: 0.5 } },
    });
    draft.chooseKind('constant');
    draft.follow();
    expect(run.setKnobs).toHaveBeenLastCalledWith({ lr: 0.1 });
  });

  it('looks half a minute ahead, and does not change with every stutter', () => {
    const run = runOf({ rate: 100 });
    const draft = new Draft(run);
    draft.adjust();
    expect(draft.ahead).toBe(3000);
    run.rate = 60;
    draft.adjust();
    expect(draft.ahead).toBe(3000);
    draft.wishedAhead = 50;
    expect(draft.ahead).toBe(50);
  });
});

describe('a line that is drawn', () => {
  it('begins where the run is, holds the value until the pen, and is followed', () => {
    const run = runOf();
    const draft = new Draft(run);
    draft.begin();
    draft.draw(510, 0.5);
    draft.draw(520, 7); // above the knob's range
    draft.end(true);
    const schedule = { kind: 'drawn', points: [[0, 0.1], [9, 0.1], [10, 0.5], [20, 1]], log: true, start: 500 }; // prettier-ignore
    expect(run.setKnobs).toHaveBeenCalledWith({ schedules: { lr: schedule } });
  });

  it('of one point, or taken away by the system, is none', () => {
    const run = runOf();
    const draft = new Draft(run);
    draft.chooseKind('step');
    draft.begin();
    draft.draw(510, 0.5);
    draft.end(true);
    expect(draft.kind).toBe('step');
    draft.begin();
    draft.draw(510, 0.5);
    draft.draw(520, 0.5);
    draft.end(false);
    expect(draft.kind).toBe('step');
    expect(run.setKnobs).not.toHaveBeenCalled();
  });

  it('can be written; what cannot be read stays to be mended', () => {
    const draft = new Draft(runOf());
    draft.chooseKind('drawn');
    draft.write('0 0.1, x');
    expect(draft.unread).toBe('0 0.1, x');
    draft.write('0 0.1, 500 0.01');
    expect(draft.unread).toBe('');
    expect(draft.schedule.points).toEqual([[0, 0.1], [500, 0.01]]); // prettier-ignore
    draft.write('40 0.5, 500 0.01'); // holds the value until then, as a drawn one
    expect(draft.schedule.points).toEqual([[0, 0.1], [39, 0.1], [40, 0.5], [500, 0.01]]); // prettier-ignore
  });
});

describe('what the server says it would do', () => {
  it('is the answer to the last question', async () => {
    const draft = new Draft(runOf());
    const plan = { step: [0, 10], value: [0.1, 0.05] };
    planSchedule.mockResolvedValue(plan);
    const stop = draft.ask();
    stop?.();
    draft.chooseKind('exponential');
    draft.ask();
    await vi.runAllTimersAsync();
    expect(planSchedule).toHaveBeenCalledTimes(1);
    expect(planSchedule.mock.calls[0]).toEqual([
      'r',
      expect.objectContaining({ knob: 'lr', steps: 1000, value: 0.1 }),
    ]);
    expect(draft.future).toEqual([[500, 0.1], [510, 0.05]]); // prettier-ignore
  });

  it('may be a refusal, which says which setting', async () => {
    const draft = new Draft(runOf());
    planSchedule.mockRejectedValue(new ApiError({ code: 'bad', params: { setting: 'low' } }));
    draft.ask();
    await vi.runAllTimersAsync();
    expect(draft.refused?.params?.setting).toBe('low');
    expect(draft.future).toEqual([]);
  });

  it('is not asked of a line without points', async () => {
    const draft = new Draft(runOf());
    draft.chooseKind('drawn');
    draft.ask();
    await vi.runAllTimersAsync();
    expect(planSchedule).not.toHaveBeenCalled();
  });
});
