import { beforeEach, describe, expect, it, vi } from 'vitest';

const api = vi.hoisted(() => ({
  branchRun: vi.fn(),
  command: vi.fn(),
  createRun: vi.fn(),
  deleteRuns: vi.fn(),
  getFamily: vi.fn(),
  getKnobLog: vi.fn(),
  getRun: vi.fn(),
  listRuns: vi.fn(),
}));
vi.mock('../../frontend/src/lib/api.js', () => api);
vi.mock('../../frontend/src/lib/run.svelte.js', () => ({ RunView: FakeRun }));

class FakeRun {
  /** @type {Record<string, any>} */
  followed = {};
  wishes = {};
  wanted = {};
  at = /** @type {number | null} */ (null);
  step = 100;
  ended = false;
  halted = false;
  resumable = false;
  knobChanges = [];
  place = 0;
  shown = true;
  close = vi.fn();
  send = vi.fn();
  setKnobs = vi.fn();
  seek = vi.fn((/** @type {number | null} */ step) => (this.at = step));

  /** @param {any} info @param {any} experiment @param {any} [began] */
  constructor(info, experiment, began = info.knobs) {
    Object.assign(this, info);
    this.id = info.id;
    this.status = info.status;
    this.first = info.branched_at ?? 0;
    this.experiment = experiment;
    this.began = began;
  }
  get now() {
    return this.at ?? this.step;
  }
}
const { ApiError } = await import('../../frontend/src/lib/refusal.js');
const { Session } = await import('../../frontend/src/lib/session.svelte.js');

const experiment = {
  knobs: {
    properties: {
      lr: { default: 0.1, 'x-live': true },
      probe: { default: 0, 'x-live': true, 'x-role': 'look' },
      layers: { default: 2, 'x-live': false },
    },
  },
  presets: [{ id: 'wild', knobs: { lr: 5 } }],
  story: [],
  challenges: [],
};
/** @param {string} id @param {Record<string, any>} [more] */
const info = (id, more = {}) => ({
  ...{ id, experiment: 'lab', seed: 7, status: 'running', parent: null, branched_at: null },
  knobs: { lr: 0.1, probe: 0, layers: 2 },
  ...more,
});
/** @type {Record<string, any>} */
let recorded = {};
let made = 0;

beforeEach(() => {
  vi.resetAllMocks();
  recorded = {};
  made = 0;
  api.command.mockResolvedValue(undefined);
  api.getFamily.mockResolvedValue([]);
  api.getRun.mockImplementation(async (id) => {
    if (!recorded[id]) throw new ApiError({ detail: 'gone', status: 404, code: 'unknown-run' });
    return recorded[id];
  });
  api.getKnobLog.mockImplementation(async (id) => [{ step: 0, knobs: recorded[id]?.knobs }]);
  api.createRun.mockImplementation(async ({ knobs, seed }) =>
    info(`new${++made}`, { seed, knobs: { lr: 0.1, probe: 0, layers: 2, ...knobs } }),
  );
});

/** A session that shows a run, and that run. @param {Record<string, any>} [more] */
async function sessionOf(more = {}) {
  recorded.a = info('a', more);
  const session = new Session('lab');
  session.describe(experiment);
  await session.open(new URLSearchParams('run=a'));
  return { session, run: /** @type {FakeRun} */ (/** @type {unknown} */ (session.run)) };
}

