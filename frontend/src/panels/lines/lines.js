/** uPlot's options for a `Lines` picture: curves over any axis. */

import { DASHES, categorical, colourOf, lutFor } from '../../charts/colour.js';
import { drawMarks } from '../../charts/marks.js';
import { base, curve, linearRange, logRange, span, whole, xLabels } from '../../charts/uplot.js';
import { short } from '../../charts/draw.js';
import { drawBands, drawDots, stretched } from './overlays.js';

export const NAMED = 8; // curves with a colour of their own; more are shaded from first to last

/**
 * @typedef {object} LinesOptions
 * @property {string[]} series
 * @property {boolean} xLog
 * @property {boolean} yLog
 * @property {string} xLabel
 * @property {boolean} steps  whether x counts steps: whole numbers
 * @property {'light' | 'dark'} theme
 * @property {Record<string, string>} colours  of the theme
 * @property {() => import('./overlays.js').Overlay} overlay  drawn besides the curves
 * @property {() => {name: string, x: number}[]} marks  named places on the x axis
 * @property {() => [number, number] | null} yRange  the part of the y axis shown; null: all of it
 * @property {(left: number, index: number | null) => void} onCursor
 */

/**
 * The colour of curve `i` among `of`.
 * @param {number} i
 * @param {number} of
 * @param {'light' | 'dark'} theme
 */
export const strokeFor = (i, of, theme) =>
  of <= NAMED
    ? categorical(i, theme)
    : colourOf(lutFor('sequential', theme), 20 + (i / (of - 1)) * 200, 0, 255);

/**
 * @param {LinesOptions} lines
 * @returns {import('uplot').Options}
 */
export function linesOptions(lines) {
  const { series, xLog, yLog, xLabel, steps, theme, colours } = lines;
  const named = series.length <= NAMED;
  const stroke = (/** @type {number} */ i) => (i < 0 ? colours.muted : strokeFor(i, series.length, theme));
  return base({
    colours,
    xLog,
    yLog,
    xLabels: xLabels((text) => `${xLabel} ${text}`.trim(), steps && !xLog ? whole : short),
    xRange: (least, most) => {
      const [low, high] = stretched('x', lines.overlay(), least, most, xLog);
      if (low === null || high === null || high <= low || !lines.overlay().dots.length)
        return span(low, high);
      // Do not clip a dot at the end.
      const margin = xLog ? (high / low) ** 0.03 : (high - low) * 0.03;
      return xLog ? [low / margin, high * margin] : [low - margin, high + margin];
    },
    yRange: (least, most) => {
      const ends = stretched('y', lines.overlay(), least, most, yLog);
      return lines.yRange() ?? (yLog ? logRange(...ends) : linearRange(...ends));
    },
    curves: series.map((label, i) =>
      curve(label, stroke(i), named ? DASHES[i % DASHES.length] : [], named ? 1.75 : 1.25),
    ),
    hooks: {
      drawAxes: [(u) => drawBands(u, lines.overlay(), stroke)],
      draw: [(u) => drawDots(u, lines.overlay(), stroke), (u) => drawMarks(u, lines.marks(), colours)],
    },
    onCursor: lines.onCursor,
  });
}
