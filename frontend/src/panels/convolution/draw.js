/** Draws the sliding window: a line of numbers, or a picture. */

import { colourOf, paint } from '../../charts/colour.js';
import { FAMILY, FONT, Raster, inkOn, short, widthIn } from '../../charts/draw.js';
import { number } from '../../lib/format.js';
import { lineLayout, middleOf, pictureLayout } from './layout.js';
import { coveredAt } from './window.js';

/** @typedef {import('./window.js').Sliding} Sliding */
/** @typedef {import('../../charts/cells.js').Cell} Cell */
/** @typedef {import('../../charts/cells.js').Box} Box */

/**
 * @typedef {object} Look
 * @property {Record<string, string>} colours  of the theme
 * @property {Uint8ClampedArray} signs  colours of what has both signs
 * @property {boolean} signed  whether the output has; of pooling, the input too
 * @property {[number, number]} range  of the input's colours
 * @property {[number, number]} outputRange
 * @property {boolean} playing  what comes after the window is still to be made
 */

const GREY = Uint8ClampedArray.from({ length: 768 }, (_, i) => Math.floor(i / 3));

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Sliding} sliding
 * @param {Cell} at
 * @param {Look} look
 * @param {{width: number, height: number}} size
 */
export function drawLine(context, sliding, at, look, { width, height }) {
  const { input, window, output, x, k, y, op, stride, padding, dilation } = sliding;
  const { colours } = look;
  const layout = lineLayout(sliding, width, height);
  const { pitch, left } = layout;
  const { patch } = coveredAt(sliding, at);
  const first = at.column * stride;
  const covered = Array.from({ length: window[1] }, (_, j) => first + j * dilation);
  const best = op === 'max' ? patch.indexOf(Math.max(...patch)) : -1;

  /** @param {number} column @param {number} top @param {number} [size] */
  const cell = (column, top, size = 1) => ({
    x: left + column * pitch + ((1 - size) * pitch) / 2 + 1.5,
    y: top + ((1 - size) * pitch) / 2 + 1.5,
    width: pitch * size - 3,
    height: pitch * size - 3,
  });
  const font = `${Math.max(9, Math.min(17, pitch * 0.34))}px ${FAMILY}`;
  names(context, sliding, layout, colours);

  // From the window down to the number that it makes
  const target = cell(middleOf(sliding, at.column), layout.output);
  const span = { from: cell(covered[0], 0).x, to: cell(covered[covered.length - 1], 0).x + pitch - 3 };
  context.fillStyle = context.strokeStyle = colours.accent;
  context.globalAlpha = 0.1;
  context.beginPath();
  context.moveTo(span.from, layout.input + pitch - 1);
  context.lineTo(span.to, layout.input + pitch - 1);
  context.lineTo(target.x + target.width, target.y);
  context.lineTo(target.x, target.y);
  context.fill();
  context.globalAlpha = 1;

  for (let column = 0; column < input[2] + 2 * padding[1]; column++) {
    const inside = column >= padding[1] && column < padding[1] + input[2];
    const j = covered.indexOf(column);
    const box = cell(column, layout.input);
    tile(context, box, colours, { dashed: !inside, strong: j >= 0, fill: j >= 0 && j === best });
    write(
      context,
      box,
      number(inside ? x[column - padding[1]] : 0),
      font,
      inside ? colours.text : colours.muted,
    );
  }
  if (k.length)
    covered.forEach((column, j) => {
      const box = cell(column, layout.kernel, 0.8);
      context.fillStyle = colourOf(look.signs, k[j], ...ends(k));
      context.fillRect(box.x, box.y, box.width, box.height);
      write(context, box, `×${number(k[j])}`, font, inkFor(look.signs, k[j], ends(k)));
    });
  for (let column = 0; column < output[1]; column++) {
    const box = cell(middleOf(sliding, column), layout.output);
    const now = column === at.column;
    context.globalAlpha = look.playing && column > at.column ? 0.25 : 1;
    tile(context, box, colours, { strong: now, fill: now });
    write(context, box, number(y[column]), now ? `600 ${font}` : font, colours.text);
    context.globalAlpha = 1;
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Sliding} sliding
 * @param {ReturnType<typeof lineLayout>} layout
 * @param {Record<string, string>} colours
 */
function names(context, { k }, { pitch, ...layout }, colours) {
  context.font = `italic 14px KaTeX_Math, "Latin Modern Math", "STIX Two Math", Cambria, serif`;
  context.fillStyle = colours.muted;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  const x = Math.max(0, layout.left - 24);
  context.fillText('x', x, layout.input + pitch / 2);
  if (k.length) context.fillText('k', x, layout.kernel + pitch / 2);
  context.fillText('y', x, layout.output + pitch / 2);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {Record<string, string>} colours
 * @param {{dashed?: boolean, strong?: boolean, fill?: boolean}} style
 */
function tile(context, { x, y, width, height }, colours, { dashed, strong, fill }) {
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

/**
 * A text in the middle of a box, unless it is too small for it.
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {string} text
 * @param {string} font
 * @param {string} colour
 */
function write(context, { x, y, width, height }, text, font, colour) {
  const wide = widthIn(text, font);
  const shrink = Math.min(1, (width - 2) / wide);
  const size = parseFloat(/([\d.]+)px/.exec(font)?.[1] ?? '11');
  if (size * shrink < 7) return;
  context.font = font.replace(/[\d.]+px/, `${size * shrink}px`);
  context.fillStyle = colour;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillText(text, x + width / 2, y + height / 2 + 0.5);
}

/** @param {ArrayLike<number>} values @returns {[number, number]} about 0 */
function ends(values) {
  const most = Math.max(1e-9, ...Array.from(values, Math.abs));
  return [-most, most];
}

/**
 * @param {Uint8ClampedArray} lut
 * @param {number} value
 * @param {[number, number]} range
 */
function inkFor(lut, value, [low, high]) {
  const i = 3 * Math.max(0, Math.min(255, Math.round(((value - low) / (high - low || 1)) * 255)));
  return inkOn(lut[i], lut[i + 1], lut[i + 2]);
}

/** The rasters of one panel: its input and its output. */
export class Pictures {
  #input = new Raster();
  #output = new Raster();

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Sliding} sliding
   * @param {Cell} at
   * @param {Look} look
   * @param {{width: number, height: number, input: string, output: string}} size  and the names above the pictures
   */
  draw(context, sliding, at, look, { width, height, input: inputName, output: outputName }) {
    const { input, window, output, x, y, op, stride, dilation } = sliding;
    const layout = pictureLayout(sliding, width, height);
    const { scale, whole } = layout;
    const { colours } = look;
    const inputs = op === 'sum' || !look.signed ? GREY : look.signs;
    context.fillStyle = '#000000'; // the padding: zeros
    context.fillRect(whole.x, whole.y, whole.width, whole.height);
    context.imageSmoothingEnabled = scale < 1;
    place(context, this.#paint(this.#input, x, input, inputs, look.range), layout.input);
    const outputs = look.signed ? look.signs : GREY;
    place(context, this.#paint(this.#output, y, [1, ...output], outputs, look.outputRange), layout.output);
    context.font = FONT;
    context.fillStyle = colours.muted;
    context.textAlign = 'left';
    context.textBaseline = 'bottom';
    context.fillText(inputName, whole.x, whole.y - 3);
    context.fillText(outputName, layout.output.x, layout.output.y - 3);

    const box = {
      x: whole.x + at.column * stride * scale,
      y: whole.y + at.row * stride * scale,
      width: (dilation * (window[1] - 1) + 1) * scale,
      height: (dilation * (window[0] - 1) + 1) * scale,
    };
    const pixel = {
      x: layout.output.x + at.column * scale,
      y: layout.output.y + at.row * scale,
      width: scale,
      height: scale,
    };
    const corner = layout.table(0, 0);
    const far = { x: corner.x + window[1] * layout.term, y: corner.y };
    context.strokeStyle = colours.accent;
    context.globalAlpha = 0.7;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(box.x, box.y + box.height);
    context.lineTo(corner.x, corner.y);
    context.moveTo(box.x + box.width, box.y + box.height);
    context.lineTo(far.x, far.y);
    context.moveTo(pixel.x + scale / 2, pixel.y + scale);
    context.lineTo(layout.result.x + 20, layout.result.y - 14);
    context.stroke();
    context.globalAlpha = 1;
    ring(context, box, colours);
    ring(context, pixel, colours);
    tables(context, sliding, at, look, layout);
  }

  /**
   * @param {Raster} raster
   * @param {ArrayLike<number>} values
   * @param {number[]} shape
   * @param {Uint8ClampedArray} lut
   * @param {[number, number]} range
   */
  #paint(raster, values, [channels, rows, columns], lut, [low, high]) {
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
}

/** @param {CanvasRenderingContext2D} context @param {HTMLCanvasElement} image @param {Box} box */
const place = (context, image, { x, y, width, height }) => context.drawImage(image, x, y, width, height);

/** A box that shows on any ground. @param {CanvasRenderingContext2D} context @param {Box} box @param {Record<string, string>} colours */
function ring(context, { x, y, width, height }, colours) {
  const pad = Math.max(0, (6 - width) / 2); // px: smaller ones are not seen
  for (const [colour, line] of /** @type {[string, number][]} */ ([
    ['#ffffff', 4],
    [colours.accent, 2],
  ])) {
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.strokeRect(x - pad, y - pad, width + 2 * pad, height + 2 * pad);
  }
}

/**
 * patch × kernel = products, and the sum; of pooling the patch alone.
 * @param {CanvasRenderingContext2D} context
 * @param {Sliding} sliding
 * @param {Cell} at
 * @param {Look} look
 * @param {ReturnType<typeof pictureLayout>} layout
 */
function tables(context, sliding, at, look, { term, table, result }) {
  const { input, window, output, k, y, op, divisor } = sliding;
  const { patch, products } = coveredAt(sliding, at);
  const { colours } = look;
  const [rows, columns] = window;
  const each = rows * columns;
  const best = op === 'max' ? patch.indexOf(Math.max(...patch)) : -1;
  const font = `${Math.min(13, term * 0.4)}px ${FAMILY}`;
  const grounds = op === 'sum' || !look.signed ? GREY : look.signs;
  /** @type {{values: ArrayLike<number>, lut: Uint8ClampedArray, range: [number, number]}[]} */
  const shown = [{ values: patch, lut: grounds, range: look.range }];
  if (k.length)
    shown.push(
      { values: k, lut: look.signs, range: ends(k) },
      { values: products, lut: look.signs, range: ends(products) },
    );
  shown.forEach(({ values, lut, range }, which) => {
    for (let i = 0; i < values.length; i++) {
      const corner = table(which, Math.floor(i / each));
      const box = {
        x: corner.x + (i % columns) * term,
        y: corner.y + Math.floor((i % each) / columns) * term,
        width: term,
        height: term,
      };
      context.fillStyle = colourOf(lut, values[i], ...range);
      context.fillRect(box.x, box.y, term, term);
      context.strokeStyle = which === 0 && i === best ? colours.accent : colours.line;
      context.lineWidth = which === 0 && i === best ? 3 : 1;
      context.strokeRect(box.x + 0.5, box.y + 0.5, term - 1, term - 1);
      write(context, box, short(values[i]), font, inkFor(lut, values[i], range));
    }
  });
  const middle = result.y;
  context.fillStyle = colours.text;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.font = `15px ${FAMILY}`;
  if (k.length)
    ['×', '='].forEach((sign, i) => context.fillText(sign, table(i, 0).x + columns * term + 11, middle));
  const value = number(y[at.row * output[1] + at.column]);
  const by = op === 'mean' ? each : divisor;
  const what = { sum: by === 1 ? 'Σ =' : `Σ ÷ ${number(by)} =`, max: 'max =', mean: `Σ ÷ ${each} =` }[op];
  context.textAlign = 'left';
  context.font = FONT;
  context.fillStyle = colours.muted;
  context.fillText(what, result.x, middle - 9);
  context.font = `600 15px ${FAMILY}`;
  context.fillStyle = colours.text;
  context.fillText(value, result.x, middle + 8);
  void input;
}
