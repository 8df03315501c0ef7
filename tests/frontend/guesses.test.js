import { expect, test } from 'vitest';
import { BINS, histogram, pathOf, placeOf, valueAt } from '../../frontend/src/lib/guesses.js';

/** @type {any} */
const LINEAR = { scalar: 'loss', low: -1, high: 3, log: false };
/** @type {any} */
const LOG = { scalar: 'loss', low: 0.01, high: 1, log: true };

test('a place gives its value back', () => {
  for (const asked of [LINEAR, LOG])
    for (const place of [0, 0.25, 0.5, 1]) expect(placeOf(asked, valueAt(asked, place))).toBeCloseTo(place);
  expect(valueAt(LOG, 0.5)).toBeCloseTo(0.1);
  expect(placeOf(LINEAR, 9)).toBe(1);
  expect(placeOf(LOG, -5)).toBe(0);
});

test('each guess is in one bin', () => {
  const counts = histogram(LINEAR, [-1, -1, 3, 1]);
  expect(counts).toHaveLength(BINS);
  expect([counts[0], counts[BINS - 1], counts[BINS / 2]]).toEqual([2, 1, 1]);
});

test('a curve goes from left to right', () => {
  expect(pathOf(LINEAR, [-1, 3])).toBe('M0.0 60.0L100.0 0.0');
});
