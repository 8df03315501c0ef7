/** The paths of several racers in pixels: thinned, and cut where a racer left; a racer may start late. No DOM. */

/** @typedef {import('../../charts/plane.js').Plane} Plane */

const FAR = 1e5; // px: beyond it a canvas loses precision

/**
 * @typedef {object} Trail
 * @property {Float32Array} points  x, y of each point in pixels, oldest first
 * @property {number} last  index of the last finite point within the path, −1 when there is none
 */

/**
 * One path in pixels, without points closer than `spacing` to the one before. The last point is always kept.
 * @param {ArrayLike<number>} paths  (P, T, 2), oldest point first; NaN where there is none
 * @param {number} length  T
 * @param {number} index  of the path
 * @param {Plane} plane
 * @param {number} [spacing]  in pixels
 * @returns {Trail}
 */
export function trail(paths, length, index, plane, spacing = 1) {
  const points = new Float32Array(2 * length);
  const start = 2 * length * index;
  let size = 0;
  let last = -1;
  for (let t = 0; t < length; t++) {
    const x = paths[start + 2 * t];
    const y = paths[start + 2 * t + 1];
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      if (last < 0) continue;
      break;
    }
    const px = limit(plane.toX(x));
    const py = limit(plane.toY(y));
    last = t;
    const close = size >= 4 && Math.hypot(px - points[size - 4], py - points[size - 3]) < spacing;
    if (close) size -= 2; // the point before was nearer than `spacing` to its own predecessor: this one replaces it
    points[size] = px;
    points[size + 1] = py;
    size += 2;
  }
  return { points: points.subarray(0, size), last };
}

/** @param {number} pixel */
const limit = (pixel) => Math.max(-FAR, Math.min(FAR, pixel));

/**
 * The head of a trail on the plane: its last point, or where it last crossed the plane's edge.
 * @param {Float32Array} points  x, y in pixels
 * @param {Plane} plane
 * @returns {{x: number, y: number, inside: boolean} | null}  null for a trail without points
 */
export function head(points, plane) {
  let i = points.length - 2;
  if (i < 0) return null;
  if (plane.contains(points[i], points[i + 1])) return { x: points[i], y: points[i + 1], inside: true };
  while (i >= 2 && !plane.contains(points[i - 2], points[i - 1])) i -= 2;
  if (i < 2) i = points.length - 2;
  const toX = points[i];
  const toY = points[i + 1];
  const fromX = i >= 2 ? points[i - 2] : plane.left + plane.width / 2;
  const fromY = i >= 2 ? points[i - 1] : plane.top + plane.height / 2;
  const bound = (
    /** @type {number} */ from,
    /** @type {number} */ to,
    /** @type {number} */ low,
    /** @type {number} */ high,
  ) => (to < low ? (low - from) / (to - from) : to > high ? (high - from) / (to - from) : 1);
  const part = Math.min(
    bound(fromX, toX, plane.left, plane.left + plane.width),
    bound(fromY, toY, plane.top, plane.top + plane.height),
  );
  return { x: fromX + part * (toX - fromX), y: fromY + part * (toY - fromY), inside: false };
}

/**
 * The part of a path that lies over a surface, laid on it: the steps are cut into pieces, each end of which has the
 * surface's height.
 * @param {ArrayLike<number>} path  (T, 2), oldest point first; ends where it leaves the surface or becomes NaN
 * @param {[number, number]} x  the surface's range
 * @param {[number, number]} y
 * @param {number} piece  the longest piece, as a part of the range
 * @param {(x: number, y: number) => number} height
 * @returns {number[]}  x, y, height of each point
 */
export function drape(path, x, y, piece, height) {
  /** @type {number[]} */
  const points = [];
  let fromX = NaN;
  let fromY = NaN;
  for (let t = 0; t < path.length; t += 2) {
    const toX = path[t];
    const toY = path[t + 1];
    if (!(toX >= x[0] && toX <= x[1] && toY >= y[0] && toY <= y[1])) {
      if (points.length) break;
      continue;
    }
    const way = Math.hypot((toX - fromX) / (x[1] - x[0]), (toY - fromY) / (y[1] - y[0]));
    const pieces = points.length ? Math.ceil(way / piece) || 1 : 1;
    for (let k = 1; k < pieces; k++) {
      const px = fromX + ((toX - fromX) * k) / pieces;
      const py = fromY + ((toY - fromY) * k) / pieces;
      points.push(px, py, height(px, py));
    }
    points.push(toX, toY, height(toX, toY));
    fromX = toX;
    fromY = toY;
  }
  return points;
}
