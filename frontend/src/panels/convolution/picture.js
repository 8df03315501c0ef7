/** A window on a picture: input and output at one scale, and the numbers patch × kernel = products. */

import { paint } from '../../charts/colour.js';
import { FAMILY, FONT, Raster, short } from '../../charts/draw.js';
import { number } from '../../lib/format.js';
import { pictureLayout } from './layout.js';
import { GREY, about0, ring, sizeFor, swatch } from './marks.js';
import { coveredAt } from './window.js';

/** @typedef {import('./window.js').Sliding} Sliding */
/** @typedef {import('./marks.js').Look} Look */
/** @typedef {import('./marks.js').Scale} Scale */
/** @typedef {import('../../charts/cells.js').Box} Box */
/** @typedef {import('../../charts/cells.js').Cell} Cell */

/** The pictures of one panel. */
export class Pictures {
  #input = new Raster();
  #output = new Raster();

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Sliding} sliding
   * @param {Cell} at
   * @param {Look} look
   * @param {{width: number, height: number}} size
   */
  draw(context, sliding, at, look, { width, height }) {
    const { input, window, output, x, y, op, stride, dilation } = sliding;
    const layout = pictureLayout(sliding, width, height);
    const { scale, whole } = layout;
    const { colours } = look;
    /** @type {Scale} */
    const before = { lut: op === 'sum' || !look.signed ? GREY : look.signs, range: look.range };
    const after = { lut: look.signed ? look.signs : GREY, range: look.outputRange };
    context.fillStyle = '#000000'; // the padding: zeros
    context.fillRect(whole.x, whole.y, whole.width, whole.height);
    context.imageSmoothingEnabled = scale < 1;
    for (const [raster, values, shape, colour, box] of /** @type {const} */ ([
      [this.#input, x, input, before, layout.input],
      [this.#output, y, [1, ...output], after, layout.output],
    ]))
      context.drawImage(image(raster, values, shape, colour), box.x, box.y, box.width, box.height);
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    const { output: edge } = layout;
    context.strokeRect(edge.x - 0.5, edge.y - 0.5, edge.width + 1, edge.height + 1);
    context.font = FONT;
    context.fillStyle = colours.muted;
    context.textAlign = 'left';
    context.textBaseline = 'bottom';
    context.fillText(sizeOf(input), whole.x, whole.y - 3);
    context.fillText(sizeOf([1, ...output]), edge.x, edge.y - 3);

    const box = {
      x: whole.x + at.column * stride * scale,
      y: whole.y + at.row * stride * scale,
      width: (dilation * (window[1] - 1) + 1) * scale,
      height: (dilation * (window[0] - 1) + 1) * scale,
    };
    const pixel = { x: edge.x + at.column * scale, y: edge.y + at.row * scale, width: scale, height: scale };
    if (sliding.k.length) lead(context, box, pixel, colours, layout);
    ring(context, box, colours);
    ring(context, pixel, colours);
    tables(context, sliding, at, { ...look, before }, layout);
  }
}

/** @param {readonly number[]} shape  channels, rows, columns */
const sizeOf = ([channels, rows, columns]) => `${rows} × ${columns}${channels > 1 ? ` × ${channels}` : ''}`;

/**
 * @param {Raster} raster
 * @param {ArrayLike<number>} values
 * @param {readonly number[]} shape  channels, rows, columns
 * @param {Scale} scale
 */
function image(raster, values, [channels, rows, columns], { lut, range: [low, high] }) {
  const bytes = raster.bytes(columns, rows);
  if (channels === 3) {
    const plane = rows * columns;
    const share = 255 / (high - low || 1);
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < 3; c++) bytes[4 * i + c] = (values[c * plane + i] - low) * share;
      bytes[4 * i + 3] = 255;
    }
  } else paint(values, rows, columns, lut, low, high, { out: bytes });
  return raster.show();
}

/**
 * Lines from the window to its numbers, and from their sum to the pixel.
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {Box} pixel
 * @param {Record<string, string>} colours
 * @param {ReturnType<typeof pictureLayout>} layout
 */
function lead(context, box, pixel, colours, { patch, result }) {
  context.strokeStyle = colours.accent;
  context.globalAlpha = 0.6;
  context.beginPath();
  context.moveTo(box.x, box.y + box.height);
  context.lineTo(patch.x, patch.y);
  context.moveTo(box.x + box.width, box.y + box.height);
  context.lineTo(patch.x + patch.width, patch.y);
  context.moveTo(pixel.x + pixel.width / 2, pixel.y + pixel.height);
  context.lineTo(result.x + 20, result.y - 18);
  context.stroke();
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Sliding} sliding
 * @param {Cell} at
 * @param {Look & {before: Scale}} look
 * @param {ReturnType<typeof pictureLayout>} layout
 */
function tables(context, sliding, at, { colours, signs, before }, { term, table, result }) {
  const { window, output, k, y, op, divisor } = sliding;
  const { patch, products } = coveredAt(sliding, at);
  const [rows, columns] = window;
  const each = rows * columns;
  const largest = op === 'max' ? patch.indexOf(Math.max(...patch)) : -1;
  /** @type {[ArrayLike<number>, Scale][]} */
  const shown = [[patch, before]];
  if (k.length) shown.push([k, about0(k, signs)], [products, about0(products, signs)]);
  shown.forEach(([values, scale], which) => {
    const texts = Array.from(values, short);
    const size = sizeFor(texts, term, Math.min(13, term * 0.42)); // one for all
    for (let i = 0; i < values.length; i++) {
      const corner = table(which, Math.floor(i / each));
      const box = {
        x: corner.x + (i % columns) * term,
        y: corner.y + Math.floor((i % each) / columns) * term,
        width: term,
        height: term,
      };
      swatch(context, box, values[i], scale, { text: texts[i], size });
      context.strokeStyle = i === largest ? colours.accent : colours.line;
      context.lineWidth = i === largest ? 3 : 1;
      context.strokeRect(box.x + 0.5, box.y + 0.5, term - 1, term - 1);
    }
  });
  context.fillStyle = colours.text;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.font = `15px ${FAMILY}`;
  if (k.length)
    ['×', '='].forEach((sign, i) => context.fillText(sign, table(i, 0).x + columns * term + 11, result.y));
  const by = op === 'mean' ? each : divisor;
  const how = op === 'max' ? 'max =' : by === 1 ? 'Σ =' : `Σ ÷ ${number(by)} =`;
  context.textAlign = 'left';
  context.font = FONT;
  context.fillStyle = colours.muted;
  context.fillText(how, result.x, result.y - 9);
  context.font = `600 15px ${FAMILY}`;
  context.fillStyle = colours.text;
  context.fillText(number(y[at.row * output[1] + at.column]), result.x, result.y + 8);
}
