/** Numbers to colours: look-up tables of 256 RGB triples, and painting a matrix with one. No DOM. */

import { VIRIDIS } from './viridis.js';

/** Okabe–Ito, in an order that keeps neighbours apart; on a dark ground the same hues, lighter. */
export const CATEGORICAL = {
  light: ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#8c7a00', '#7f7f7f'],
  dark: ['#4da3dc', '#f0803c', '#2fc49a', '#dd92bb', '#f0b43c', '#8fd0f5', '#e6dc4a', '#b0b7c0'],
};

/** Dash patterns: the second cue beside colour. */
export const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3], [10, 4], [3, 1]];

/**
 * @param {number} index
 * @param {'light' | 'dark'} theme
 */
export const categorical = (index, theme = 'light') => CATEGORICAL[theme][index % CATEGORICAL[theme].length];

/**
 * @param {(i: number) => number[]} colour  i in 0…255 to red, green and blue
 * @returns {Uint8ClampedArray} 256 × 3
 */
function table(colour) {
  const lut = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) lut.set(colour(i), i * 3);
  return lut;
}

/**
 * @param {string} colour  `#rrggbb` or `rgb(r, g, b)`
 * @returns {[number, number, number]}
 */
export function rgb(colour) {
  if (colour.startsWith('#')) {
    const n = parseInt(colour.slice(1), 16);
    return [n >> 16, (n >> 8) & 255, n & 255];
  }
  const [r, g, b] = colour.match(/\d+(\.\d+)?/g)?.map(Number) ?? [0, 0, 0];
  return [r, g, b];
}

/** Blue is positive, red negative, and zero is the panel's own background, in either theme. */
const POLES = { light: ['#c4351f', '#ffffff', '#1f5fc4'], dark: ['#f0725c', '#171c23', '#6ea0ff'] };

export const SEQUENTIAL = table((i) => rgb(`#${VIRIDIS.slice(6 * i, 6 * i + 6)}`));
export const DIVERGING = { light: diverging('light'), dark: diverging('dark') };
/** The same, paler: a ground on which points in the full colours stand out. */
export const GROUND = { light: diverging('light', 0.55), dark: diverging('dark', 0.5) };

/**
 * @param {'light' | 'dark'} theme
 * @param {number} [strength]
 */
function diverging(theme, strength = 1) {
  const [low, zero, high] = POLES[theme].map(rgb);
  const negative = between(zero, low, strength);
  const positive = between(zero, high, strength);
  return table((i) =>
    i < 128 ? between(negative, zero, i / 127.5) : between(zero, positive, i / 127.5 - 1),
  );
}

/** A colour at `t` in 0…1 of the way from one to another. @param {number[]} from @param {number[]} to @param {number} t */
function between(from, to, t) {
  return from.map((start, i) => Math.round(start + t * (to[i] - start)));
}

/**
 * The look-up table for a scale.
 * @param {'sequential' | 'diverging'} scale
 * @param {'light' | 'dark'} theme
 */
export const lutFor = (scale, theme) => (scale === 'diverging' ? DIVERGING[theme] : SEQUENTIAL);

/**
 * The colour of one value as CSS.
 * @param {Uint8ClampedArray} lut
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export function colourOf(lut, value, low, high) {
  const i = index(value, low, high) * 3;
  return `rgb(${lut[i]}, ${lut[i + 1]}, ${lut[i + 2]})`;
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
function index(value, low, high) {
  const t = (value - low) / (high - low || 1);
  return t <= 0 || Number.isNaN(t) ? 0 : t >= 1 ? 255 : Math.round(t * 255);
}

/**
 * Paint a row-major matrix into RGBA bytes. NaN is left transparent.
 * @param {ArrayLike<number>} values  rows × columns numbers, from `offset` on
 * @param {number} rows
 * @param {number} columns
 * @param {Uint8ClampedArray} lut
 * @param {number} low
 * @param {number} high
 * @param {{flip?: boolean, offset?: number, out?: Uint8ClampedArray}} [options]  `flip`: row 0 at the bottom
 * @returns {Uint8ClampedArray}
 */
export function paint(values, rows, columns, lut, low, high, { flip = false, offset = 0, out } = {}) {
  const bytes = out ?? new Uint8ClampedArray(rows * columns * 4);
  const scale = 255 / (high - low || 1);
  for (let r = 0; r < rows; r++) {
    let to = (flip ? rows - 1 - r : r) * columns * 4;
    let from = offset + r * columns;
    for (let c = 0; c < columns; c++, to += 4) {
      const value = values[from++];
      const t = (value - low) * scale;
      const i = (t <= 0 ? 0 : t >= 255 ? 255 : (t + 0.5) | 0) * 3;
      bytes[to] = lut[i];
      bytes[to + 1] = lut[i + 1];
      bytes[to + 2] = lut[i + 2];
      bytes[to + 3] = Number.isNaN(value) ? 0 : 255;
    }
  }
  return bytes;
}

/**
 * The finite extent of some values; symmetric about zero for a diverging scale.
 * @param {ArrayLike<number>} values
 * @param {boolean} [symmetric]
 * @returns {[number, number]}
 */
export function extent(values, symmetric = false) {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (Number.isFinite(v)) {
      if (v < low) low = v;
      if (v > high) high = v;
    }
  }
  if (low > high) return symmetric ? [-1, 1] : [0, 1];
  if (symmetric) {
    const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return [-most, most];
  }
  return low === high ? [low, low + 1] : [low, high];
}