describe('a lab is opened', () => {
  it('with a new run where the address names none', async () => {
    const session = new Session('lab');
    session.describe(experiment);
    await session.open(new URLSearchParams());
    expect(session.run?.id).toBe('new1');
    expect(api.createRun).toHaveBeenCalledWith({
      experiment: 'lab',
      knobs: {},
      seed: 0,
      paused: false,
      viewed: true,
    });
  });

  it('with new runs on the device that was chosen, and the same settings', async () => {
    const { session } = await sessionOf({ status: 'paused' });
    await session.trainOn('cuda:1');
    const asked = { experiment: 'lab', knobs: info('a').knobs, seed: 7, paused: true, viewed: true };
    expect(api.createRun).toHaveBeenLastCalledWith({ ...asked, device: 'cuda:1' });
    await session.trainOn('auto');
    expect(api.createRun).toHaveBeenLastCalledWith({ ...asked, paused: false }); // as the run before
  });

  it('with the run, the step and the comparison of the address', async () => {
    recorded = { a: info('a'), b: info('b') };
    const session = new Session('lab');
    session.describe(experiment);
    await session.open(new URLSearchParams('run=a&step=40&with=b'));
    expect(session.run?.at).toBe(40);
    expect(session.others.map((other) => other.id)).toEqual(['b']);
    expect(session.others[0].place).toBe(1);
  });

  it('with a branch beside the run it came from', async () => {
    recorded = { a: info('a'), b: info('b', { parent: 'a', branched_at: 50 }) };
    const session = new Session('lab');
    session.describe(experiment);
    await session.open(new URLSearchParams('run=b'));
    expect(session.others.map((other) => other.id)).toEqual(['a']);
  });

  it('without a run that is gone, or is of another experiment', async () => {
    const { session, run } = await sessionOf();
    await session.show('nowhere');
    expect(session.run).toBeNull();
    expect(session.missing).toMatchObject({ id: 'nowhere', experiment: '', error: { status: 404 } });
    expect(run.close).toHaveBeenCalled();
    recorded.c = info('c', { experiment: 'dcgan' });
    await session.show('c');
    expect(session.missing).toMatchObject({ id: 'c', experiment: 'dcgan', error: null });
  });

  it('by a link with the run it was copied from', async () => {
    recorded = { a: info('a') };
    const session = new Session('lab');
    session.describe(experiment);
    await session.open(new URLSearchParams('run=a&seed=7&k.lr=5&step=40&story=2'));
    expect([session.run?.id, session.run?.at]).toEqual(['a', 40]);
    expect(api.createRun).not.toHaveBeenCalled();
  });

  it('by a link with the same run made again where there is none', async () => {
    const session = new Session('lab');
    session.describe(experiment);
    await session.open(new URLSearchParams('run=a&seed=7&device=cpu&k.lr=5&log=10*lr*0.5&step=40&paused=1'));
    expect(session.run?.id).toBe('new1');
    expect(session.goal).toBe(40);
    expect(api.createRun).toHaveBeenCalledWith({
      ...{
        experiment: 'lab',
        knobs: { lr: 5 },
        seed: 7,
        device: 'cpu',
        paused: true,
        until: 40,
        viewed: true,
      },
      changes: [{ step: 10, knobs: { lr: 0.5 } }],
    });
  });

  it('by no link that says what cannot be', async () => {
    const session = new Session('lab');
    session.describe(experiment);
    await session.open(new URLSearchParams('seed=7&step=1e99'));
    expect(session.run).toBeNull();
    expect(session.missing?.error).toMatchObject({ code: 'bad-link', params: { reason: 'step' } });
    api.createRun.mockRejectedValue(new ApiError({ status: 422, code: 'bad-knob', field: 'lr' }));
    await session.open(new URLSearchParams('seed=7&k.lr=-5'));
    expect(session.missing?.error).toMatchObject({ code: 'bad-knob', field: 'lr' });
    expect(session.run).toBeNull();
  });

  it('with the preset whose knobs the run began with', async () => {
    const { session } = await sessionOf({ knobs: { lr: 5, probe: 0, layers: 2 } });
    expect([session.preset, session.watched]).toEqual(['wild', 'wild']);
  });
});

