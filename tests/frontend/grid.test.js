import { describe, expect, test } from 'vitest';
import { nudged, reached, resized, withCell } from '../../frontend/src/lib/grid.js';

const kernel = [
  [1, 2],
  [3, 4],
];
const limits = { low: -2, high: 2, step: 0.5 };

test('one number changes and the others stay', () => {
  expect(withCell(kernel, { row: 1, column: 0 }, 9)).toEqual([
    [1, 2],
    [9, 4],
  ]);
  expect(kernel[1][0]).toBe(3);
});

test('what is added is 0, and what is cut off is gone', () => {
  expect(resized(kernel, 1, 3)).toEqual([[1, 2, 0]]);
  expect(resized(kernel, 3, 1)).toEqual([[1], [3], [0]]);
});

test.each([
  [0, 1, 0.5],
  [0.1, 1, 0.5],
  [1 / 3, -1, 0],
  [1.9, 1, 2],
  [-2, -3, -2],
])('%f, %i steps further, is %f', (value, steps, expected) => {
  expect(nudged(value, steps, limits)).toBeCloseTo(expected, 12);
});

describe('keys', () => {
  const from = { row: 1, column: 1 };

  test.each([
    ['ArrowUp', { row: 0, column: 1 }],
    ['ArrowRight', { row: 1, column: 2 }],
    ['Home', { row: 1, column: 0 }],
    ['End', { row: 1, column: 3 }],
  ])('%s moves', (key, to) => {
    expect(reached(from, key, 3, 4)).toEqual(to);
  });

  test('stop at the edge, and others move nowhere', () => {
    expect(reached({ row: 0, column: 0 }, 'ArrowLeft', 3, 4)).toEqual({
      row: 0,
      column: 0,
    });
    expect(reached(from, 'x', 3, 4)).toBeNull();
  });
});
