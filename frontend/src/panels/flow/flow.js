/** The places of boxes and the ends of arrows in a diagram of who hands what to whom. No DOM. */

/** @typedef {{x: number, y: number, width: number, height: number}} Box */

const SHARE = 0.74; // of a cell that its box takes

/**
 * The boxes at `places`, column and row, in an area of that size.
 * @param {readonly (readonly [number, number])[]} places
 * @param {number} width
 * @param {number} height
 * @returns {Box[]}
 */
export function boxesOf(places, width, height) {
  const columns = Math.max(...places.map(([column]) => column)) + 1;
  const rows = Math.max(...places.map(([, row]) => row)) + 1;
  const cell = { width: width / columns, height: height / rows };
  const box = { width: cell.width * SHARE, height: cell.height * SHARE };
  return places.map(([column, row]) => ({
    x: (column + 0.5) * cell.width - box.width / 2,
    y: (row + 0.5) * cell.height - box.height / 2,
    ...box,
  }));
}

/**
 * Where an arrow from one box to another begins and ends: at their facing sides, or above both where it leads back.
 * @param {Box} from
 * @param {Box} to
 * @returns {[[number, number], [number, number]]}
 */
export function endsOf(from, to) {
  if (to.x > from.x)
    return [
      [from.x + from.width, from.y + from.height / 2],
      [to.x, to.y + to.height / 2],
    ];
  return [
    [from.x + from.width / 2, from.y],
    [to.x + to.width / 2, to.y],
  ];
}
