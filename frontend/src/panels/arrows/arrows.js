/** Arrows on the plane, in pixels; places and cells of a bent grid. No DOM. */

/** @typedef {import('../../charts/plane.js').Plane} Plane */

const LONGEST = 0.12; // of the plane's width: the length of an arrow that would be longer
const HEAD = 0.3; // of the arrow, within these px
const HEADS = [2, 6];
const SHORTEST = 0.75; // px: below, an arrow is not drawn

/**
 * The outlines of arrows, as long as the roots of their vectors: x, y of tail, tip and both ends of the head, eight
 * numbers each.
 * @param {ArrayLike<number>} tails  (A, 2), of the plane
 * @param {ArrayLike<number>} vectors  (A, 2)
 * @param {number} gain  length of a vector of 1, on the plane
 * @param {Plane} plane
 * @returns {number[]}
 */
export function outlines(tails, vectors, gain, plane) {
  const scale = (gain * plane.width) / (plane.x[1] - plane.x[0]);
  const longest = LONGEST * plane.width;
  const found = [];
  for (let i = 0; i < tails.length; i += 2) {
    const length = Math.hypot(vectors[i], vectors[i + 1]);
    const shown = Math.min(scale * Math.sqrt(length), longest);
    if (!(shown >= SHORTEST)) continue;
    const dx = (vectors[i] / length) * shown;
    const dy = (-vectors[i + 1] / length) * shown;
    const x = plane.toX(tails[i]);
    const y = plane.toY(tails[i + 1]);
    const head = Math.max(HEADS[0], Math.min(HEADS[1], HEAD * shown)) / shown;
    found.push(
      ...[x, y, x + dx, y + dy],
      ...[x + dx - head * (dx - 0.6 * dy), y + dy - head * (dy + 0.6 * dx)],
      ...[x + dx - head * (dx + 0.6 * dy), y + dy - head * (dy - 0.6 * dx)],
    );
  }
  return found;
}

/**
 * The place nearest to a point of the plane, −1 where none is near.
 * @param {ArrayLike<number>} places  (N, 2)
 * @param {Plane} plane
 * @param {readonly [number, number]} point
 * @param {number} reach  px
 * @param {(index: number) => boolean} [passed]  whether a place does not count
 */
export function nearest(places, plane, [x, y], reach, passed = () => false) {
  let found = -1;
  let least = reach;
  for (let i = 0; i < places.length / 2; i++) {
    const right = plane.toX(places[2 * i]) - plane.toX(x);
    const down = plane.toY(places[2 * i + 1]) - plane.toY(y);
    const distance = Math.hypot(right, down);
    if (distance < least && !passed(i)) [found, least] = [i, distance];
  }
  return found;
}

/**
 * Which labels there is room for beside their points, the first ones first.
 * @param {readonly {x: number, y: number, width: number}[]} wanted  in px: left end, middle of its height
 * @param {number} height  px of a line of text
 */
export function roomFor(wanted, height) {
  /** @type {typeof wanted[number][]} */
  const kept = [];
  for (const label of wanted) {
    const clear = kept.every(
      (other) =>
        Math.abs(other.y - label.y) >= height ||
        other.x + other.width <= label.x ||
        label.x + label.width <= other.x,
    );
    if (clear) kept.push(label);
  }
  return kept;
}

/**
 * The mean length of vectors.
 * @param {ArrayLike<number>} vectors  (A, 2)
 */
export function meanLength(vectors) {
  let sum = 0;
  for (let i = 0; i < vectors.length; i += 2) sum += Math.hypot(vectors[i], vectors[i + 1]);
  return vectors.length ? (2 * sum) / vectors.length : 0;
}

/**
 * The area of a quadrilateral, by the shoelace formula; that of a twisted one is smaller.
 * @param {number[]} corners  x, y of each, in order
 */
export function area(corners) {
  let twice = 0;
  for (let i = 0; i < corners.length; i += 2) {
    const next = (i + 2) % corners.length;
    twice += corners[i] * corners[next + 1] - corners[next] * corners[i + 1];
  }
  return Math.abs(twice) / 2;
}
