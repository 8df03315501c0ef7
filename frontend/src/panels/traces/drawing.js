/** Drawing a window of curves and of the text that they belong to. */

import { DIVERGING, colourOf } from '../../charts/colour.js';
import { widthIn } from '../../charts/draw.js';
import { glyph, stretches } from './traces.js';

export const TEXT_FONT =
  '13px ui-monospace, "SF Mono", Menlo, Consolas, "Noto Sans Mono CJK KR", "Malgun Gothic", monospace';
export const WIDEST = 64; // px that a token takes at most

/** @typedef {(index: number) => number} ToX  the middle of a sample, in pixels */
/** @typedef {{top: number, height: number, range: [number, number]}} Lane */

/**
 * The glyph of each token, and the width of the widest.
 * @param {string[]} tokens
 */
export function typeset(tokens) {
  /** @type {Map<string, string>} */
  const shapes = new Map();
  let most = 0;
  for (const token of new Set(tokens)) {
    let text = glyph(token);
    while (text.length > 2 && widthIn(text, TEXT_FONT) > WIDEST) text = `${text.slice(0, -2)}…`;
    most = Math.max(most, widthIn(text, TEXT_FONT));
    shapes.set(token, text);
  }
  return { glyphs: tokens.map((token) => shapes.get(token) ?? ''), width: Math.min(WIDEST, most) };
}

/**
 * The y of a value in its lane.
 * @param {Lane} lane
 * @param {number} value
 */
export function yOf({ top, height, range: [low, high] }, value) {
  return top + height * (1 - Math.max(0, Math.min(1, (value - low) / (high - low || 1))));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Lane} lane
 * @param {ArrayLike<number>} values  of the whole curve
 * @param {[number, number]} window  its samples [first, last)
 * @param {ToX} toX
 * @param {'light' | 'dark'} theme
 */
export function drawCurve(context, lane, values, [first, last], toX, theme) {
  const [low, high] = lane.range;
  const zero = yOf(lane, 0);
  const fills = low <= 0 && high >= 0; // an area from another baseline would mislead
  const line = new Path2D();
  const area = new Path2D();
  for (const [start, end] of stretches(values, first, last)) {
    for (let i = start; i < end; i++) {
      const y = yOf(lane, values[i]);
      if (i === start) {
        line.moveTo(toX(i) - (end - start === 1 ? 2 : 0), y);
        area.moveTo(toX(i), zero);
      }
      line.lineTo(toX(i) + (end - start === 1 ? 2 : 0), y);
      area.lineTo(toX(i), y);
    }
    area.lineTo(toX(end - 1), zero);
  }
  context.lineWidth = 1.5;
  context.lineJoin = 'round';
  for (const sign of [1, -1]) {
    context.save();
    context.beginPath();
    if (sign > 0) context.rect(0, lane.top - 2, context.canvas.width, Math.max(0, zero - lane.top + 2));
    else context.rect(0, zero, context.canvas.width, lane.top + lane.height + 2 - zero);
    context.clip();
    context.strokeStyle = context.fillStyle = colourOf(DIVERGING[theme], sign, -1, 1);
    if (fills) {
      context.globalAlpha = theme === 'dark' ? 0.3 : 0.22;
      context.fill(area);
      context.globalAlpha = 1;
    }
    context.stroke(line);
    context.restore();
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string[]} glyphs
 * @param {[number, number]} window
 * @param {{toX: ToX, y: number, picked: number | null, pitch: number, colours: Record<string, string>}} style
 */
export function drawText(context, glyphs, [first, last], { toX, y, picked, pitch, colours }) {
  context.font = TEXT_FONT;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  for (let i = first; i < last; i++) {
    const faint = glyphs[i] === '·' || glyphs[i] === '↵';
    if (i === picked) {
      context.fillStyle = colours.accent;
      const wide = Math.min(pitch + 2, widthIn(glyphs[i], TEXT_FONT) + 8);
      context.beginPath();
      context.roundRect(toX(i) - wide / 2, y - 9, wide, 18, 3);
      context.fill();
    }
    context.fillStyle = i === picked ? colours.panel : faint ? colours.muted : colours.text;
    context.globalAlpha = faint && i !== picked ? 0.55 : 1;
    context.fillText(glyphs[i], toX(i), y);
  }
  context.globalAlpha = 1;
}

/**
 * A dot where the picked sample lies on a curve.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {Record<string, string>} colours
 */
export function drawDot(context, x, y, colours) {
  context.beginPath();
  context.arc(x, y, 3.5, 0, 2 * Math.PI);
  context.fillStyle = colours.accent;
  context.fill();
  context.lineWidth = 1.5;
  context.strokeStyle = colours.panel;
  context.stroke();
}
