/** A loss surface as heights: the scale that shows narrow valleys, its levels and their filled contours. No DOM. */

import { contours } from 'd3-contour';
import { extent } from '../../charts/colour.js';

const BOTTOM = 0.002; // of the samples: as many lie lower than ε above the lowest one
const FLAT = 1e-9; // of the range: ε is at least that
const ROUNDING = 1e-9; // of the range

/**
 * Constant while a surface keeps its name.
 * @typedef {object} Surface
 * @property {string} name
 * @property {Float32Array} values  (rows, columns), row-major
 * @property {number} rows
 * @property {number} columns
 * @property {[number, number]} x  its range
 * @property {[number, number]} y
 * @property {[number, number][]} minima
 * @property {Heights} heights
 * @property {ReturnType<typeof bands>} bands
 * @property {number} bar  px, the width of the colour bar
 * @property {(x: number, y: number) => number} valueAt  between the samples
 */

/** The height drawn for a value of the surface: itself, or log(value − min + ε). */
export class Heights {
  #log;
  #min;
  #epsilon;

  /**
   * @param {ArrayLike<number>} values  of the surface
   * @param {boolean} log
   */
  constructor(values, log) {
    const [min, max] = extent(values);
    this.#log = log;
    this.#min = min;
    const sorted = Float32Array.from(values).filter(Number.isFinite).sort();
    const low = sorted[Math.ceil(BOTTOM * (sorted.length - 1))] - min;
    this.#epsilon = Math.max(low || 0, (max - min) * FLAT);
    /** The heights of the surface's lowest and highest sample. @type {[number, number]} */
    this.range = [this.of(min), this.of(max)];
    /** The values at these heights; a lowest value that is only rounding error is 0. @type {[number, number]} */
    this.values = [Math.abs(min) < (max - min) * ROUNDING ? 0 : min, max];
  }

  /**
   * The height of a value; below the lowest sample, that of the lowest.
   * @param {number} value
   */
  of(value) {
    return this.#log ? Math.log(Math.max(0, value - this.#min) + this.#epsilon) : value;
  }

  /**
   * The height of a value as a part of the range: 0 at the lowest sample, 1 at the highest.
   * @param {number} value
   */
  part(value) {
    return (this.of(value) - this.range[0]) / (this.range[1] - this.range[0] || 1);
  }
}

/**
 * The surface's filled contours, from low to high, each drawn over the one before.
 * @param {ArrayLike<number>} values  (rows, columns), row-major
 * @param {number} rows
 * @param {number} columns
 * @param {Heights} heights
 * @param {number} count  of bands
 * @returns {{part: number, rings: [number, number][][]}[]}  `part`: the middle of the band, 0…1; the rings' points are
 *   in cells: sample (row r, column c) lies at (c + ½, r + ½)
 */
export function bands(values, rows, columns, heights, count) {
  const parts = Array.from(values, (value) => heights.part(value));
  const geometry = contours().size([columns, rows]);
  return Array.from({ length: count }, (_, i) => ({
    part: (i + 0.5) / count,
    rings: /** @type {[number, number][][]} */ (
      i === 0
        ? [[[0, 0], [columns, 0], [columns, rows], [0, rows]]] // prettier-ignore
        : geometry.contour(parts, i / count).coordinates.flat()
    ),
  }));
}
