import { expect, test } from 'vitest';
import { firstSentence, stackOf, wayBack } from '../../frontend/src/lib/stack.js';

/** @param {any} [more] @returns {any} */
const seen = (more = {}) => ({
  status: 'running',
  reason: '',
  connection: 'open',
  at: null,
  error: null,
  recording: { ok: true, reason: '' },
  diagnoses: [],
  touched: 0,
  parent: null,
  ...more,
});
/** @param {string} code @param {number} step @param {any} [params] */
const found = (code, step, params = {}) => ({ type: 'diagnosis', code, step, params });
/** @param {any[]} entries */
const told = (entries) => entries.map((entry) => entry.found?.code ?? entry.kind);

test('nothing stands there while nothing happens', () => {
  expect(stackOf(seen())).toEqual({ errors: [], now: [], earlier: [] });
  expect(stackOf(null, { refused: { code: 'offline', field: '' } }).errors).toHaveLength(1);
});

test('findings stand the newest first, each kind once', () => {
  const diagnoses = [found('exploding', 10), found('worse', 20), found('dead-units', 30), found('worse', 40)];
  const stack = stackOf(seen({ diagnoses }));
  expect(told(stack.now)).toEqual(['worse', 'dead-units', 'exploding']);
  expect(stack.now[0].found.step).toBe(40);
});

test('a run that its experiment ended says why, and can be branched from', () => {
  const [entry] = stackOf(seen({ status: 'finished', reason: 'Early stopping.' })).now;
  expect(entry).toEqual({ kind: 'finished', tone: 'good', action: 'branch' });
  expect(stackOf(seen({ status: 'finished' })).now).toEqual([]);
});

test('findings from before training was last changed fold away', () => {
  const diagnoses = [found('worse', 20), found('stuck', 60)];
  const stack = stackOf(seen({ diagnoses, touched: 50 }));
  expect(told(stack.now)).toEqual(['stuck']);
  expect(told(stack.earlier)).toEqual(['worse']);
});

test('what has recovered folds away, until it comes again', () => {
  const diagnoses = [found('worse', 20), found('stuck', 25), found('recovered', 30, { of: ['worse'] })];
  const stack = stackOf(seen({ diagnoses }));
  expect(told(stack.now)).toEqual(['recovered', 'stuck']);
  expect(stack.now[0].tone).toBe('good');
  expect(told(stack.earlier)).toEqual(['worse']);
  const again = stackOf(seen({ diagnoses: [...diagnoses, found('worse', 40)] }));
  expect(again.now[0].found.step).toBe(40);
});

test('what is found after it broke leads back to before it broke', () => {
  const worse = found('worse', 20, { back: { step: 12, knobs: { lr: 1 } } });
  const diagnoses = [worse, found('stuck', 25), found('exploding', 30, { healthy: 15, remedy: { lr: 40 } })];
  const steps = (/** @type {any[]} */ all) =>
    stackOf(seen({ diagnoses: all })).now.map((entry) => entry.back?.step);
  expect(steps(diagnoses)).toEqual([12, 12, 12]);
  expect(steps([...diagnoses, found('recovered', 40, { of: ['worse'] })])).toEqual([
    undefined,
    15,
    undefined,
  ]);
});

test('what was read is gone, and what has no words does not stand there', () => {
  const read = found('worse', 20);
  const stack = stackOf(seen({ diagnoses: [read, found('probe-failed', 30)] }), {
    dismissed: new Set([read]),
    known: (code) => code === 'worse',
  });
  expect(stack.now).toEqual([]);
});

test('what a device cannot do exactly stands last, whatever is changed, and once', () => {
  const [first, all] = [found('not-exact', 4), found('not-exact', 9)];
  const stack = stackOf(seen({ diagnoses: [first, found('stuck', 5), all, found('worse', 8)], touched: 7 }));
  expect(stack.now.map((entry) => entry.found?.code)).toEqual(['worse', 'not-exact']);
  expect(stack.now[1]).toMatchObject({ tone: 'quiet', found: all });
  expect(stack.earlier.map((entry) => entry.found?.code)).toEqual(['stuck']);
});

test('an error never takes the place of what helps', () => {
  const refused = { code: 'offline', field: '' };
  const stack = stackOf(seen({ status: 'interrupted', error: { ...refused } }), { refused });
  expect(stack.errors).toHaveLength(1);
  expect(stack.now[0]).toMatchObject({ kind: 'interrupted', action: 'resume' });
});

test('a run that the cluster could not take says from which step, and no finding is left beside it', () => {
  const stack = stackOf(seen({ status: 'running', diagnoses: [found('not-on-cluster', 40)] }));
  expect(stack.now).toMatchObject([{ kind: 'off-cluster', tone: 'warn', found: { step: 40 } }]);
});

