/** Scales of the schedule's chart: steps and values to pixels. Pure. */

import { scaleLinear, scaleLog } from 'd3-scale';
import { logSplits } from '../../charts/ticks.js';

export const HEIGHT = 200; // px
export const LEFT = 52; // px of the value axis
export const RIGHT = 12;
export const TOP = 10;
export const BOTTOM = 22;

/** @typedef {[number, number]} Point  step, value */

/**
 * Twice as much of the past as of the future.
 * @param {number} first  step of the run
 * @param {number} now
 * @param {number} ahead  steps
 * @param {number} width  px
 */
export const stepScale = (first, now, ahead, width) =>
  scaleLinear()
    .domain([Math.max(first, now - 2 * ahead), now + ahead])
    .range([LEFT, Math.max(width - RIGHT, LEFT + 10)]);

/**
 * @param {[number, number]} ends
 * @param {boolean} log  as requested; with a value of 0 the scale is linear
 */
export const valueScale = ([low, high], log) =>
  (log && low > 0 ? scaleLog() : scaleLinear())
    .domain([low, high])
    .range([HEIGHT - BOTTOM, TOP])
    .clamp(true);

/**
 * @param {ReturnType<typeof valueScale>} scale
 * @param {boolean} log
 * @returns {number[]}
 */
export function valueTicks(scale, log) {
  const [low, high] = scale.domain();
  return log ? logSplits(low, high) : scale.ticks(5);
}

/**
 * The range that covers a knob's typical values and all of its values in view.
 * @param {[number, number]} typical
 * @param {Point[]} points
 * @param {number} first  step in sight
 * @returns {[number, number]}
 */
export function shownRange(typical, points, first) {
  const values = points.filter(([step]) => step >= first).map(([, value]) => value);
  return [Math.min(typical[0], ...values), Math.max(typical[1], ...values)];
}

/**
 * An SVG path through the points in view.
 * @param {Point[]} points
 * @param {(step: number) => number} x
 * @param {(value: number) => number} y
 * @param {number} first  step in sight
 */
export const pathThrough = (points, x, y, first) =>
  points
    .filter(([step]) => step >= first)
    .map(([step, value], i) => `${i ? 'L' : 'M'}${x(step).toFixed(1)} ${y(value).toFixed(1)}`)
    .join('');
