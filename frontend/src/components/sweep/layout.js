/** The layout of a sweep's two charts: its curves, and their results. Pure. */

import { drawable } from '../../charts/curves.js';
import { best, breaks, reach, results } from '../../lib/sweep.js';

const NEAR = 48; // px: the largest distance at which the pointer selects a curve
const ABOVE = 0.06; // of an axis of losses, beyond them
const BESIDE = 0.04; // of an axis of values

/** @typedef {import('../../lib/sweep.js').Curve} Curve */
/** @typedef {import('../../lib/sweep.js').Sweep} Sweep */
/** @typedef {[number, number]} Point  of a chart */
/** @typedef {{curve: Curve, at: Point}} Spot  a point that represents a curve */

/**
 * @typedef {object} Layout  of both charts
 * @property {boolean} xLog  of the knob's values
 * @property {boolean} yLog
 * @property {Point} yRange
 */

/**
 * @param {Sweep} sweep
 * @param {import('../../lib/types.js').KnobSchema} schema  of its knob
 * @returns {Layout}
 */
export function layoutOf(sweep, schema) {
  const { low, high, log } = reach(sweep);
  const pad = log ? (high / low) ** ABOVE : (high - low || Math.abs(high) || 1) * ABOVE;
  return {
    xLog: Boolean(schema['x-log']) && sweep.curves.every((curve) => curve.value > 0),
    yLog: log,
    yRange: log ? [low / pad, high * pad] : [low - pad, high + pad],
  };
}

/**
 * The columns of the fan of curves: steps, then each curve's losses as far as they are known.
 * @param {Sweep} sweep
 * @param {Layout} layout
 * @returns {(number | null)[][]}
 */
export function fanOf(sweep, { yLog }) {
  const length = Math.max(1, ...sweep.curves.map((curve) => curve.taken));
  const rows = sweep.curves.map(({ losses }) => {
    const row = /** @type {(number | null)[]} */ (drawable(losses, yLog, [], null));
    while (row.length < length) row.push(null);
    return row;
  });
  return [Array.from({ length }, (_, i) => sweep.step + i), ...rows];
}

/**
 * The columns of the plot of results, and the range of its axis of values.
 * @param {Sweep} sweep
 * @param {Layout} layout
 * @returns {{data: (number | null)[][], xRange: Point}}
 */
export function plotOf(sweep, { xLog }) {
  const { x, rows } = results(sweep);
  return { data: [x, ...rows], xRange: widened(x[0], x[x.length - 1], xLog) };
}

/**
 * The marked values: the current one, the best one, and the first that is too large; the last two only for a sweep
 * that finished.
 * @param {Sweep} sweep
 * @param {number} now
 * @param {boolean} early  it did not finish
 * @returns {{kind: 'now' | 'best' | 'breaks', x: number}[]}
 */
export function markedOf(sweep, now, early) {
  const top = early ? null : best(sweep);
  const limit = early ? null : breaks(sweep);
  return [
    { kind: 'now', x: now },
    ...(top ? [{ kind: /** @type {const} */ ('best'), x: top.value }] : []),
    ...(limit !== null ? [{ kind: /** @type {const} */ ('breaks'), x: limit }] : []),
  ];
}

/** @param {number} low @param {number} high @param {boolean} log @returns {Point} */
function widened(low, high, log) {
  if (low === high) return log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  const pad = log ? (high / low) ** BESIDE : (high - low) * BESIDE;
  return log ? [low / pad, high * pad] : [low - pad, high + pad];
}

/**
 * The point of a curve at `index`.
 * @param {Sweep} sweep
 * @param {Layout} layout
 * @param {Curve} curve
 * @param {number} index
 * @returns {Point}
 */
export function along(sweep, { yRange }, curve, index) {
  const at = Math.max(0, Math.min(index, curve.taken - 1));
  return [sweep.step + at, curve.taken ? curve.losses[at] : yRange[1]];
}

/**
 * The point of a curve's result; at the top where it diverged.
 * @param {Layout} layout
 * @param {Curve} curve
 * @returns {Point}
 */
export const ledTo = ({ yRange }, curve) => [
  curve.value,
  Number.isFinite(curve.result) ? curve.result : yRange[1],
];

/**
 * The spot nearest to the pointer, if it is near.
 * @param {Curve[]} curves
 * @param {(curve: Curve) => Point} place  of its spot
 * @param {(at: Point) => number} distance  from the pointer, in px
 * @returns {Spot | null}
 */
export function nearest(curves, place, distance) {
  let least = NEAR;
  /** @type {Spot | null} */
  let found = null;
  for (const curve of curves) {
    if (!curve.taken && !curve.diverged) continue;
    const at = place(curve);
    const far = distance(at);
    if (far < least) [least, found] = [far, { curve, at }];
  }
  return found;
}