test('a diverged run offers the way back that is known, else the undo of a change, else a new beginning', () => {
  const back = { step: 7, knobs: { lr: 1 } };
  const diverged = { status: 'diverged', diagnoses: [found('non-finite', 9, { back, rates: {} })] };
  expect(stackOf(seen({ ...diverged, touched: 3 })).now[0]).toMatchObject({
    kind: 'diverged',
    action: '',
    back,
  });
  const remedy = {
    status: 'diverged',
    diagnoses: [found('non-finite', 9, { healthy: 4, remedy: { lr: 1 } })],
  };
  expect(stackOf(seen(remedy)).now[0]).toMatchObject({ action: '', back: { step: 4, knobs: { lr: 1 } } });
  expect(stackOf(seen({ ...remedy, touched: 3 })).now[0]).toMatchObject({ action: 'undo', back: null });
  const unknown = { status: 'diverged', diagnoses: [found('non-finite', 9)] };
  expect(stackOf(seen({ ...unknown, touched: 3 })).now[0].action).toBe('undo');
  expect(stackOf(seen({ ...unknown, parent: 'a' })).now[0].action).toBe('undo');
  expect(stackOf(seen(unknown)).now[0].action).toBe('reset');
});

test('a run that is gone has nothing else to say', () => {
  expect(told(stackOf(seen({ connection: 'gone', diagnoses: [found('worse', 1)] })).now)).toEqual(['gone']);
});

test('the way back of a finding: what it names, or the last step at which all was well', () => {
  expect(wayBack(found('worse', 9, { back: { step: 7, knobs: { lr: 1 } }, healthy: 3 }))?.step).toBe(7);
  expect(wayBack(found('exploding', 9, { healthy: 3, remedy: { lr: 2 } }))).toEqual({
    step: 3,
    knobs: { lr: 2 },
  });
  expect(wayBack(found('stuck', 9))).toBeNull();
});

test('the first sentence ends at its stop, not in a number', () => {
  expect(firstSentence('η is 0.3 at 1.5. Lower it.')).toEqual(['η is 0.3 at 1.5.', 'Lower it.']);
  expect(firstSentence('스텝 3에서 멈췄습니다. 낮추세요.')).toEqual(['스텝 3에서 멈췄습니다.', '낮추세요.']);
  expect(firstSentence('no stop')).toEqual(['no stop', '']);
});

test('that a run has just begun stands first for a while, but behind what went wrong', () => {
  const around = { previous: true, fresh: true };
  const quiet = { crowd: 1, ...around };
  expect(told(stackOf(seen(), quiet).now)).toEqual(['anew', 'crowd']);
  expect(told(stackOf(seen({ status: 'diverged' }), quiet).now)).toEqual(['diverged', 'anew', 'crowd']);
  expect(told(stackOf(seen({ diagnoses: [found('worse', 20)] }), around).now)).toEqual(['worse', 'anew']);
  expect(told(stackOf(seen({ diagnoses: [found('worse', 20)] }), { ...quiet, fresh: false }).now)).toEqual([
    'worse',
    'previous',
    'crowd',
  ]);
});

test('a run that has come to its end says so, and keeps the way on', () => {
  expect(told(stackOf(seen(), { over: true }).now)).toEqual(['end']);
  expect(told(stackOf(seen({ at: 3 }), { over: true }).now)).toEqual(['past']);
  const [entry] = stackOf(seen({ status: 'finished', reason: 'Early stopping.' }), { over: true }).now;
  expect(entry).toEqual({ kind: 'end', tone: 'good', action: 'branch' });
});

test('a script’s run offers the way back to a state that it keeps, and only to one', () => {
  const diagnoses = [found('worse', 40, { back: { step: 35, knobs: { lr: 0.1 } } })];
  const way = (/** @type {number[]} */ kept) => stackOf(seen({ diagnoses, ownLoop: true, kept })).now[0].back;
  expect(way([10, 30, 36])).toEqual({ step: 30, knobs: { lr: 0.1 } });
  expect(way([36])).toBeNull();
  expect(way([])).toBeNull();
});

test('a run that has no place yet says what for, and offers the CPU where it waits for a GPU', () => {
  const waiting = seen({ status: 'starting', reason: 'cpus-taken' });
  expect(stackOf(waiting, { slow: true }).now).toEqual([{ kind: 'unplaced', tone: 'warn', action: '' }]);
  for (const reason of ['no-gpu', 'gpus-taken'])
    expect(stackOf({ ...waiting, reason }).now[0].action).toBe('cpu');
});

test('a start that takes long is said to be one', () => {
  const starting = seen({ status: 'starting' });
  expect(stackOf(starting).now).toEqual([]);
  expect(stackOf(starting, { slow: true }).now).toEqual([{ kind: 'starting', tone: 'quiet' }]);
  expect(stackOf(seen(), { slow: true }).now).toEqual([]);
});
