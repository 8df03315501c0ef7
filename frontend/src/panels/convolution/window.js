/** What a sliding window covers, and what becomes of it. No DOM. */

import { number } from '../../lib/format.js';

/** @typedef {import('../../charts/cells.js').Cell} Cell */

/**
 * A frame of the panel, read.
 * @typedef {object} Sliding
 * @property {[number, number, number]} input  channels, rows, columns
 * @property {[number, number]} window  rows and columns of numbers that it covers
 * @property {[number, number]} output  rows, columns
 * @property {ArrayLike<number>} x  input, channel by channel
 * @property {ArrayLike<number>} k  kernel, channel by channel; empty where the window has no weights
 * @property {ArrayLike<number>} y  output
 * @property {'sum' | 'max' | 'mean'} op
 * @property {number} stride
 * @property {[number, number]} padding
 * @property {number} dilation
 * @property {number} divisor
 */

/** @param {import('../../lib/types.js').PanelFrame<'convolution'>} frame @returns {Sliding} */
export function read({ tensors: { input, kernel, output }, meta }) {
  const { op, stride, padding, dilation, divisor } = meta;
  return {
    input: /** @type {[number, number, number]} */ (input.shape),
    window: /** @type {[number, number]} */ (kernel.shape.slice(1)),
    output: /** @type {[number, number]} */ (output.shape),
    x: /** @type {Float32Array} */ (input.data),
    k: /** @type {Float32Array} */ (kernel.data),
    y: /** @type {Float32Array} */ (output.data),
    ...{ op, stride, padding, dilation, divisor },
  };
}

/**
 * What the window covers at one place, and the products with the kernel: channel by channel, row by row.
 * @param {Sliding} sliding
 * @param {Cell} at  in the output
 */
export function coveredAt({ input, window, x, k, stride, padding, dilation }, at) {
  const [channels, height, width] = input;
  const patch = [];
  for (let c = 0; c < channels; c++)
    for (let i = 0; i < window[0]; i++)
      for (let j = 0; j < window[1]; j++) {
        const row = at.row * stride + i * dilation - padding[0];
        const column = at.column * stride + j * dilation - padding[1];
        const inside = row >= 0 && row < height && column >= 0 && column < width;
        patch.push(inside ? x[(c * height + row) * width + column] : 0);
      }
  const products = k.length ? patch.map((value, i) => value * k[i]) : [];
  return { patch, products, sum: products.reduce((sum, product) => sum + product, 0) };
}

/**
 * The place in the output whose window lies around a cell of the input; the nearest if there is none.
 * @param {Sliding} sliding
 * @param {Cell} cell  of the input
 * @returns {Cell}
 */
export function placeAround({ window, output, stride, padding, dilation }, cell) {
  const [row, column] = [cell.row, cell.column].map((at, side) => {
    const middle = (dilation * (window[side] - 1)) / 2;
    const place = Math.round((at + padding[side] - middle) / stride);
    return Math.max(0, Math.min(output[side] - 1, place));
  });
  return { row, column };
}

/**
 * The size formula along one side with its numbers: ⌊(5 + 2·0 − 3)/1⌋ + 1 = 3.
 * @param {Sliding} sliding
 * @param {0 | 1} side  rows, columns
 */
export function sizeFormula({ input, window, output, stride, padding, dilation }, side) {
  const [n, f, p] = [input[side + 1], window[side], padding[side]];
  const covered = dilation === 1 ? `${f}` : `${dilation}·(${f} − 1) − 1`;
  return `⌊(${n} + 2·${p} − ${covered})/${stride}⌋ + 1 = ${output[side]}`;
}

/**
 * How the number at one place comes about, in a line: (1·1 + 4·1 + 6·1)/3 = 3.67.
 * @param {Sliding} sliding
 * @param {Cell} at
 */
export function equation(sliding, at) {
  const { patch } = coveredAt(sliding, at);
  const { k, op, divisor, output, y } = sliding;
  const value = number(y[at.row * output[1] + at.column]);
  if (op === 'max') return `max(${patch.map((one) => number(one)).join(', ')}) = ${value}`;
  const terms =
    op === 'mean' ? patch.map((one) => signed(one)) : patch.map((one, i) => `${signed(one)}·${signed(k[i])}`);
  const by = op === 'mean' ? patch.length : divisor;
  return by === 1 ? `${terms.join(' + ')} = ${value}` : `(${terms.join(' + ')})/${number(by)} = ${value}`;
}

/** @param {number} value */
const signed = (value) => (value < 0 ? `(${number(value)})` : number(value));

/**
 * Where the window stands at tick n by itself: one place after the other, of a picture some of them.
 * @param {[number, number]} output
 * @param {number} tick
 * @returns {Cell}
 */
export function tour([rows, columns], tick) {
  const [down, across] = [Math.ceil(rows / 8), Math.ceil(columns / 12)];
  const [tall, wide] = [Math.ceil(rows / down), Math.ceil(columns / across)];
  const place = tick % (tall * wide);
  return { row: Math.floor(place / wide) * down, column: (place % wide) * across };
}
