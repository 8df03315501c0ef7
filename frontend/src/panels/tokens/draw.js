/** Drawing tokens on their colours, and the key of the colours. */

import { FAMILY, FONT, inkOn, short, shorten, textWidth } from '../../charts/draw.js';
import { endsRow, visible } from '../../lib/text.js';

/** @typedef {import('../../lib/text.js').Layout} Layout */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */

export const MONO = '13px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
export const SANS = `14px ${FAMILY}`;
export const BIG = `22px ${FAMILY}`;
const ROUND = 3; // px, corners of words
export const FOOT = 4; // px below each row, for underlines

/** @typedef {{fill: string, ink: string}} Colour  and black or white that reads on it */
/** @typedef {(value: number) => Colour} Scale */

/**
 * Blue above zero, red below, zero the panel's own background. A range that is all positive begins there.
 * @param {[number, number]} range
 * @param {Uint8ClampedArray} lut  diverging
 * @returns {Scale}
 */
export function scaleOf([low, high], lut) {
  /** @type {Colour[]} */
  const known = Array.from({ length: 256 }, (_, i) => {
    const [r, g, b] = lut.subarray(i * 3, i * 3 + 3);
    return { fill: `rgb(${r}, ${g}, ${b})`, ink: inkOn(r, g, b) };
  });
  const most = Math.max(-low, high);
  const [from, to] = low < 0 ? [-most, most] : [2 * low - high, high];
  return (value) => known[Math.max(0, Math.min(255, Math.round(((value - from) / (to - from || 1)) * 255)))];
}

/**
 * A line above and a veil over the tokens `from` … `to` (without).
 * @param {CanvasRenderingContext2D} context
 * @param {(i: number) => Box} box
 * @param {[number, number]} stretch
 * @param {string} colour
 */
export function drawStretch(context, box, [from, to], colour) {
  context.fillStyle = colour;
  for (let i = from; i < to; i++) {
    const { x, y, width, height } = box(i);
    context.globalAlpha = 0.22;
    context.fillRect(x, y, width, height);
    context.globalAlpha = 1;
    context.fillRect(x, y, width, 2);
  }
}

/**
 * Tokens `from` … `to` (without), each in its box.
 * @param {CanvasRenderingContext2D} context
 * @param {readonly string[]} tokens
 * @param {{from: number, to: number}} part
 * @param {{
 *   values: ArrayLike<number>, marks: ArrayLike<number>, scale: Scale, box: (i: number) => Box, grid: boolean,
 *   big: boolean, colours: Record<string, string>,
 * }} style  `grid`: characters side by side, not words apart; `big`: with each value under its token
 */
export function drawTokens(context, tokens, { from, to }, style) {
  const { values, marks, scale, box, grid, big, colours } = style;
  const font = big ? BIG : grid ? MONO : SANS;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  for (let i = from; i < to; i++) {
    const { x, y, width, height } = box(i);
    context.font = font;
    const colour = Number.isNaN(values[i]) ? null : scale(values[i]);
    if (colour) {
      context.fillStyle = colour.fill;
      if (grid) context.fillRect(x, y, width, height);
      else fillRound(context, x, y, width, height);
    }
    if (!grid) {
      context.strokeStyle = colours.line;
      context.lineWidth = 1;
      context.beginPath();
      context.roundRect(x + 0.5, y + 0.5, width - 1, height - 1, ROUND);
      context.stroke();
    }
    if (marks[i]) {
      context.fillStyle = colours.text;
      context.fillRect(x, y + height + 1, width, 2);
    }
    if (grid && tokens[i] === ' ') continue;
    context.fillStyle = colour?.ink ?? colours.text;
    const sign = endsRow(tokens[i]) || tokens[i] === '\t';
    context.globalAlpha = sign && grid ? 0.4 : 1;
    context.fillText(visible(tokens[i]), x + width / 2, y + (big ? height * 0.36 : height / 2 + 1), width);
    if (big && colour) {
      context.font = FONT;
      context.fillText(values[i].toFixed(2), x + width / 2, y + height * 0.76, width);
    }
    context.globalAlpha = 1;
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 */
function fillRound(context, x, y, width, height) {
  context.beginPath();
  context.roundRect(x, y, width, height, ROUND);
  context.fill();
}

/**
 * A frame that is visible on any colour.
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {{inner: string, outer: string, width: number}} style
 */
export function frame(context, { x, y, width, height }, { inner, outer, width: line }) {
  for (const [colour, wide] of /** @type {[string, number][]} */ ([
    [outer, line + 2],
    [inner, line],
  ])) {
    context.strokeStyle = colour;
    context.lineWidth = wide;
    context.strokeRect(x, y, width, height);
  }
}

/**
 * The key, in one line: the value's name, its scale, and the meaning of an underline.
 * @param {CanvasRenderingContext2D} context
 * @param {{width: number, height: number}} room
 * @param {{
 *   name: string, mark: string, range: [number, number], scale: Scale, colours: Record<string, string>,
 * }} key
 */
export function drawKey(context, room, { name, mark, range, scale, colours }) {
  context.font = FONT;
  const strip = Math.max(40, Math.min(120, room.width * 0.2));
  const [low, high] = range.map(short);
  const taken = strip + textWidth(low) + textWidth(high) + 10;
  const underline = mark ? Math.min(textWidth(mark), room.width * 0.35) + 12 : 0;
  const title = shorten(name, Math.max(0, room.width - taken - underline - 12));
  const middle = room.height / 2;
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  context.fillStyle = colours.text;
  context.fillText(title, 0, middle);
  let x = title ? textWidth(title) + 10 : 0;
  context.fillStyle = colours.muted;
  context.fillText(low, x, middle);
  x += textWidth(low) + 5;
  for (let i = 0; i < strip; i++) {
    context.fillStyle = scale(range[0] + (i / strip) * (range[1] - range[0])).fill;
    context.fillRect(x + i, middle - 4, 1.5, 8);
  }
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.strokeRect(Math.round(x) - 0.5, middle - 4.5, strip + 1, 9);
  x += strip + 5;
  context.fillStyle = colours.muted;
  context.fillText(high, x, middle);
  if (!mark) return;
  const words = shorten(mark, underline - 12);
  x = Math.min(x + textWidth(high) + 16, room.width - textWidth(words));
  context.fillStyle = colours.text;
  context.fillText(words, x, middle - 1);
  context.fillRect(x, middle + 5, textWidth(words), 2);
}
