import { expect, test } from 'vitest';
import { lastMove, touches } from '../../frontend/src/lib/changes.js';

const looks = (/** @type {string} */ name) => name === 'walk';
/** @param {any[]} changes @param {any} [more] */
const stretch = (changes, more = {}) => ({
  id: 'a',
  first: 0,
  began: { lr: 1, noise: 0, walk: 0, drawn: [] },
  changes: changes.map(([step, knobs, time]) => ({ step, knobs, time })),
  ...more,
});

test('the last change of training is taken back, not that of a look', () => {
  const move = lastMove([stretch([[5, { lr: 3 }], [900, { walk: 2 }]])], looks); // prettier-ignore
  expect(move).toMatchObject({ run: 'a', step: 5, before: { lr: 1 } });
});

test('a change to the value that it had is none', () => {
  const move = lastMove([stretch([[5, { lr: 3 }], [900, { lr: 3, noise: 0 }]])], looks); // prettier-ignore
  expect(move).toMatchObject({ step: 5, before: { lr: 1 } });
});

test('a run in which nothing was changed has nothing to take back', () => {
  expect(lastMove([stretch([[3, { walk: 1 }]])], looks)).toBeNull();
  expect(lastMove([], looks)).toBeNull();
});

test('a slider that was dragged is one move', () => {
  const pulled = [[100, { lr: 1.1 }, 1000], [104, { lr: 2 }, 1016], [300, { lr: 9 }, 1900]]; // prettier-ignore
  expect(lastMove([stretch(pulled)], looks)).toMatchObject({ step: 100, before: { lr: 1 } });
  const twice = [[100, { lr: 2 }, 1000], [104, { lr: 9 }, 9000]]; // prettier-ignore
  expect(lastMove([stretch(twice)], looks)).toMatchObject({ step: 104, before: { lr: 2 } });
  const recorded = [[100, { lr: 2 }], [140, { lr: 5 }], [4000, { lr: 7 }], [4060, { lr: 9 }]]; // prettier-ignore
  expect(lastMove([stretch(recorded)], looks)).toMatchObject({ step: 4000, before: { lr: 5 } });
});

test('pressed again on the branch, it goes further back', () => {
  const parent = stretch([[1, { lr: 25 }], [3, { noise: 0.1 }]]); // prettier-ignore
  expect(lastMove([parent], looks)).toMatchObject({ run: 'a', step: 3, before: { noise: 0 } });
  const branch = stretch([[3, { noise: 0 }]], { id: 'b', first: 3, began: { lr: 25, noise: 0.1 } }); // prettier-ignore
  expect(lastMove([parent, branch], looks)).toMatchObject({ run: 'a', step: 1, before: { lr: 1 } });
  // The description of a branch may already have what it does differently.
  const told = stretch([[3, { noise: 0 }]], { id: 'b', first: 3, began: { lr: 25, noise: 0 } }); // prettier-ignore
  expect(lastMove([parent, told], looks)).toMatchObject({ run: 'a', step: 1, before: { lr: 1 } });
});

test('what a branch does differently is taken back in its parent, which has that step', () => {
  const parent = stretch([[700, { noise: 1 }]]);
  const branch = stretch([[500, { lr: 25 }]], { id: 'b', first: 500 });
  expect(lastMove([parent, branch], looks)).toMatchObject({ run: 'a', step: 500, before: { lr: 1 } });
});

test('a schedule that was set ends again', () => {
  const move = lastMove([stretch([[5, { schedules: { lr: { kind: 'cosine' } } }]])], looks);
  expect(move?.before).toEqual({ schedules: {} });
});

test('looking does not touch training, nor does a value that stays', () => {
  const experiment = { knobs: { properties: { lr: {}, walk: { 'x-role': 'look' } } } };
  expect(touches(experiment, { lr: 1, walk: 0 }, { walk: 5 })).toBe(false);
  expect(touches(experiment, { lr: 1, walk: 0 }, { lr: 1, walk: 5 })).toBe(false);
  expect(touches(experiment, { lr: 1, walk: 0 }, { lr: 2 })).toBe(true);
});