describe('a knob', () => {
  it('that is live goes to the run', async () => {
    const { session, run } = await sessionOf();
    session.setKnobs({ lr: 0.5 });
    expect(run.setKnobs).toHaveBeenCalledWith({ lr: 0.5 });
    expect(api.createRun).not.toHaveBeenCalled();
  });

  it('that is fixed begins another run with the same seed, which can be left again', async () => {
    const { session } = await sessionOf();
    session.setKnobs({ layers: 3 });
    expect(session.knobs?.layers).toBe(3); // before the server has answered
    await vi.waitFor(() => expect(session.run?.id).toBe('new1'));
    expect(api.createRun.mock.calls[0][0]).toMatchObject({
      seed: 7,
      paused: false,
      knobs: { layers: 3, lr: 0.1 },
    });
    expect(api.command).toHaveBeenCalledWith('a', 'stop');
    expect(session.previous).toMatchObject({ id: 'a', step: 100 });
    await session.goBack();
    expect(session.run?.id).toBe('a');
  });

  it('a beginning is undone: the run before goes on, and the new one is gone', async () => {
    api.deleteRuns.mockResolvedValue(undefined);
    const { session } = await sessionOf();
    session.reset();
    await vi.waitFor(() => expect(session.run?.id).toBe('new1'));
    expect(session.fresh).toBe(true);
    recorded.a = info('a', { status: 'stopped', resumable: true });
    await session.unbegin();
    expect(session.run?.id).toBe('a');
    expect(session.fresh).toBe(false);
    expect(api.command).toHaveBeenLastCalledWith('a', 'resume');
    expect(api.deleteRuns).toHaveBeenCalledWith(['new1'], false);
  });

  it('a beginning is undone only when the run before has stopped: till then it would not go on', async () => {
    api.deleteRuns.mockResolvedValue(undefined);
    const { session } = await sessionOf();
    let ended = () => {};
    api.command.mockReturnValueOnce(new Promise((done) => (ended = () => done(undefined))));
    session.reset();
    await vi.waitFor(() => expect(session.run?.id).toBe('new1'));
    recorded.a = info('a');
    const undone = session.unbegin();
    await new Promise((next) => setTimeout(next));
    expect(session.run?.id).toBe('new1');
    recorded.a = info('a', { status: 'stopped', resumable: true });
    ended();
    await undone;
    expect(api.command).toHaveBeenLastCalledWith('a', 'resume');
  });

  it('that was refused is kept for the next try, with what is set meanwhile', async () => {
    const { session } = await sessionOf();
    api.createRun.mockRejectedValueOnce(new Error('no'));
    session.setKnobs({ layers: 99 });
    await vi.waitFor(() => expect(session.refused).not.toBeNull());
    expect([session.run?.id, session.knobs?.layers]).toEqual(['a', 99]);
    session.setKnobs({ layers: 4 });
    await vi.waitFor(() => expect(session.run?.id).toBe('new1'));
    expect(session.refused).toBeNull();
  });

  it('that made a run fail begins another, also with the value it had', async () => {
    const { session } = await sessionOf();
    Object.assign(session.run, { refused: { field: 'layers', params: {} }, ended: true });
    session.setKnobs({ layers: session.knobs.layers });
    await vi.waitFor(() => expect(session.run?.id).toBe('new1'));
  });

  it('that is only looked at leaves the preset as it is', async () => {
    const { session } = await sessionOf({ knobs: { lr: 5, probe: 0, layers: 2 } });
    session.setKnobs({ probe: 1 });
    expect(session.preset).toBe('wild');
    session.setKnobs({ lr: 1 });
    expect(session.preset).toBe('');
  });

  it('that is live waits for a run that is about to begin', async () => {
    const { session } = await sessionOf();
    session.setKnobs({ layers: 3 });
    session.setKnobs({ lr: 0.7 });
    await vi.waitFor(() => expect(session.run?.id).toBe('new1'));
    expect(session.run?.setKnobs).toHaveBeenCalledWith({ lr: 0.7 });
  });
});

it('of runs asked for in a hurry only the first and the last begin', async () => {
  const { session } = await sessionOf();
  session.begin({ layers: 3 }, 1, false);
  session.begin({ layers: 4 }, 2, false);
  await session.begin({ layers: 5 }, 3, true);
  expect(api.createRun.mock.calls.map(([run]) => run.seed)).toEqual([1, 3]);
  expect(session.run?.seed).toBe(3);
  expect(session.previous?.id).toBe('a');
});

