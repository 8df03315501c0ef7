/** The look of a chart of scalars: its curves, and their marks. */

import uPlot from 'uplot';
import { DASHES, categorical } from '../../charts/colour.js';
import { cross, diamond, lineAt } from '../../charts/marks.js';
import { base, curve, linearRange, logRange, span } from '../../charts/uplot.js';
import { colourOf, dashOf } from '../../lib/runs.js';
import { nearest } from '../../lib/series.js';

const LINE = 1.75; // px
const HAIRLINE = 1; // px: several times cheaper to rasterise when a curve goes up and down in every pixel
const DIAMONDS = 10; // px above the plot

/**
 * @typedef {object} ChartOptions
 * @property {string[]} names  one curve each; its place decides colour and dash
 * @property {boolean} smoothed  draw each name twice: raw and faint, then smoothed
 * @property {boolean} log
 * @property {(step: number, first: boolean) => string} x  how a step is written on the x axis, the first with its unit
 * @property {() => [number, number] | null} stretch  the steps shown; null: all there are
 * @property {() => [number, number] | null} held  the range of y, if it is held
 * @property {(low: number, high: number) => void} onStretch  a stretch was dragged over
 * @property {'light' | 'dark'} theme
 * @property {Record<string, string>} colours  of the theme
 * @property {() => number[]} changes  steps at which knobs changed
 * @property {() => number | null} at  the step shown, if it is in the past
 * @property {() => [number, number][]} ends  curves (1: the first), and their last steps with a number
 * @property {number[]} others  places of the runs to compare with: a curve per name each, after this run's
 * @property {(left: number, index: number | null) => void} onCursor  position in the plot, row under the cursor
 */

/**
 * @param {ChartOptions} chart
 * @returns {uPlot.Options}
 */
export function chartOptions(chart) {
  const { names, smoothed, log, theme, colours, others } = chart;
  const faint = (/** @type {string} */ name, /** @type {number} */ i) =>
    curve(name, `${categorical(i, theme)}48`, [], HAIRLINE);
  const clear = (/** @type {string} */ name, /** @type {number} */ i) =>
    curve(name, categorical(i, theme), DASHES[i % DASHES.length], LINE);
  const other = (/** @type {string} */ name, /** @type {number} */ i, /** @type {number} */ place) =>
    curve(name, `${colourOf(place, theme)}c0`, dashOf(place, i), HAIRLINE); // behind the main run
  return base({
    colours,
    yLog: log,
    xLabels: (xs) => xs.map((x, i) => chart.x(x, i === 0)),
    xRange: (low, high) => chart.stretch() ?? span(low, high),
    yRange: (low, high) => chart.held() ?? (log ? logRange : linearRange)(low, high),
    curves: [
      ...(smoothed ? names.map(faint) : []),
      ...names.map(clear),
      ...others.flatMap((place) => names.map((name, i) => other(name, i, place))),
    ],
    above: DIAMONDS,
    cursor: {
      drag: { x: true, y: false, dist: 5, setScale: false },
      points: { fill: (u, i) => (i > names.length || !smoothed ? strokeOf(u, i) : 'transparent') },
    },
    hooks: {
      setSelect: [
        (u) => {
          const { left, width } = u.select;
          if (!width) return;
          chart.onStretch(u.posToVal(left, 'x'), u.posToVal(left + width, 'x'));
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      draw: [
        (u) => markChanges(u, chart.changes(), colours.accent),
        (u) => markEnds(u, chart.ends(), colours.text),
        (u) => markStep(u, chart.at(), colours.warn),
      ],
    },
    onCursor: chart.onCursor,
  });
}

/**
 * The range of y in which all numbers of some columns lie.
 * @param {(number | null | undefined)[][]} columns
 * @param {boolean} log
 */
export function rangeOf(columns, log) {
  const numbers = columns.flat().filter((value) => typeof value === 'number');
  const ends = numbers.length
    ? [numbers, numbers].map((all, i) => all.reduce((a, b) => (i ? Math.max(a, b) : Math.min(a, b))))
    : [null, null];
  return (log ? logRange : linearRange)(ends[0], ends[1]);
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
 * @param {uPlot} u
 * @param {number} i
 */
const strokeOf = (u, i) => /** @type {import('uplot').Series & {_stroke: string}} */ (u.series[i])._stroke;

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
    lineAt(u, x);
    ctx.globalAlpha = 1;
    diamond(ctx, x, bbox.top - 4 * ratio, 4 * ratio);
  }
  ctx.restore();
}

/**
 * A small cross where a curve stops being a number.
 * @param {uPlot} u
 * @param {[number, number][]} ends
 * @param {string} colour
 */
function markEnds(u, ends, colour) {
  const { ctx } = u;
  ctx.save();
  ctx.setLineDash([]);
  ctx.lineWidth = LINE * uPlot.pxRatio;
  ctx.strokeStyle = colour;
  for (const [i, step] of ends) {
    const row = nearest(u.data[0], step);
    const value = u.data[i]?.[row];
    if (typeof value !== 'number' || !u.series[i].show) continue;
    cross(ctx, u.valToPos(u.data[0][row], 'x', true), u.valToPos(value, 'y', true), 4 * uPlot.pxRatio);
  }
  ctx.restore();
}

/**
 * A line at the step shown.
 * @param {uPlot} u
 * @param {number | null} step
 * @param {string} colour
 */
function markStep(u, step, colour) {
  if (step === null) return;
  const { ctx } = u;
  ctx.save();
  ctx.setLineDash([]);
  ctx.strokeStyle = colour;
  ctx.lineWidth = 2 * uPlot.pxRatio;
  lineAt(u, Math.round(u.valToPos(step, 'x', true)));
  ctx.restore();
}
