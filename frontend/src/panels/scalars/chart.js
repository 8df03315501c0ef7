/** How a line chart of scalars looks: uPlot's options, and data as uPlot wants them. */

import uPlot from 'uplot';
import { DASHES, categorical } from '../../charts/colour.js';
import { logSplits } from '../../charts/ticks.js';
import { short } from '../../charts/draw.js';
import { count, number } from '../../lib/format.js';
import { colourOf, dashOf } from '../../lib/runs.js';
import { nearest } from '../../lib/series.js';

const FONT = '11px system-ui, sans-serif';
const DECADE = 10;
const LINE = 1.75; // px
const HAIRLINE = 1; // px: several times cheaper to rasterise when a curve goes up and down in every pixel

/**
 * @typedef {object} ChartOptions
 * @property {string[]} names  one curve each; its place decides colour and dash
 * @property {boolean} smoothed  draw each name twice: raw and faint, then smoothed
 * @property {boolean} log
 * @property {(step: number) => string} step  how a step is written on the x axis, with its word
 * @property {'light' | 'dark'} theme
 * @property {Record<string, string>} colours  of the theme
 * @property {() => number[]} changes  steps at which knobs changed
 * @property {() => number | null} at  the step looked at, if it is in the past
 * @property {() => [number, number][]} ends  curves (1: the first), and the steps after which they are no numbers
 * @property {number[]} others  places of the runs to compare with: a curve per name each, after the own ones
 * @property {(left: number, index: number | null) => void} onCursor  position in the plot, row under the cursor
 */

/**
 * @param {ChartOptions} chart
 * @returns {uPlot.Options}
 */
export function chartOptions(chart) {
  const { names, smoothed, log, theme, colours, others } = chart;
  const axis = {
    stroke: colours.muted,
    font: FONT,
    ticks: { show: false },
    grid: { stroke: colours.grid, width: 1 },
  };
  const raw = names.map((name, i) => curve(name, i, theme, smoothed));
  return {
    width: 100, // until it is fitted to its panel
    height: 100,
    padding: [10, 20, 0, 0],
    legend: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: {
        size: 7,
        width: 1.5,
        fill: (u, i) => (i > names.length || !smoothed ? strokeOf(u, i) : 'transparent'),
      },
      dataIdx: (u, i, index) => lastKnown(u.data[i], index),
    },
    scales: {
      x: {
        time: false,
        range: (_, low, high) => (high > low ? [low, high] : [low ?? 0, (low ?? 0) + DECADE]),
      },
      y: {
        distr: log ? 3 : 1,
        range: (_, low, high) => (log ? logRange(low, high) : linearRange(low, high)),
      },
    },
    axes: [
      { ...axis, size: 22, gap: 4, space: 60, values: (_, splits) => stepLabels(splits, chart.step) },
      {
        ...axis,
        gap: 4,
        space: 28,
        size: labelWidth,
        ...(log && {
          splits: (_u, _axis, low, high) => logSplits(low, high),
          filter: (_u, splits) => splits,
        }),
        values: (_, splits, _axis, _space, increment) => valueLabels(splits, log ? 0 : increment),
      },
    ],
    series: [
      {},
      ...raw,
      ...(smoothed ? names.map((name, i) => curve(name, i, theme, false)) : []),
      ...others.flatMap((place) => names.map((name, i) => otherCurve(name, place, i, theme))),
    ],
    hooks: {
      draw: [
        (u) => markChanges(u, chart.changes(), colours.accent),
        (u) => markEnds(u, chart.ends(), colours.text),
        (u) => markStep(u, chart.at(), colours.warn),
      ],
      setCursor: [(u) => chart.onCursor(u.cursor.left ?? -1, u.cursor.idx ?? null)],
    },
  };
}

/**
 * @param {string} label
 * @param {number} i
 * @param {'light' | 'dark'} theme
 * @param {boolean} faint
 * @returns {uPlot.Series}
 */
function curve(label, i, theme, faint) {
  const stroke = categorical(i, theme) + (faint ? '48' : '');
  const dash = faint ? [] : DASHES[i % DASHES.length].map((length) => length * uPlot.pxRatio);
  return { label, stroke, dash, width: faint ? HAIRLINE : LINE, points: { show: false, filter: lone } };
}

/**
 * @param {string} label
 * @param {number} place  of its run
 * @param {number} i
 * @param {'light' | 'dark'} theme
 * @returns {uPlot.Series}
 */
function otherCurve(label, place, i, theme) {
  const stroke = `${colourOf(place, theme)}c0`; // it stays behind the run looked at
  const dash = dashOf(place, i).map((length) => length * uPlot.pxRatio);
  return { label, stroke, dash, width: HAIRLINE, points: { show: false, filter: lone } };
}

