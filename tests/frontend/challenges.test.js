import { beforeEach, expect, test, vi } from 'vitest';
import { kept, signs, starsAt, Challenges } from '../../frontend/src/lib/challenges.svelte.js';

const LOW = {
  id: 'low',
  title: 'Low',
  goal: 'Come below 0.5.',
  hint: 'Go down.',
  done: [{ scalar: 'loss', below: 0.5 }],
  rules: [{ knob: 'hidden', total: true, below: 13 }],
  within: [100, 50, 20],
  start: { hidden: [8] },
};
const HIGH = { ...LOW, id: 'high', rules: [], done: [{ scalar: 'loss', above: 9 }] };
/** @type {any[]} */
const ALL = [LOW, HIGH];

/** @type {{path: string, answer: any}[]} */
let asked = [];
/** @type {any} */
let answer = [];
beforeEach(() => {
  asked = [];
  answer = [];
  vi.useFakeTimers();
  vi.stubGlobal('fetch', async (/** @type {string} */ path) => {
    asked.push({ path, answer });
    return { ok: true, status: 200, json: async () => answer };
  });
});

/** @param {any} [more] @returns {any} */
const run = (more = {}) => ({
  id: 'one',
  at: null,
  step: 10,
  knobs: { hidden: [8] },
  scalars: { latest: () => more.loss ?? 1 },
  ...more,
});
const solved = (/** @type {any} */ more = {}) => ({
  experiment: 'x',
  challenge: 'low',
  stars: 3,
  step: 10,
  run: 'one',
  ...more,
});
const settled = () => vi.advanceTimersByTimeAsync(0);

test('a rule is kept as on the server', () => {
  const rule = /** @type {any} */ (LOW.rules[0]);
  expect(kept(rule, { hidden: [8, 4] })).toBe(true);
  expect(kept(rule, { hidden: [8, 5] })).toBe(false);
  expect(kept(/** @type {any} */ ({ knob: 'data', equals: 'spiral' }), { data: 'circle' })).toBe(false);
});

test('stars go by steps', () => {
  expect([20, 21, 50, 51, 100, 101].map((step) => starsAt(/** @type {any} */ (LOW), step))).toEqual([
    3, 2, 2, 1, 1, 0,
  ]);
  expect(signs(2)).toBe('★★☆');
});

test('the server is asked when a run seems to have done it, and says', async () => {
  const challenges = new Challenges('x');
  challenges.tell(ALL);
  await settled();
  challenges.follow(run());
  expect(asked).toHaveLength(1); // what was solved so far
  answer = [solved()];
  challenges.follow(run({ loss: 0.1 }));
  challenges.follow(run({ loss: 0.1 }));
  await settled();
  expect(asked.map(({ path }) => path).slice(1)).toEqual(['/api/runs/one/challenges']);
  expect(challenges.solved.low.stars).toBe(3);
  expect(challenges.stars).toBe(3);
  vi.setSystemTime(Date.now() + 60_000);
  challenges.follow(run({ loss: 0.1 }));
  expect(asked).toHaveLength(2); // there is no better
});

test('a run of the past, against the rules, or too late is not checked', async () => {
  const challenges = new Challenges('x');
  challenges.tell(ALL);
  await settled();
  challenges.follow(run({ loss: 0.1, at: 3 }));
  challenges.follow(run({ loss: 0.1, knobs: { hidden: [13] } }));
  challenges.follow(run({ loss: 0.1, step: 101 }));
  expect(asked).toHaveLength(1);
});

test('how a run stands', async () => {
  const challenges = new Challenges('x');
  challenges.tell(ALL);
  challenges.show('low');
  expect(challenges.standing(run())).toEqual({ state: 'way', stars: 3 });
  expect(challenges.standing(run({ step: 60 }))).toEqual({ state: 'way', stars: 1 });
  expect(challenges.standing(run({ step: 200 })).state).toBe('late');
  expect(challenges.standing(run({ knobs: { hidden: [20] } })).state).toBe('broken');
  answer = [solved()];
  challenges.follow(run({ loss: 0.1 }));
  await settled();
  expect(challenges.standing(run())).toEqual({ state: 'done', stars: 3 });
  challenges.show();
  expect(challenges.one?.id).toBe('high'); // where one left off
});
