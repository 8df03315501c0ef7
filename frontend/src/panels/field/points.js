/** Points that the learner draws on the plane, [x, y, label] each. No list is changed in place. No DOM. */

/** @typedef {[number, number, number]} Point */

/**
 * @param {Point[]} points
 * @param {Point} point
 * @param {{most: number, apart?: number}} limits  `most` points at all; none nearer than `apart` to another of its label
 * @returns {Point[]}  the same list when the point is refused
 */
export function add(points, [x, y, label], { most, apart = 0 }) {
  if (points.length >= most) return points;
  const crowded = points.some(([px, py, l]) => l === label && Math.hypot(px - x, py - y) < apart);
  return crowded ? points : [...points, [round(x), round(y), label]];
}

/** @param {number} value */
const round = (value) => Math.round(value * 100) / 100 || 0; // no −0, which JSON would write as 0 all the same

/**
 * The index of the point nearest to (x, y), −1 when none is within `reach`.
 * @param {ArrayLike<readonly number[]>} points
 * @param {number} x
 * @param {number} y
 * @param {number} [reach]
 */
export function nearest(points, x, y, reach = Infinity) {
  let found = -1;
  let least = reach;
  for (let i = 0; i < points.length; i++) {
    const distance = Math.hypot(points[i][0] - x, points[i][1] - y);
    if (distance <= least) {
      least = distance;
      found = i;
    }
  }
  return found;
}

/**
 * Without the points within `reach` of (x, y).
 * @param {Point[]} points
 * @param {number} x
 * @param {number} y
 * @param {number} reach
 * @returns {Point[]}  the same list when there are none
 */
export function erase(points, x, y, reach) {
  const left = points.filter(([px, py]) => Math.hypot(px - x, py - y) > reach);
  return left.length < points.length ? left : points;
}
