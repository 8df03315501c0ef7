/** The keys that move the cursor of a chart. */

/**
 * The row a key moves the cursor to, from `row` of `rows`; null if the key does not move it.
 * @param {KeyboardEvent} event
 * @param {number} row
 * @param {number} rows
 */
export function movedBy(event, row, rows) {
  const stride = event.shiftKey ? 10 : 1;
  /** @type {Record<string, number>} */
  const moves = { ArrowLeft: row - stride, ArrowRight: row + stride, Home: 0, End: rows - 1 };
  if (!rows || !(event.key in moves)) return null;
  event.preventDefault();
  event.stopPropagation(); // → is also the page's key for one step
  return Math.max(0, Math.min(moves[event.key], rows - 1));
}
