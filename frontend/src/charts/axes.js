/** Drawing shared by the pictures of a plane: the ends of the axes, and a cross-hair at the probed point. */

import { FONT, shorten, textWidth } from './draw.js';
import { number } from '../lib/format.js';

/** @typedef {import('./plane.js').Plane} Plane */

const END = 40; // px, taken by the number at an end of an axis

/** Room for the labels of the axes' ends. */
export const MARGIN = { left: 36, right: 0, top: 4, bottom: 16 };

/**
 * The plane's frame, with both ends of both axes labelled, and their names between them.
 * @param {CanvasRenderingContext2D} context
 * @param {Plane} plane
 * @param {Record<string, string>} colours  of the theme
 * @param {[string, string]} [names]
 */
export function drawAxes(context, plane, colours, [xName, yName] = ['x', 'y']) {
  const { left, top, width, height } = plane;
  const right = left + width;
  const bottom = top + height;
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.strokeRect(left - 0.5, top - 0.5, width + 1, height + 1);
  context.fillStyle = colours.muted;
  context.font = FONT;
  context.textBaseline = 'top';
  context.textAlign = 'left';
  context.fillText(number(plane.x[0]), left, bottom + 4);
  context.textAlign = 'right';
  context.fillText(number(plane.x[1]), right, bottom + 4);
  context.fillText(number(plane.y[1]), left - 5, top);
  context.textBaseline = 'bottom';
  context.fillText(number(plane.y[0]), left - 5, bottom);
  if (width > 80) {
    context.textAlign = 'center';
    context.textBaseline = 'top';
    context.fillText(shorten(xName, width - 2 * END), left + width / 2, bottom + 4);
  }
  if (height > 60) {
    context.textBaseline = 'middle';
    if (textWidth(yName) <= left - 5) {
      context.textAlign = 'right';
      context.fillText(yName, left - 5, top + height / 2);
    } else {
      context.save();
      context.translate(left - 12, top + height / 2);
      context.rotate(-Math.PI / 2);
      context.textAlign = 'center';
      context.fillText(shorten(yName, height - END), 0, 0);
      context.restore();
    }
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Plane} plane
 * @param {number} x  of the plane
 * @param {number} y
 * @param {Record<string, string>} colours  of the theme
 */
export function drawCrosshair(context, plane, x, y, colours) {
  const px = Math.round(plane.toX(x)) + 0.5;
  const py = Math.round(plane.toY(y)) + 0.5;
  const gap = 6;
  context.beginPath();
  for (const [from, to] of [[plane.left, px - gap], [px + gap, plane.left + plane.width]]) {
    if (from < to) {
      context.moveTo(from, py);
      context.lineTo(to, py);
    }
  } // prettier-ignore
  for (const [from, to] of [[plane.top, py - gap], [py + gap, plane.top + plane.height]]) {
    if (from < to) {
      context.moveTo(px, from);
      context.lineTo(px, to);
    }
  } // prettier-ignore
  context.strokeStyle = colours.panel;
  context.lineWidth = 2.5;
  context.globalAlpha = 0.6;
  context.stroke();
  context.strokeStyle = colours.text;
  context.lineWidth = 1;
  context.globalAlpha = 0.8;
  context.stroke();
  context.globalAlpha = 1;
}