describe('a branch', () => {
  it('goes on from the step looked at; its parent pauses, and stays beside it', async () => {
    const { session, run } = await sessionOf();
    api.branchRun.mockResolvedValue(info('b', { parent: 'a', branched_at: 40 }));
    run.at = 40;
    run.wanted = { lr: 1 };
    await session.branch();
    expect(api.branchRun).toHaveBeenCalledWith('a', 40, { lr: 1 });
    expect(api.command).toHaveBeenCalledWith('a', 'pause');
    expect(run.seek).toHaveBeenCalledWith(null);
    expect([session.run?.id, session.others[0].id]).toEqual(['b', 'a']);
  });

  it('that is refused leaves all as it was', async () => {
    const { session, run } = await sessionOf();
    api.branchRun.mockRejectedValue(new Error('no'));
    await session.branch();
    expect(session.run).toBe(run);
    expect(session.refused.message).toBe('no');
  });

  it('takes back what was last changed', async () => {
    const { session, run } = await sessionOf();
    api.branchRun.mockResolvedValue(info('b', { parent: 'a' }));
    run.knobChanges = /** @type {any} */ ([
      { step: 30, knobs: { lr: 0.5 } },
      { step: 70, knobs: { probe: 1 } },
    ]);
    await session.undo();
    expect(api.branchRun).toHaveBeenCalledWith('a', 30, { lr: 0.1 });
  });
});

describe('runs beside', () => {
  it('are four at most, each in a place of its own', async () => {
    const { session } = await sessionOf();
    for (const id of ['b', 'c', 'd', 'e', 'f']) recorded[id] = info(id);
    for (const id of ['a', 'b', 'b', 'c', 'd', 'e', 'f']) await session.add(id);
    expect(session.others.map(({ id, place }) => `${id}${place}`)).toEqual(['b1', 'c2', 'd3', 'e4']);
    session.beside = session.others[1];
    session.remove(session.others[1]);
    expect(session.beside).toBeNull();
    await session.add('f');
    expect(session.others.at(-1)?.place).toBe(2);
  });

  it('change places with the run looked at', async () => {
    const { session } = await sessionOf();
    recorded.b = info('b');
    await session.add('b');
    await session.change('b');
    expect([session.run?.id, session.others.map((other) => other.id)]).toEqual(['b', ['a']]);
  });
});

describe('play', () => {
  it('returns from the past, and goes on or pauses', async () => {
    const { session, run } = await sessionOf();
    run.at = 40;
    session.play();
    expect(run.seek).toHaveBeenCalledWith(null);
    expect(run.send).toHaveBeenCalledWith({ type: 'pause' });
    run.halted = true;
    session.play();
    expect(run.send).toHaveBeenLastCalledWith({ type: 'resume' });
  });

  it('resumes what was interrupted, and begins anew what has ended', async () => {
    const { session, run } = await sessionOf();
    run.ended = run.resumable = true;
    session.play();
    expect(api.command).toHaveBeenCalledWith('a', 'resume');
    run.resumable = false;
    session.play();
    await vi.waitFor(() => expect(session.run?.id).toBe('new1'));
  });

  it('by a step pauses first', async () => {
    const { session, run } = await sessionOf();
    session.step();
    expect(run.send.mock.calls.map(([order]) => order.type)).toEqual(['pause', 'step']);
  });
});

it('a run that waits for a GPU is begun on the CPU with what it has', async () => {
  const { session, run } = await sessionOf();
  session.trainOn('cpu');
  await vi.waitFor(() => expect(session.run?.id).toBe('new1'));
  const asked = api.createRun.mock.lastCall?.[0];
  expect(asked).toMatchObject({ device: 'cpu', knobs: run.knobs, seed: run.seed, paused: false });
  session.reset();
  await vi.waitFor(() => expect(session.run?.id).toBe('new2'));
  expect([session.device, api.createRun.mock.lastCall?.[0].device]).toEqual(['cpu', 'cpu']);
});

it('what failed for want of a connection is over when it is back', async () => {
  const { session } = await sessionOf();
  session.refused = { code: 'offline' };
  session.wanted = { lr: 1 };
  session.reached();
  expect([session.refused, session.wanted]).toEqual([null, null]);
  session.refused = { code: 'bad' };
  session.reached();
  expect(session.refused).not.toBeNull();
});

it('the others that train are known, without this one', async () => {
  const { session } = await sessionOf();
  api.listRuns.mockResolvedValue([info('a'), info('b'), info('c', { status: 'finished' })]);
  await session.lookAround();
  expect(session.crowd.map((one) => one.id)).toEqual(['b']);
  api.listRuns.mockRejectedValue(new Error('offline'));
  await session.pauseOther('b');
  expect(api.command).toHaveBeenCalledWith('b', 'pause');
  expect(session.crowd).toEqual([]);
});
