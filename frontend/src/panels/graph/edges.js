/** Drawing thousands of weights as curves: blue for positive, red for negative, wider for larger. */

import { DIVERGING, colourOf } from '../../charts/colour.js';
import { classes } from './network.js';

/** @typedef {import('./network.js').Network} Network */

const STEPS = 8; // widths per sign
const WIDEST = 5; // px
const STRAIGHT = 600; // edges from which on they are straight lines, which are cheaper to draw than curves

/**
 * @typedef {object} EdgeStyle
 * @property {number} most  the largest |weight|
 * @property {'light' | 'dark'} theme
 * @property {number} [opacity]  above 1 where thin edges too must be seen well
 * @property {number} [widen]  px added to each curve's width
 */

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Network} network
 * @param {ArrayLike<number>} weights  of the whole network
 * @param {ArrayLike<number>} edges  indices of those to draw
 * @param {EdgeStyle} style
 */
export function drawEdges(context, network, weights, edges, { most, theme, opacity = 1, widen = 0 }) {
  const { starts, order } = classes(weights, edges, most, STEPS);
  const { curves } = network;
  const straight = edges.length > STRAIGHT;
  const crowd = Math.min(1, 20 / Math.sqrt(edges.length)); // many edges are drawn finer and fainter
  for (let k = 0; k < 2 * STEPS; k++) {
    if (starts[k] === starts[k + 1]) continue;
    context.beginPath();
    for (let i = starts[k]; i < starts[k + 1]; i++) addCurve(context, curves, order[i], straight);
    const size = ((k % STEPS) + 0.5) / STEPS;
    context.strokeStyle = colourOf(DIVERGING[theme], k < STEPS ? 0 : 1, 0, 1);
    context.globalAlpha = Math.min(1, opacity * (0.2 + 0.7 * size) * Math.sqrt(crowd));
    context.lineWidth = Math.max(0.5, WIDEST * crowd * size) + widen;
    context.stroke();
  }
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Float32Array} curves
 * @param {number} edge
 * @param {boolean} straight
 */
function addCurve(context, curves, edge, straight) {
  const x0 = curves[4 * edge];
  const y0 = curves[4 * edge + 1];
  const x1 = curves[4 * edge + 2];
  const y1 = curves[4 * edge + 3];
  context.moveTo(x0, y0);
  if (straight) context.lineTo(x1, y1);
  else context.bezierCurveTo((x0 + x1) / 2, y0, (x0 + x1) / 2, y1, x1, y1);
}
