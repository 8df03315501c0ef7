/** The cells of a matrix that is drawn into an area, row 0 at its top. No DOM. */

/** @typedef {{x: number, y: number, width: number, height: number}} Box */
/** @typedef {{row: number, column: number}} Cell */

/**
 * The box of a cell.
 * @param {Box} area
 * @param {number} rows
 * @param {number} columns
 * @param {Cell} cell
 * @returns {Box}
 */
export const boxOf = (area, rows, columns, { row, column }) => ({
  x: area.x + (column * area.width) / columns,
  y: area.y + (row * area.height) / rows,
  width: area.width / columns,
  height: area.height / rows,
});

/**
 * The cell at a point, if there is one.
 * @param {Box} area
 * @param {number} rows
 * @param {number} columns
 * @param {number} x
 * @param {number} y
 * @returns {Cell | null}
 */
export function cellAt(area, rows, columns, x, y) {
  const row = Math.floor(((y - area.y) / area.height) * rows);
  const column = Math.floor(((x - area.x) / area.width) * columns);
  return row >= 0 && row < rows && column >= 0 && column < columns ? { row, column } : null;
}
