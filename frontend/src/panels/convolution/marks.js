/** What a line and a picture are drawn with: boxes, numbers in them, colours of values. */

import { colourOf } from '../../charts/colour.js';
import { FAMILY, inkOn, widthIn } from '../../charts/draw.js';

/** @typedef {import('../../charts/cells.js').Box} Box */

/**
 * @typedef {object} Look
 * @property {Record<string, string>} colours  of the theme
 * @property {Uint8ClampedArray} signs  colours of values of both signs
 * @property {boolean} signed  whether the output's are; of pooling, the input's too
 * @property {[number, number]} range  of the input's colours
 * @property {[number, number]} outputRange
 * @property {boolean} playing  whether what comes after the window is still to be made
 */

/** @typedef {{lut: Uint8ClampedArray, range: [number, number]}} Scale */

const LEAST = 7; // px of a legible number

export const GREY = Uint8ClampedArray.from({ length: 768 }, (_, i) => Math.floor(i / 3));

/**
 * The scale of values about 0.
 * @param {ArrayLike<number>} values
 * @param {Uint8ClampedArray} lut
 * @returns {Scale}
 */
export function about0(values, lut) {
  const most = Math.max(1e-9, ...Array.from(values, Math.abs));
  return { lut, range: [-most, most] };
}

/**
 * A number in a box that has its colour.
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {number} value
 * @param {Scale} scale
 * @param {{text: string, size: number}} label
 */
export function swatch(context, box, value, { lut, range }, label) {
  context.fillStyle = colourOf(lut, value, ...range);
  context.fillRect(box.x, box.y, box.width, box.height);
  const share = Math.max(0, Math.min(1, (value - range[0]) / (range[1] - range[0] || 1)));
  const i = 3 * Math.round(255 * share);
  write(context, box, label.text, { size: label.size, colour: inkOn(lut[i], lut[i + 1], lut[i + 2]) });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {Record<string, string>} colours
 * @param {{dashed?: boolean, strong?: boolean, fill?: boolean}} style
 */
export function tile(context, { x, y, width, height }, colours, { dashed, strong, fill }) {
  context.beginPath();
  context.roundRect(x, y, width, height, 4);
  if (fill) {
    const alpha = context.globalAlpha;
    context.globalAlpha = alpha * 0.2;
    context.fillStyle = colours.accent;
    context.fill();
    context.globalAlpha = alpha;
  }
  context.strokeStyle = strong ? colours.accent : colours.muted;
  context.lineWidth = strong ? 2 : 1;
  context.setLineDash(dashed ? [3, 3] : []);
  context.stroke();
  context.setLineDash([]);
}

/** @param {number} size @param {boolean} [bold] */
const fontOf = (size, bold) => `${bold ? '600 ' : ''}${size}px ${FAMILY}`;

/**
 * The size at which all of some texts fit a width, at most `size`.
 * @param {readonly string[]} texts
 * @param {number} width
 * @param {number} size
 * @param {boolean} [bold]
 */
export const sizeFor = (texts, width, size, bold) =>
  Math.min(size, ...texts.map((text) => (size * (width - 2)) / widthIn(text, fontOf(size, bold))));

/**
 * A text in the middle of a box, smaller if it must be; none where it would not be legible.
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {string} text
 * @param {{size: number, colour: string, bold?: boolean}} style
 */
export function write(context, { x, y, width, height }, text, { size, colour, bold }) {
  const fitting = sizeFor([text], width, size, bold);
  if (fitting < LEAST) return;
  context.font = fontOf(fitting, bold);
  context.fillStyle = colour;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(text, x + width / 2, y + height / 2 + 0.5);
}

/**
 * A frame that is seen on any ground, and around a single pixel.
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {Record<string, string>} colours
 */
export function ring(context, { x, y, width, height }, colours) {
  const pad = Math.max(0, (6 - width) / 2);
  for (const [colour, line] of /** @type {[string, number][]} */ ([
    ['#ffffff', 4],
    [colours.accent, 2],
  ])) {
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.strokeRect(x - pad, y - pad, width + 2 * pad, height + 2 * pad);
  }
}
