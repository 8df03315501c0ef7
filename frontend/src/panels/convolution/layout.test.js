import { expect, test } from 'vitest';
import { lineLayout, middleOf, pictureLayout } from './layout.js';

/** @type {import('./window.js').Sliding} */
const line = {
  ...{ input: [1, 1, 5], window: [1, 3], output: [1, 5], x: [], k: [1, 1, 1], y: [] },
  ...{ op: 'sum', stride: 1, padding: [0, 1], dilation: 1, divisor: 1 },
};
/** @type {import('./window.js').Sliding} */
const picture = { ...line, input: [1, 96, 96], window: [3, 3], output: [96, 96], padding: [1, 1] };
const pool = { ...picture, k: [], padding: /** @type {[number, number]} */ ([0, 0]) };

test.each([
  [200, 110],
  [340, 300],
  [900, 500],
])('a line fits %i × %i', (width, height) => {
  const { pitch, left, input, kernel, output } = lineLayout(line, width, height);
  expect(left + 7 * pitch).toBeLessThanOrEqual(width);
  expect(input).toBeGreaterThanOrEqual(0);
  expect(kernel).toBeGreaterThanOrEqual(input + pitch);
  expect(output).toBeGreaterThanOrEqual(kernel + pitch);
  expect(output + pitch).toBeLessThanOrEqual(height);
});

test('a number of the output stands in the middle of its window', () => {
  expect(middleOf(line, 0)).toBe(1);
  expect(middleOf({ ...line, stride: 2, dilation: 2 }, 1)).toBe(4);
});

test.each([
  ['a convolution', picture, 340, 300],
  ['a convolution', picture, 900, 500],
  ['one of colours', { ...picture, input: [3, 96, 96], window: [5, 5] }, 340, 300],
  ['a pool', { ...pool, window: [2, 2], output: [48, 48] }, 220, 130],
  ['a large pool', { ...pool, window: [6, 6], output: [16, 16] }, 220, 130],
])('%s fits its panel', (_, sliding, width, height) => {
  const { input, output, term, table, result } = pictureLayout(
    /** @type {import('./window.js').Sliding} */ (sliding),
    width,
    height,
  );
  for (const box of [input, output]) {
    expect(box.x).toBeGreaterThanOrEqual(0);
    expect(box.x + box.width).toBeLessThanOrEqual(width);
    expect(box.y + box.height).toBeLessThanOrEqual(height);
  }
  expect(output.x).toBeGreaterThan(input.x + input.width);
  const [channels, , columns] = sliding.input;
  const last = table(sliding.k.length ? 2 : 0, channels - 1);
  expect(columns).toBe(96);
  expect(last.x + sliding.window[1] * term).toBeLessThanOrEqual(width);
  expect(last.y + sliding.window[0] * term).toBeLessThanOrEqual(height);
  expect(result.y + 16).toBeLessThanOrEqual(height);
});
