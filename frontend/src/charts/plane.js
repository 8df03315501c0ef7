/** The plane of a picture and its place in pixels; functions sampled on it. No DOM. */

/** @typedef {[number, number]} Range */

/** A rectangle of the plane and where it lies on a canvas: one scale for both axes, y upwards. */
export class Plane {
  /**
   * @param {Range} x
   * @param {Range} y
   * @param {{left: number, top: number, width: number, height: number}} box  in pixels
   */
  constructor(x, y, box) {
    this.x = x;
    this.y = y;
    this.left = box.left;
    this.top = box.top;
    this.width = box.width;
    this.height = box.height;
  }

  /**
   * The largest plane that fits, centred. A unit of x is as long as a unit of y, so that a gradient stands at right
   * angles on its contour line.
   * @param {Range} x
   * @param {Range} y
   * @param {number} width  of the canvas
   * @param {number} height
   * @param {{left: number, right: number, top: number, bottom: number}} margin
   */
  static fit(x, y, width, height, margin) {
    const wide = Math.max(1, width - margin.left - margin.right);
    const high = Math.max(1, height - margin.top - margin.bottom);
    const scale = Math.min(wide / (x[1] - x[0]), high / (y[1] - y[0]));
    const w = Math.max(1, Math.round(scale * (x[1] - x[0])));
    const h = Math.max(1, Math.round(scale * (y[1] - y[0])));
    const left = Math.round(margin.left + (wide - w) / 2);
    const top = Math.round(margin.top + (high - h) / 2);
    return new Plane(x, y, { left, top, width: w, height: h });
  }

  /** @param {number} x */
  toX(x) {
    return this.left + ((x - this.x[0]) / (this.x[1] - this.x[0])) * this.width;
  }

  /** @param {number} y */
  toY(y) {
    return this.top + ((this.y[1] - y) / (this.y[1] - this.y[0])) * this.height;
  }

  /** @param {number} px */
  fromX(px) {
    return this.x[0] + ((px - this.left) / this.width) * (this.x[1] - this.x[0]);
  }

  /** @param {number} py */
  fromY(py) {
    return this.y[1] - ((py - this.top) / this.height) * (this.y[1] - this.y[0]);
  }

  /**
   * Whether a pixel lies on the plane, or at most `slack` pixels beside it.
   * @param {number} px
   * @param {number} py
   */
  contains(px, py, slack = 0) {
    const dx = px - this.left;
    const dy = py - this.top;
    return dx >= -slack && dy >= -slack && dx <= this.width + slack && dy <= this.height + slack;
  }

  /**
   * The point of the plane nearest to (x, y).
   * @param {number} x
   * @param {number} y
   * @returns {[number, number]}
   */
  clamp(x, y) {
    return [Math.max(this.x[0], Math.min(this.x[1], x)), Math.max(this.y[0], Math.min(this.y[1], y))];
  }
}

/**
 * The value between samples; outside, that of the nearest edge.
 * @param {ArrayLike<number>} values  (rows, columns), row-major
 * @param {number} rows
 * @param {number} columns
 * @param {number} row  of the samples, may be fractional
 * @param {number} column
 */
export function bilinear(values, rows, columns, row, column) {
  const r = Math.max(0, Math.min(rows - 1, row));
  const c = Math.max(0, Math.min(columns - 1, column));
  const r0 = Math.min(Math.floor(r), Math.max(0, rows - 2));
  const c0 = Math.min(Math.floor(c), Math.max(0, columns - 2));
  const r1 = Math.min(r0 + 1, rows - 1);
  const c1 = Math.min(c0 + 1, columns - 1);
  const u = c - c0;
  const low = values[r0 * columns + c0] * (1 - u) + values[r0 * columns + c1] * u;
  const high = values[r1 * columns + c0] * (1 - u) + values[r1 * columns + c1] * u;
  return low + (high - low) * (r - r0);
}

/**
 * Marching squares: the line on which `values` equal `level`, piece by piece, led one cell beyond the edges, where the
 * values are those of the edge.
 * @param {ArrayLike<number>} values  (rows, columns), row-major; cells with a NaN corner have no line
 * @param {number} rows
 * @param {number} columns
 * @param {number} level
 * @returns {number[]}  x₁, y₁, x₂, y₂ of each piece, in samples (x: column, y: row)
 */
export function isoline(values, rows, columns, level) {
  /** @type {number[]} */
  const pieces = [];
  for (let r = -1; r < rows; r++) {
    const low = Math.max(r, 0) * columns;
    const high = Math.min(r + 1, rows - 1) * columns;
    for (let c = -1; c < columns; c++) {
      const left = Math.max(c, 0);
      const right = Math.min(c + 1, columns - 1);
      const v00 = values[low + left] - level;
      const v01 = values[low + right] - level;
      const v10 = values[high + left] - level;
      const v11 = values[high + right] - level;
      const middle = v00 + v01 + v10 + v11;
      if (Number.isNaN(middle)) continue;
      const code = (v00 >= 0 ? 1 : 0) | (v01 >= 0 ? 2 : 0) | (v11 >= 0 ? 4 : 0) | (v10 >= 0 ? 8 : 0);
      if (code === 0 || code === 15) continue;
      // Where the line crosses the sides of the cell: 0 bottom, 1 right, 2 top, 3 left.
      const crossings = [
        [c + v00 / (v00 - v01), r],
        [c + 1, r + v01 / (v01 - v11)],
        [c + v10 / (v10 - v11), r + 1],
        [c, r + v00 / (v00 - v10)],
      ];
      const diagonal = code === 5 || code === 10; // both pairs of opposite corners differ: the middle decides
      const sides = SIDES[diagonal && middle >= 0 ? 15 - code : code];
      for (let i = 0; i < sides.length; i += 2)
        pieces.push(...crossings[sides[i]], ...crossings[sides[i + 1]]);
    }
  }
  return pieces;
}

/** The sides that the line joins, by which corners lie above: 1 lower left, 2 lower right, 4 upper right, 8 upper left. */
const SIDES = [
  [], [3, 0], [0, 1], [3, 1], [1, 2], [3, 0, 1, 2], [0, 2], [3, 2],
  [2, 3], [2, 0], [0, 1, 2, 3], [2, 1], [1, 3], [1, 0], [0, 3], [],
]; // prettier-ignore
