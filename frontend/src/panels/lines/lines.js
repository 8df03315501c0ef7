/** How curves over any axis look: uPlot's options for a `Lines` picture. */

import uPlot from 'uplot';
import { labelWidth, lastKnown, linearRange, logRange, lone, valueLabels } from '../panels/scalars/chart.js';
import { DASHES, categorical, lutFor } from './colour.js';
import { short } from './draw.js';
import { count } from '../lib/format.js';
import { drawBands, drawDots, stretched } from './overlays.js';
import { logSplits } from './ticks.js';

const FONT = '11px system-ui, sans-serif';
export const NAMED = 8; // curves with a colour of their own; more are shaded from first to last

/**
 * @typedef {object} LinesOptions
 * @property {string[]} series
 * @property {boolean} xLog
 * @property {boolean} yLog
 * @property {string} xLabel
 * @property {boolean} steps  whether x counts steps: whole numbers
 * @property {'light' | 'dark'} theme
 * @property {Record<string, string>} ink  colours of the theme
 * @property {() => import('./overlays.js').Overlay} overlay  what is drawn besides the curves
 * @property {() => {name: string, x: number}[]} marks  named places on the x axis
 * @property {() => [number, number] | null} yRange  what part of the y axis is shown; null: all there is
 * @property {(left: number, index: number | null) => void} onCursor
 */

/**
 * The colour of a curve among so many.
 * @param {number} i
 * @param {number} of
 * @param {'light' | 'dark'} theme
 */
export function strokeFor(i, of, theme) {
  if (of <= NAMED) return categorical(i, theme);
  const lut = lutFor('sequential', theme);
  const at = 3 * Math.round(20 + (i / (of - 1)) * 200);
  return `rgb(${lut[at]}, ${lut[at + 1]}, ${lut[at + 2]})`;
}

/**
 * @param {LinesOptions} lines
 * @returns {uPlot.Options}
 */
export function linesOptions(lines) {
  const { series, xLog, yLog, xLabel, steps, theme, ink } = lines;
  const stroke = (/** @type {number} */ i) => (i < 0 ? ink.muted : strokeFor(i, series.length, theme));
  const axis = {
    stroke: ink.muted,
    font: FONT,
    ticks: { show: false },
    grid: { stroke: ink.grid, width: 1 },
  };
  const logTicks = {
    splits: (
      /** @type {uPlot} */ _u,
      /** @type {number} */ _axis,
      /** @type {number} */ low,
      /** @type {number} */ high,
    ) => logSplits(low, high),
    filter: (/** @type {uPlot} */ _u, /** @type {number[]} */ splits) => splits,
  };
  return {
    width: 100,
    height: 100,
    padding: [14, 20, 0, 0],
    legend: { show: false },
    select: { show: false, left: 0, top: 0, width: 0, height: 0 },
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 6, width: 1.5 },
      dataIdx: (u, i, index) => lastKnown(u.data[i], index),
    },
    scales: {
      x: {
        time: false,
        distr: xLog ? 3 : 1,
        range: (_, least, most) => {
          const [low, high] = stretched('x', lines.overlay(), least, most, xLog);
          if (low === null || high === null || high <= low) return [low ?? 0, (low ?? 0) + 10];
          if (!lines.overlay().dots.length) return [low, high];
          // A dot at the end is a whole one.
          const margin = xLog ? (high / low) ** 0.03 : (high - low) * 0.03;
          return xLog ? [low / margin, high * margin] : [low - margin, high + margin];
        },
      },
      y: {
        distr: yLog ? 3 : 1,
        range: (_, least, most) => {
          const ends = stretched('y', lines.overlay(), least, most, yLog);
          return lines.yRange() ?? (yLog ? logRange(...ends) : linearRange(...ends));
        },
      },
    },
    axes: [
      {
        ...axis,
        size: 22,
        gap: 4,
        space: 60,
        ...(xLog && logTicks),
        values: (_, splits) =>
          splits.map((x, i) => {
            const text = xLog ? short(x) : steps ? (Number.isInteger(x) ? count(x) : '') : short(x);
            return i === 0 && xLabel && text ? `${xLabel} ${text}` : text;
          }),
      },
      {
        ...axis,
        gap: 4,
        space: 28,
        size: labelWidth,
        ...(yLog && logTicks),
        values: (_, splits, _axis, _space, increment) => valueLabels(splits, yLog ? 0 : increment),
      },
    ],
    series: [
      {},
      ...series.map((label, i) => ({
        label,
        stroke: stroke(i),
        dash: series.length <= NAMED ? DASHES[i % DASHES.length].map((length) => length * uPlot.pxRatio) : [],
        width: series.length <= NAMED ? 1.75 : 1.25,
        points: { show: false, filter: lone },
      })),
    ],
    hooks: {
      drawAxes: [(u) => drawBands(u, lines.overlay(), stroke)],
      draw: [(u) => drawDots(u, lines.overlay(), stroke), (u) => drawMarks(u, lines.marks(), ink)],
      setCursor: [(u) => lines.onCursor(u.cursor.left ?? -1, u.cursor.idx ?? null)],
    },
  };
}

/**
 * A line at each mark, and its name above; names that would touch go one line lower.
 * @param {uPlot} u
 * @param {{name: string, x: number}[]} marks
 * @param {Record<string, string>} ink
 */
function drawMarks(u, marks, ink) {
  const { ctx, bbox } = u;
  const ratio = uPlot.pxRatio;
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = 'center';
  /** @type {{from: number, to: number, row: number}[]} */
  const taken = [];
  marks.forEach(({ name, x }, i) => {
    const at = u.valToPos(x, 'x', true);
    if (at < bbox.left - 1 || at > bbox.left + bbox.width + 1) return;
    ctx.strokeStyle = ctx.fillStyle = i === 0 ? ink.accent : ink.muted;
    ctx.lineWidth = (i === 0 ? 2 : 1.5) * ratio;
    ctx.setLineDash(i === 0 ? [] : [4 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
    const wide = ctx.measureText(name).width / 2 + 4 * ratio;
    const end = bbox.left + bbox.width + 16 * ratio; // into the padding at the right
    const middle = Math.max(bbox.left + wide, Math.min(at, end - wide)); // a name at the end stays whole
    let row = 0;
    while (taken.some((other) => other.row === row && middle - wide < other.to && middle + wide > other.from))
      row++;
    taken.push({ from: middle - wide, to: middle + wide, row });
    ctx.lineWidth = 4 * ratio;
    ctx.setLineDash([]);
    ctx.strokeStyle = ink.panel;
    const y = bbox.top - 4 * ratio + row * 13 * ratio;
    ctx.strokeText(name, middle, y);
    ctx.fillText(name, middle, y);
  });
  ctx.restore();
}
