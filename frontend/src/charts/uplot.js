/** Shared by all line charts: uPlot's options for their axes, ranges, cursor and curves. */

import uPlot from 'uplot';
import { FONT, short } from './draw.js';
import { cursorOf } from './zoom.js';
import { logSplits } from './ticks.js';
import { count, number } from '../lib/format.js';

const SPAN = 10; // of an x axis with a single place on it

/** @typedef {(low: number | null, high: number | null) => [number, number]} Range  the range shown for values from `low` to `high` */
/**
 * @typedef {object} LineChart
 * @property {Record<string, string>} colours  of the theme
 * @property {boolean} [xLog]
 * @property {boolean} [yLog]
 * @property {(xs: number[]) => string[]} xLabels  of the ticks
 * @property {Range} [xRange]
 * @property {Range} [yRange]
 * @property {uPlot.Series[]} curves
 * @property {number} [above]  px above the plot, for marks
 * @property {uPlot.Cursor} [cursor]  overrides
 * @property {uPlot.Hooks.Arrays} [hooks]
 * @property {(left: number, index: number | null) => void} [onCursor]  position in the plot, row under the cursor
 */

/**
 * @param {LineChart} chart
 * @returns {uPlot.Options}
 */
export function base({
  colours,
  xLog = false,
  yLog = false,
  xLabels,
  xRange = span,
  yRange = yLog ? logRange : linearRange,
  curves,
  above = 14,
  cursor = {},
  hooks = {},
  onCursor = () => {},
}) {
  const axis = {
    stroke: colours.muted,
    font: FONT,
    ticks: { show: false },
    grid: { stroke: colours.grid, width: 1 },
    gap: 4,
  };
  return {
    width: 100, // until it is fitted to its panel
    height: 100,
    padding: [above, 20, 0, 0],
    legend: { show: false },
    select: { show: Boolean(cursor.drag?.x), left: 0, top: 0, width: 0, height: 0 },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      move: cursorOf,
      dataIdx: (u, i, index) => lastKnown(u.data[i], index),
      ...cursor,
      points: { size: 7, width: 1.5, ...cursor.points },
    },
    scales: {
      x: { time: false, distr: xLog ? 3 : 1, range: (_, low, high) => xRange(low, high) },
      y: { distr: yLog ? 3 : 1, range: (_, low, high) => yRange(low, high) },
    },
    axes: [
      { ...axis, size: 22, space: 60, ...(xLog && LOG_TICKS), values: (_, splits) => xLabels(splits) },
      {
        ...axis,
        size: labelWidth,
        space: 28,
        ...(yLog && LOG_TICKS),
        values: (_, splits, _axis, _space, increment) => valueLabels(splits, yLog ? 0 : increment),
      },
    ],
    series: [{}, ...curves],
    hooks: { ...hooks, setCursor: [(u) => onCursor(u.cursor.left ?? -1, u.cursor.idx ?? null)] },
  };
}

/** @type {Pick<uPlot.Axis, 'splits' | 'filter'>} */
const LOG_TICKS = {
  splits: (_u, _axis, low, high) => logSplits(low, high),
  filter: (_u, splits) => splits,
};

/**
 * A curve; isolated values are drawn as points.
 * @param {string} label
 * @param {string} stroke
 * @param {readonly number[]} dash  px
 * @param {number} width  px
 * @returns {uPlot.Series}
 */
export const curve = (label, stroke, dash, width) => ({
  label,
  stroke,
  dash: dash.map((length) => length * uPlot.pxRatio),
  width,
  points: { show: false, filter: lone },
});

/**
 * The rows of isolated values, with a gap on both sides.
 * @param {uPlot} u
 * @param {number} i
 * @returns {number[] | null}
 */
export function lone(u, i) {
  const values = u.data[i];
  /** @type {number[]} */
  const rows = [];
  let length = 0; // of the stretch so far
  let at = -1;
  for (let row = 0; row <= values.length; row++) {
    const value = row < values.length ? values[row] : null;
    if (typeof value === 'number') {
      length++;
      at = row;
    } else if (value === null) {
      if (length === 1) rows.push(at);
      length = 0;
    }
  }
  return rows.length ? rows : null;
}

/**
 * @param {ArrayLike<number | null | undefined>} values
 * @param {number} index
 */
function lastKnown(values, index) {
  for (let i = index; i >= 0; i--) if (typeof values[i] === 'number') return i;
  return index;
}

/** @type {Range} */
export const span = (low, high) =>
  low !== null && high !== null && high > low ? [low, high] : [low ?? 0, (low ?? 0) + SPAN];

/** @type {Range} */
export function linearRange(low, high) {
  if (low === null || high === null) return [0, 1];
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  return [low >= 0 && low < 4 * pad ? 0 : low - pad, high + pad];
}

/** @type {Range} */
export function logRange(low, high) {
  if (!low || !high || low <= 0) return [0.1, 1];
  const pad = Math.max(1.15, (high / low) ** 0.05);
  return [low / pad, high * pad];
}

/**
 * As many digits as the ticks have; a log axis leaves some of its ticks (null) unnamed.
 * @param {(number | null)[]} splits
 * @param {number} increment  between ticks; 0 on a log axis
 */
export function valueLabels(splits, increment) {
  const most = Math.max(...splits.map((value) => Math.abs(value ?? 0)));
  let digits = 0;
  if (increment > 0 && most > 0) {
    const place = Math.floor(Math.log10(increment) + 1e-9); // of the increment's first digit
    const whole = Number((increment / 10 ** place).toPrecision(6)) % 1 === 0; // 0.25 has a second one
    digits = Math.floor(Math.log10(most) + 1e-9) - place + (whole ? 1 : 2);
  }
  return splits.map((value) => (value === null ? '' : digits > 2 ? number(value, digits) : short(value)));
}

/**
 * Labels of an x axis's ticks; the first includes the word for them.
 * @param {(text: string, x: number) => string} first
 * @param {(x: number) => string} [write]
 */
export const xLabels =
  (first, write = short) =>
  (/** @type {number[]} */ xs) =>
    xs.map((x, i) => {
      const text = write(x);
      return i === 0 && text ? first(text, x) : text;
    });

/** A tick that counts something has no text between two whole numbers. @param {number} x */
export const whole = (x) => (Number.isInteger(x) ? count(x) : '');

/**
 * @param {uPlot} _
 * @param {string[] | null} labels
 */
const labelWidth = (_, labels) => 12 + 6.2 * Math.max(4, ...(labels ?? []).map((label) => label.length));
