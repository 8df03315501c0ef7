/** The look of a sweep's chart: uPlot's options, with a highlighted curve and spots on the curves. */

import uPlot from 'uplot';
import { short } from '../../charts/draw.js';
import { cross, drawMarks } from '../../charts/marks.js';
import { base, curve, whole, xLabels } from '../../charts/uplot.js';

const RING = 5; // px
const CROSS = 4;
const DOT = 3.5;
const LINE = 1.5;

/** @typedef {import('./layout.js').Spot} Spot */
/** @typedef {{at: [number, number], stroke: string}} Sign */
/**
 * @typedef {object} Spots
 * @property {Sign[]} dots
 * @property {Sign[]} crosses  where a curve ended because it diverged
 * @property {Spot | null} chosen
 * @property {Spot | null} hovered
 */
/**
 * @typedef {object} SweepOptions
 * @property {string[]} strokes  one per curve
 * @property {number[][]} dashes
 * @property {boolean} xLog
 * @property {boolean} yLog
 * @property {string} xLabel
 * @property {boolean} steps  whether x counts steps
 * @property {Record<string, string>} colours  of the theme
 * @property {() => [number, number]} xRange
 * @property {() => [number, number]} yRange
 * @property {() => {name: string, x: number}[]} marks
 * @property {() => Spots} spots
 */

/**
 * @param {SweepOptions} sweep
 * @returns {uPlot.Options}
 */
export const sweepOptions = ({ strokes, dashes, colours, steps, xLabel, ...sweep }) => ({
  ...base({
    colours,
    xLog: sweep.xLog,
    yLog: sweep.yLog,
    xLabels: xLabels((text) => `${xLabel} ${text}`.trim(), steps ? whole : short),
    xRange: sweep.xRange,
    yRange: sweep.yRange,
    curves: strokes.map((stroke, i) => ({
      ...curve(String(i), stroke, dashes[i], LINE),
      points: { show: false },
    })),
    cursor: { x: false, points: { show: false } },
    hooks: {
      draw: [(u) => drawMarks(u, sweep.marks(), colours), (u) => drawSpots(u, sweep.spots(), colours)],
    },
  }),
  focus: { alpha: 0.22 },
});

/**
 * Dots and crosses, then rings around the chosen and the hovered spot.
 * @param {uPlot} u
 * @param {Spots} spots
 * @param {Record<string, string>} colours
 */
function drawSpots(u, { dots, crosses, chosen, hovered }, colours) {
  const { ctx, bbox } = u;
  const ratio = uPlot.pxRatio;
  /** @param {[number, number]} at @returns {[number, number]} */
  const inside = ([x, y]) => [
    u.valToPos(x, 'x', true),
    Math.max(bbox.top, Math.min(bbox.top + bbox.height, u.valToPos(y, 'y', true))),
  ];
  ctx.save();
  ctx.setLineDash([]);
  ctx.lineWidth = 2 * ratio;
  for (const { at, stroke } of dots) {
    ctx.fillStyle = stroke;
    ctx.beginPath();
    ctx.arc(...inside(at), DOT * ratio, 0, 2 * Math.PI);
    ctx.fill();
  }
  for (const { at, stroke } of crosses) {
    ctx.strokeStyle = stroke;
    cross(ctx, ...inside(at), CROSS * ratio);
  }
  for (const spot of [chosen, hovered]) {
    if (!spot) continue;
    ctx.strokeStyle = spot === chosen ? colours.accent : colours.text;
    ctx.beginPath();
    ctx.arc(...inside(spot.at), RING * ratio, 0, 2 * Math.PI);
    ctx.stroke();
  }
  ctx.restore();
}
