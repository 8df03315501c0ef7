/** Marks over the curves of line charts: vertical lines, named places, crosses and diamonds. */

import uPlot from 'uplot';
import { FAMILY } from './draw.js';

/**
 * A line across the plot at a place of the x axis.
 * @param {uPlot} u
 * @param {number} x  px of the canvas
 */
export function lineAt({ ctx, bbox }, x) {
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} arm
 */
export function cross(context, x, y, arm) {
  context.beginPath();
  context.moveTo(x - arm, y - arm);
  context.lineTo(x + arm, y + arm);
  context.moveTo(x - arm, y + arm);
  context.lineTo(x + arm, y - arm);
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 */
export function diamond(context, x, y, radius) {
  context.beginPath();
  context.moveTo(x, y - radius);
  context.lineTo(x + radius, y);
  context.lineTo(x, y + radius);
  context.lineTo(x - radius, y);
  context.fill();
}

/**
 * A line at each mark, and its name above; names that would touch go one line lower.
 * @param {uPlot} u
 * @param {{name: string, x: number}[]} marks
 * @param {Record<string, string>} colours  of the theme
 */
export function drawMarks(u, marks, colours) {
  const { ctx, bbox } = u;
  const ratio = uPlot.pxRatio;
  ctx.save();
  ctx.font = `${11 * ratio}px ${FAMILY}`;
  ctx.textAlign = 'center';
  /** @type {{from: number, to: number, row: number}[]} */
  const taken = [];
  marks.forEach(({ name, x }, i) => {
    const at = u.valToPos(x, 'x', true);
    if (at < bbox.left - 1 || at > bbox.left + bbox.width + 1) return;
    ctx.strokeStyle = ctx.fillStyle = i === 0 ? colours.accent : colours.muted;
    ctx.lineWidth = (i === 0 ? 2 : 1.5) * ratio;
    ctx.setLineDash(i === 0 ? [] : [4 * ratio, 3 * ratio]);
    lineAt(u, at);
    const wide = ctx.measureText(name).width / 2 + 4 * ratio;
    const end = bbox.left + bbox.width + 16 * ratio; // into the padding at the right
    const middle = Math.max(bbox.left + wide, Math.min(at, end - wide)); // a name at the end stays whole
    let row = 0;
    while (taken.some((other) => other.row === row && middle - wide < other.to && middle + wide > other.from))
      row++;
    taken.push({ from: middle - wide, to: middle + wide, row });
    ctx.lineWidth = 4 * ratio;
    ctx.setLineDash([]);
    ctx.strokeStyle = colours.panel;
    const y = bbox.top - 4 * ratio + row * 13 * ratio;
    ctx.strokeText(name, middle, y);
    ctx.fillText(name, middle, y);
  });
  ctx.restore();
}
