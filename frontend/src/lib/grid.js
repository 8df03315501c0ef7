/** A matrix of numbers that one edits: what keys do to it. Pure. */

/** @typedef {import('./drawing.js').Cell} Cell */
/** @typedef {{low: number, high: number, step: number}} Limits  of each number */

/**
 * @param {number[][]} rows
 * @param {Cell} cell
 * @param {number} value
 */
export const withCell = (rows, { row, column }, value) => rows.with(row, rows[row].with(column, value));

/**
 * Of another size: what is new is 0.
 * @param {number[][]} rows
 * @param {number} height
 * @param {number} width
 */
export const resized = (rows, height, width) =>
  Array.from({ length: height }, (_, row) =>
    Array.from({ length: width }, (_, column) => rows[row]?.[column] ?? 0),
  );

/**
 * A value some steps further, on the grid of steps, within the limits.
 * @param {number} value
 * @param {number} steps
 * @param {Limits} limits
 */
export function nudged(value, steps, { low, high, step }) {
  const next = Number(((Math.round(value / step) + steps) * step).toPrecision(12));
  return Math.min(high, Math.max(low, next));
}

/**
 * The cell that a key moves to, or null for any other key: an arrow, or Home and End of a row.
 * @param {Cell} cell
 * @param {string} key
 * @param {number} rows
 * @param {number} columns
 * @returns {Cell | null}
 */
export function reached({ row, column }, key, rows, columns) {
  const moves = /** @type {Record<string, Cell>} */ ({
    ArrowUp: { row: row - 1, column },
    ArrowDown: { row: row + 1, column },
    ArrowLeft: { row, column: column - 1 },
    ArrowRight: { row, column: column + 1 },
    Home: { row, column: 0 },
    End: { row, column: columns - 1 },
  });
  const to = moves[key];
  if (!to) return null;
  return {
    row: Math.min(rows - 1, Math.max(0, to.row)),
    column: Math.min(columns - 1, Math.max(0, to.column)),
  };
}
