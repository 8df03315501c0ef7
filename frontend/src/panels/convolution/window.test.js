import { describe, expect, test } from 'vitest';
import { coveredAt, equation, placeAround, sizeFormula, tour } from './window.js';

/** @type {import('./window.js').Sliding} the note's own line */
const line = {
  input: [1, 1, 5],
  window: [1, 3],
  output: [1, 3],
  x: [1, 4, 6, 7, 4],
  k: [1, 1, 1],
  y: [11 / 3, 17 / 3, 17 / 3],
  op: 'sum',
  stride: 1,
  padding: [0, 0],
  dilation: 1,
  divisor: 3,
};

test('the numbers under the window times the kernel, over the divisor, are the output', () => {
  for (let column = 0; column < 3; column++)
    expect(coveredAt(line, { row: 0, column }).sum / 3).toBeCloseTo(line.y[column], 12);
  expect(coveredAt(line, { row: 0, column: 1 }).patch).toEqual([4, 6, 7]);
});

test('the padding is zeros; stride and dilation move the window and spread it', () => {
  const wide = { ...line, padding: [0, 2], stride: 3, dilation: 2, output: [1, 2] };
  expect(coveredAt(/** @type {any} */ (wide), { row: 0, column: 0 }).patch).toEqual([0, 1, 6]);
  expect(coveredAt(/** @type {any} */ (wide), { row: 0, column: 1 }).patch).toEqual([4, 7, 0]);
});

test('every channel has its own patch and its own kernel', () => {
  const colour = {
    ...line,
    ...{ input: [2, 2, 2], window: [2, 2], output: [1, 1], divisor: 1 },
    ...{ x: [1, 2, 3, 4, 5, 6, 7, 8], k: [1, 0, 0, 0, 0, 0, 0, -1], y: [-7] },
  };
  const { products, sum } = coveredAt(/** @type {any} */ (colour), { row: 0, column: 0 });
  expect(products).toEqual([1, 0, 0, 0, 0, 0, 0, -8]);
  expect(sum).toBe(-7);
});

describe('in words', () => {
  test('a sum', () => {
    expect(equation(line, { row: 0, column: 0 })).toBe('(1·1 + 4·1 + 6·1)/3 = 3.67');
    expect(equation({ ...line, k: [1, 0, -1], divisor: 1, y: [-5] }, { row: 0, column: 0 })).toBe(
      '1·1 + 4·0 + 6·(−1) = −5',
    );
  });

  test('a pool', () => {
    const pool = { ...line, k: [], stride: 3, output: /** @type {[number, number]} */ ([1, 1]) };
    expect(equation({ ...pool, op: 'max', y: [6] }, { row: 0, column: 0 })).toBe('max(1, 4, 6) = 6');
    expect(equation({ ...pool, op: 'mean', y: [11 / 3] }, { row: 0, column: 0 })).toBe(
      '(1 + 4 + 6)/3 = 3.67',
    );
  });

  test('the size', () => {
    expect(sizeFormula(line, 1)).toBe('⌊(5 + 2·0 − 3)/1⌋ + 1 = 3');
    expect(sizeFormula({ ...line, dilation: 2, padding: [0, 1], output: [1, 3] }, 1)).toBe(
      '⌊(5 + 2·1 − 2·(3 − 1) − 1)/1⌋ + 1 = 3',
    );
  });
});

test('a cell of the input stands for the place whose window lies around it', () => {
  expect(placeAround(line, { row: 0, column: 2 })).toEqual({ row: 0, column: 1 });
  expect(placeAround(line, { row: 0, column: 0 })).toEqual({ row: 0, column: 0 });
  expect(placeAround(line, { row: 0, column: 4 })).toEqual({ row: 0, column: 2 });
});

test('by itself the window visits every place of a line, and all over a picture', () => {
  expect([0, 1, 2, 3].map((tick) => tour([1, 3], tick).column)).toEqual([0, 1, 2, 0]);
  const places = Array.from({ length: 96 }, (_, tick) => tour([94, 94], tick));
  expect(Math.max(...places.map(({ row }) => row))).toBeGreaterThan(80);
  expect(Math.max(...places.map(({ row, column }) => Math.max(row, column)))).toBeLessThan(94);
});
