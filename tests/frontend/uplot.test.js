import { expect, test } from 'vitest';
import { linearRange, logRange, span, whole, xLabels } from '../../frontend/src/charts/uplot.js';

test('the first tick of an x axis says what the ticks are', () => {
  const labels = xLabels((text) => `step ${text}`, whole);
  expect(labels([0, 500, 1000])).toEqual(['step 0', '500', '1\u202f000']);
  expect(labels([0.5, 1])).toEqual(['', '1']);
});

test('a range without extent is still shown', () => {
  expect(span(3, 3)).toEqual([3, 13]);
  expect(span(null, null)).toEqual([0, 10]);
  expect(linearRange(null, null)).toEqual([0, 1]);
  expect(logRange(0, 5)).toEqual([0.1, 1]);
});

test('a linear axis begins at 0 where that costs little, and never below for positive values', () => {
  expect(linearRange(0.1, 1)[0]).toBe(0);
  expect(linearRange(0.9, 1)[0]).toBeCloseTo(0.894);
  expect(linearRange(-1, 1)[0]).toBeCloseTo(-1.12);
});
