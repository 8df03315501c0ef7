/** The order of a table's rows, and the bars in its cells. No DOM. */

/** @typedef {{column: number, descending: boolean}} Sorting  column −1: the rows' names */

/**
 * The rows' order. Rows without a value come last either way; the sort is stable.
 * @param {{values: ArrayLike<number>, columns: number, names: string[]}} table
 * @param {Sorting} sorting
 */
export function ordered({ values, columns, names }, { column, descending }) {
  const rows = names.map((_, row) => row);
  const sign = descending ? -1 : 1;
  if (column < 0)
    return rows.sort((a, b) => sign * names[a].localeCompare(names[b], undefined, { numeric: true }));
  return rows.sort((a, b) => {
    const left = values[a * columns + column];
    const right = values[b * columns + column];
    if (Number.isNaN(left) || Number.isNaN(right))
      return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
    return sign * (left - right) || a - b;
  });
}

/**
 * The sorting after a click on a header: reversed, or by a new column: largest first, names from A on.
 * @param {Sorting} sorting
 * @param {number} column
 * @returns {Sorting}
 */
export const clicked = (sorting, column) =>
  sorting.column === column
    ? { column, descending: !sorting.descending }
    : { column, descending: column >= 0 };

/**
 * One unique key per row: its name, numbered if several rows share it.
 * @param {readonly string[]} names
 */
export function keysOf(names) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  return names.map((name) => {
    const times = seen.get(name) ?? 0;
    seen.set(name, times + 1);
    return times ? `${name}\u0000${times}` : name;
  });
}

/**
 * The position of a value in its range, in percent, clamped.
 * @param {number} value
 * @param {readonly [number, number]} range
 */
export const along = (value, [low, high]) =>
  Math.round(1000 * Math.max(0, Math.min(1, (value - low) / (high - low || 1)))) / 10;

/**
 * The ends of a bar that starts at 0, in percent of its range; empty without a value.
 * @param {number} value
 * @param {readonly [number, number]} range
 * @returns {[number, number]}
 */
export function bar(value, range) {
  const zero = along(0, range);
  const end = Number.isNaN(value) ? zero : along(value, range);
  return zero < end ? [zero, end] : [end, zero];
}

/**
 * The class of a cell: above or below chance level; if that is unknown, negative or not.
 * @param {number} value
 * @param {number} chance
 * @returns {'above' | 'below' | 'negative' | ''}
 */
export function standing(value, chance) {
  if (Number.isNaN(value)) return '';
  if (!Number.isNaN(chance) && value <= chance) return 'below';
  if (value < 0) return 'negative';
  return Number.isNaN(chance) ? '' : 'above';
}