/**
 * Thin lines for raw curves with a point in every few pixels.
 * @param {uPlot} u
 * @param {number} curves  raw ones; smoothed ones come after them
 * @param {boolean} dense
 */
export function setWidths(u, curves, dense) {
  const smoothed = u.series.length > curves + 1 && u.series[curves + 1].label === u.series[1].label;
  for (let i = 1; i <= curves; i++) u.series[i].width = dense || smoothed ? HAIRLINE : LINE;
}

/**
 * The rows of values that no line leads to or from: they are drawn as points.
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
 * @param {uPlot} u
 * @param {number} i
 */
const strokeOf = (u, i) => /** @type {string} */ (/** @type {any} */ (u.series[i])._stroke);

/**
 * @param {ArrayLike<number | null | undefined>} values
 * @param {number} index
 */
export function lastKnown(values, index) {
  for (let i = index; i >= 0; i--) if (typeof values[i] === 'number') return i;
  return index;
}

/**
 * @param {number | null} low
 * @param {number | null} high
 * @returns {[number, number]}
 */
export function linearRange(low, high) {
  if (low === null || high === null) return [0, 1];
  const pad = (high - low || Math.abs(high) || 1) * 0.06;
  return [low >= 0 && low < 4 * pad ? 0 : low - pad, high + pad];
}

/**
 * @param {number | null} low
 * @param {number | null} high
 * @returns {[number, number]}
 */
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
 * @param {number[]} splits
 * @param {(step: number) => string} inWords
 */
const stepLabels = (splits, inWords) =>
  splits.map((step, i) => (!Number.isInteger(step) ? '' : i === 0 ? inWords(step) : count(step)));

/**
 * @param {uPlot} _
 * @param {string[] | null} labels
 */
export const labelWidth = (_, labels) =>
  12 + 6.2 * Math.max(4, ...(labels ?? []).map((label) => label.length));

/**
 * A thin line and a ◆ where a knob took effect.
 * @param {uPlot} u
 * @param {number[]} steps
 * @param {string} colour
 */
function markChanges(u, steps, colour) {
  const { ctx, bbox } = u;
  const ratio = uPlot.pxRatio;
  const { min = 0, max = 0 } = u.scales.x;
  ctx.save();
  ctx.setLineDash([]);
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = ratio;
  let last = -Infinity;
  for (const step of steps) {
    const x = Math.round(u.valToPos(step, 'x', true));
    if (step < min || step > max || x - last < 2 * ratio) continue;
    last = x;
    ctx.globalAlpha = 0.45;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.globalAlpha = 1;
    diamond(ctx, x, bbox.top - 4 * ratio, 4 * ratio);
  }
  ctx.restore();
}

/**
 * A small cross where a curve ceases to be a number.
 * @param {uPlot} u
 * @param {[number, number][]} ends
 * @param {string} colour
 */
function markEnds(u, ends, colour) {
  const { ctx } = u;
  const arm = 4 * uPlot.pxRatio;
  ctx.save();
  ctx.setLineDash([]);
  ctx.lineWidth = 1.75 * uPlot.pxRatio;
  ctx.strokeStyle = colour;
  for (const [i, step] of ends) {
    const row = nearest(u.data[0], step);
    const value = u.data[i]?.[row];
    if (typeof value !== 'number' || !u.series[i].show) continue;
    const x = u.valToPos(u.data[0][row], 'x', true);
    const y = u.valToPos(value, 'y', true);
    ctx.beginPath();
    ctx.moveTo(x - arm, y - arm);
    ctx.lineTo(x + arm, y + arm);
    ctx.moveTo(x - arm, y + arm);
    ctx.lineTo(x + arm, y - arm);
    ctx.stroke();
  }
  ctx.restore();
}

/**
 * A line at the step that is looked at.
 * @param {uPlot} u
 * @param {number | null} step
 * @param {string} colour
 */
function markStep(u, step, colour) {
  if (step === null) return;
  const { ctx, bbox } = u;
  const x = Math.round(u.valToPos(step, 'x', true));
  ctx.save();
  ctx.setLineDash([]);
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2 * uPlot.pxRatio;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

/**
 * @param {CanvasRenderingContext2D} ctx
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 */
function diamond(ctx, x, y, radius) {
  ctx.beginPath();
  ctx.moveTo(x, y - radius);
  ctx.lineTo(x + radius, y);
  ctx.lineTo(x, y + radius);
  ctx.lineTo(x - radius, y);
  ctx.fill();
}
