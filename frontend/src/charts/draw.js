/** Drawing shared by canvas panels: text cut to fit, small images scaled up, the colour bar. */

import { number } from '../lib/format.js';

/** The page's font, for canvases. */
export const FAMILY =
  'system-ui, "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR", "Noto Sans CJK KR", sans-serif';
export const FONT = `11px ${FAMILY}`;
const BAR_WIDTH = 52; // px of a colour bar with labels of ordinary length

const KEPT = 5000; // text widths in the cache

/** @type {Map<string, number>} */
const widths = new Map();
/** @type {CanvasRenderingContext2D | null} */
let ruler = null;

/**
 * The width of a text, in pixels.
 * @param {string} text
 * @param {string} font
 */
export function widthIn(text, font) {
  const key = `${font}\n${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    ruler ??= /** @type {CanvasRenderingContext2D} */ (document.createElement('canvas').getContext('2d'));
    ruler.font = font;
    width = ruler.measureText(text).width;
    if (widths.size > KEPT) widths.clear();
    widths.set(key, width);
  }
  return width;
}

/**
 * The width of a text in `FONT`, in pixels.
 * @param {string} text
 */
export const textWidth = (text) => widthIn(text, FONT);

/**
 * A number in little room: two significant digits, or all those before the point.
 * @param {number} value
 */
export const short = (value) => number(value, 2);

/** @param {readonly string[]} texts */
export const widest = (texts) => texts.reduce((most, text) => Math.max(most, textWidth(text)), 0);

/**
 * Width that a colour bar with its labels takes.
 * @param {readonly number[]} range
 */
export const barWidth = (range) => Math.max(BAR_WIDTH, Math.ceil(14 + widest(range.map(short))));

/**
 * The text, cut to fit with an ellipsis.
 * @param {string} text
 * @param {number} width
 */
export function shorten(text, width) {
  if (textWidth(text) <= width) return text;
  let end = text.length - 1;
  while (end > 0 && textWidth(`${text.slice(0, end)}…`) > width) end--;
  return end > 0 ? `${text.slice(0, end)}…` : '';
}

/** A small image of pixels, to be drawn larger. Its buffer is used again while the size stays the same. */
export class Raster {
  canvas = document.createElement('canvas');
  /** @type {ImageData} */
  #image = new ImageData(1, 1);

  /**
   * @param {number} width
   * @param {number} height
   * @returns {Uint8ClampedArray} RGBA, to be filled before `show`
   */
  bytes(width, height) {
    if (this.#image.width !== width || this.#image.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.#image = new ImageData(width, height);
    }
    return this.#image.data;
  }

  /** Copy the pixels onto `canvas`. */
  show() {
    this.canvas.getContext('2d')?.putImageData(this.#image, 0, 0);
    return this.canvas;
  }
}

/** @type {WeakMap<Uint8ClampedArray, HTMLCanvasElement>} */
const strips = new WeakMap();

/** @param {Uint8ClampedArray} lut */
function strip(lut) {
  let canvas = strips.get(lut);
  if (!canvas) {
    const raster = new Raster();
    const bytes = raster.bytes(1, 256);
    for (let i = 0; i < 256; i++) {
      bytes.set(lut.subarray((255 - i) * 3, (256 - i) * 3), i * 4);
      bytes[i * 4 + 3] = 255;
    }
    strips.set(lut, (canvas = raster.show()));
  }
  return canvas;
}

/**
 * A scale's colours from top (`high`) to bottom (`low`), with both ends and, between them, zero labelled.
 * @param {CanvasRenderingContext2D} context
 * @param {Uint8ClampedArray} lut
 * @param {{x: number, y: number, height: number}} at
 * @param {[number, number]} range
 * @param {Record<string, string>} colours  of the theme
 */
export function colourBar(context, lut, { x, y, height }, [low, high], colours) {
  context.imageSmoothingEnabled = true;
  context.drawImage(strip(lut), x, y, 8, height);
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.strokeRect(x + 0.5, y + 0.5, 7, height - 1);
  context.fillStyle = colours.muted;
  context.font = FONT;
  context.textAlign = 'left';
  context.textBaseline = 'top';
  context.fillText(short(high), x + 12, y);
  context.textBaseline = 'bottom';
  context.fillText(short(low), x + 12, y + height);
  const zero = y + (height * high) / (high - low);
  if (low < 0 && high > 0 && height > 44 && zero > y + 20 && zero < y + height - 20) {
    context.textBaseline = 'middle';
    context.fillText('0', x + 12, zero);
  }
}

/**
 * Black or white, whichever reads better on a colour.
 * @param {number} r
 * @param {number} g
 * @param {number} b
 */
export function inkOn(r, g, b) {
  const linear = [r, g, b].map((v) =>
    v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
  );
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return luminance > 0.179 ? '#000000' : '#ffffff'; // where both contrasts are equal, √(1.05 · 0.05) − 0.05
}
