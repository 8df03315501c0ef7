import { expect, it } from 'vitest';
import { counted, epochAt } from '../../frontend/src/lib/epochs.js';

const tell = (/** @type {[number, number, number][]} */ ...events) =>
  events.reduce(
    (counts, [step, epoch, each]) => counted(counts, { step, epoch, steps_per_epoch: each }),
    /** @type {import('../../frontend/src/lib/epochs.js').Count[]} */ ([]),
  );

it('goes on from where it is when batches become larger or smaller', () => {
  const counts = tell([0, 0, 250], [2500, 10, 1], [2520, 30, 250]);
  expect([0, 250, 2500, 2510, 2520, 2645].map((step) => epochAt(counts, step))).toEqual([
    0, 1, 10, 20, 30, 30.5,
  ]);
});

it('keeps one count for what did not change', () => {
  expect(tell([0, 0, 10], [5, 0.5, 10], [40, 4, 10])).toEqual([{ step: 0, epoch: 0, each: 10 }]);
});

it('tells nothing where nothing is known', () => {
  expect(epochAt([], 5)).toBeNull();
  expect(counted([], { step: 3, epoch: null, steps_per_epoch: null })).toEqual([]);
  expect(counted([], { step: 3, steps_per_epoch: 5 })).toEqual([]);
});
