import { expect, test } from 'vitest';
import { secondsAt, stepAt, timed } from '../../frontend/src/lib/moments.js';

/** @param {[number, number][]} told */
const of = (...told) =>
  told.reduce(
    (moments, [step, seconds]) => timed(moments, { step, seconds }),
    /** @type {import('../../frontend/src/lib/moments.js').Moment[]} */ ([]),
  );

test('time runs evenly between two moments, and beyond the last as fast as before it', () => {
  const moments = of([0, 0], [10, 5], [1000, 6]);
  expect([0, 4, 10, 505, 1000, 1990].map((step) => secondsAt(moments, step))).toEqual([0, 2, 5, 5.5, 6, 7]);
  expect([0, 2, 5, 5.5, 6, 7].map((at) => stepAt(moments, at))).toEqual([0, 4, 10, 505, 1000, 1990]);
});

test('what is told twice counts once, and a pause, whose steps stay, takes no time', () => {
  const moments = of([0, 0], [10, 5], [0, 0], [10, 5], [10, 5]);
  expect(moments).toHaveLength(2);
  expect(secondsAt(of([0, 0], [10, 5], [14, 5], [24, 10]), 12)).toBe(5); // single steps, in a pause
});

test('an interrupted run goes on in time where it was', () => {
  const moments = of([0, 0], [100, 50], [80, 0], [100, 0], [120, 4]);
  expect(secondsAt(moments, 120)).toBe(54);
  expect(secondsAt(moments, 100)).toBe(50);
});

test('a branch begins at 0', () => {
  const moments = of([500, 0], [600, 2]);
  expect(secondsAt(moments, 550)).toBe(1);
  expect(secondsAt(moments, 400)).toBe(0);
});
