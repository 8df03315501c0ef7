import { expect, test } from 'vitest';
import TERMS from '../fixtures/story_terms.json';
import { holds } from '../../frontend/src/lib/story.js';
import { Ending, progressOf, Story } from '../../frontend/src/lib/story.svelte.js';

test('a term holds here where it holds on the server', () => {
  /** @type {any} */
  const { scalars, findings, gestures, ...rest } = TERMS.seen;
  const seen = {
    ...rest,
    presets: TERMS.presets,
    scalar: (/** @type {string} */ name) => scalars[name] ?? NaN,
    findings: new Set(findings),
    gestures: new Set(gestures),
  };
  for (const { term, holds: expected } of TERMS.cases)
    expect([term, holds([/** @type {any} */ (term)], seen)]).toEqual([term, expected]);
  expect(holds([{ steps: 40 }, { steps: 41 }], seen)).toBe(false);
});

/** @type {any[]} */
const STEPS = [
  { id: 'pull', done: [{ knob: 'lr', above: 1 }], answers: [] },
  {
    id: 'see',
    done: [{ scalar: 'loss', above: 2, times: true }],
    ask: 'Up or down?',
    answers: [
      { id: 'up', when: [{ scalar: 'loss', above: 1, times: true }] },
      { id: 'down', when: [{ scalar: 'loss', below: 1, times: true }] },
    ],
  },
  { id: 'back', done: [{ gesture: 'branch' }, { steps: 10 }], answers: [] },
];

/** @param {any} [more] @returns {any} */
function run(more = {}) {
  const values = { loss: 1 };
  return {
    id: 'one',
    first: 0,
    touched: 0,
    step: 0,
    at: null,
    status: 'running',
    diagnoses: [],
    knobs: { lr: 0.1 },
    values,
    scalars: { latest: (/** @type {'loss'} */ name) => values[name] ?? NaN },
    ...more,
  };
}

test('a step is ticked off when it has happened, and what comes after it only from then on', () => {
  const story = new Story('tick');
  story.tell(STEPS);
  const now = run();
  story.follow(now, {});
  expect(story.ticked).toBe(false);
  now.knobs = { lr: 3 };
  story.follow(now, {});
  expect(story.done).toEqual(['pull']);

  now.values.loss = 5;
  story.turn(1);
  story.answer('down');
  story.follow(now, {});
  expect(story.ticked).toBe(false); // 5 is where the second step began
  now.values.loss = 11;
  now.at = 3;
  story.follow(now, {});
  expect(story.ticked).toBe(false); // while looking back, nothing is ticked off
  now.at = null;
  story.follow(now, {});
  expect(story.ticked).toBe(true);
  expect(story.right).toMatchObject({ see: 'up' });
  expect(progressOf('tick')).toEqual({ done: ['pull', 'see'], of: 3, closed: false });
});

test('a branch counts for the step that asked for it, though it is another run', () => {
  const story = new Story('branch');
  story.tell(STEPS);
  story.follow(run(), {});
  story.turn(2);
  story.note('branch');
  const branch = run({ first: 100, step: 105 });
  story.follow(branch, {});
  expect(story.ticked).toBe(false);
  branch.step = 110;
  branch.touched = 105; // a knob was set
  story.follow(branch, {});
  expect(story.ticked).toBe(false);
  branch.step = 115;
  story.follow(branch, {});
  expect(story.ticked).toBe(true);
});

test('a story goes on where it was left, and can be begun again', () => {
  const story = new Story('later');
  story.tell(STEPS);
  story.follow(run({ knobs: { lr: 3 } }), {});
  story.close(true);
  const later = new Story('later');
  later.tell(STEPS);
  expect([later.at, later.shown]).toEqual([1, false]);
  later.restart();
  expect([later.at, later.shown, later.done]).toEqual([0, true, []]);
  expect(progressOf('never')).toBeNull();
  later.close(true);
  later.show('nowhere');
  expect(later.shown).toBe(false);
  later.show(STEPS[2].id);
  expect([later.at, later.shown]).toEqual([2, true]);
});

test('a run has ended once its terms hold, until it is read or training is changed', () => {
  const ending = new Ending();
  const end = { say: 'There.', done: [{ scalar: 'loss', below: 0.5, above: null, times: false }], next: [] };
  const now = run();
  ending.follow(now, end, {});
  expect(ending.tells(now)).toBe(false);
  now.values.loss = 0.1;
  ending.follow(now, end, {});
  now.values.loss = 2;
  ending.follow(now, end, {});
  expect(ending.tells(now)).toBe(true);
  expect(ending.tells({ ...now, status: 'diverged' })).toBe(false);
  ending.dismiss();
  expect(ending.tells(now)).toBe(false);
  now.touched = 30;
  ending.follow(now, end, {});
  expect(ending.tells(now)).toBe(false);
  now.values.loss = 0.1;
  ending.follow(now, end, {});
  expect(ending.tells(now)).toBe(true);
  expect(ending.tells(run({ id: 'other' }))).toBe(false);
});
