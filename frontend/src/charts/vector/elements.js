/** What a canvas paints, as elements of SVG with the styles its context has at that moment. */

import { matrixOf, short } from './outline.js';

/** @typedef {import('./outline.js').Matrix} Matrix */
/** @typedef {Record<string, string | number | undefined>} Attributes */
/** @typedef {{url: string, width: number, height: number, matrix: DOMMatrix}} Tile */
/** @typedef {(style: CanvasPattern | CanvasGradient) => string} Pattern */

/** @type {Record<string, string>} */
const ESCAPED = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
/** @type {Record<CanvasTextAlign, string>} */
const ANCHORS = { left: 'start', start: 'start', center: 'middle', right: 'end', end: 'end' };

/** Without the signs that XML may not hold. @param {string} text */
export const escaped = (text) =>
  text.replace(/(?![\t\n\r])\p{Cc}|[\ufffe\uffff]/gu, '').replace(/[&<>"]/g, (sign) => ESCAPED[sign]);

/**
 * @param {string} name
 * @param {Attributes} given
 * @param {string} [inner]  markup
 */
export function element(name, given, inner = '') {
  const written = Object.entries(given).map(([key, value]) =>
    value === undefined ? '' : ` ${key}="${escaped(typeof value === 'number' ? short(value) : value)}"`,
  );
  return `<${name}${written.join('')}${inner ? `>${inner}</${name}>` : '/>'}`;
}

/** The attribute that moves something, if anything does. @param {Matrix | null} matrix @returns {Attributes} */
export function attributes(matrix, name = 'transform') {
  if (!matrix || matrix.every((value, i) => value === (i === 0 || i === 3 ? 1 : 0))) return {};
  const numbers = matrix.map((value) => String(Number(value.toPrecision(6))));
  return { [name]: `matrix(${numbers.join(' ')})` };
}

/**
 * The styles of what is filled or stroked.
 * @param {CanvasRenderingContext2D} context
 * @param {'fill' | 'stroke'} how
 * @param {Matrix | null} matrix  that moves it; null: it lies in the canvas's pixels already
 * @param {Pattern} pattern
 * @returns {Attributes}
 */
export function paintOf(context, how, matrix, pattern) {
  const style = how === 'fill' ? context.fillStyle : context.strokeStyle;
  const [colour, alpha] = typeof style === 'string' ? apart(style) : [pattern(style), 1];
  const opacity = alpha * context.globalAlpha;
  const faint = opacity < 1 ? { [`${how}-opacity`]: String(Number(opacity.toFixed(4))) } : {};
  const moved = attributes(matrix);
  if (how === 'fill') return { fill: colour, ...faint, ...moved };
  const scale = matrix ? 1 : Math.sqrt(Math.abs(determinant(context)));
  const dashes = context.getLineDash();
  return {
    fill: 'none',
    stroke: colour,
    'stroke-width': context.lineWidth * scale,
    'stroke-linejoin': context.lineJoin,
    'stroke-linecap': context.lineCap,
    'stroke-miterlimit': context.miterLimit,
    ...(dashes.length
      ? {
          'stroke-dasharray': dashes.map((length) => short(length * scale)).join(' '),
          'stroke-dashoffset': context.lineDashOffset * scale,
        }
      : {}),
    ...faint,
    ...moved,
  };
}

/** @param {CanvasRenderingContext2D} context */
function determinant(context) {
  const [a, b, c, d] = matrixOf(context.getTransform());
  return a * d - b * c;
}

/** A colour without its opacity, and that: not every reader of SVG knows rgba(). @param {string} colour @returns {[string, number]} */
function apart(colour) {
  const found = colour.match(/^rgba\((\d+), (\d+), (\d+), ([\d.e-]+)\)$/);
  return found ? [`rgb(${found[1]},${found[2]},${found[3]})`, Number(found[4])] : [colour, 1];
}

/**
 * A line of text, its baseline where the canvas has it.
 * @param {CanvasRenderingContext2D} context
 * @param {'fill' | 'stroke'} how
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {Pattern} pattern
 */
export function textOf(context, how, text, x, y, pattern) {
  if (!text) return '';
  const probe = document.createElement('span').style;
  probe.font = context.font;
  const plain = { 'font-style': 'normal', 'font-weight': '400' };
  const font = {
    'font-family': probe.fontFamily,
    'font-size': probe.fontSize.replace('px', ''),
    ...(probe.fontStyle === plain['font-style'] ? {} : { 'font-style': probe.fontStyle }),
    ...(/^(normal|400)$/.test(probe.fontWeight) ? {} : { 'font-weight': probe.fontWeight }),
  };
  const matrix = matrixOf(context.getTransform());
  return element(
    'text',
    {
      x,
      y: y + belowBaseline(context, text),
      'text-anchor': ANCHORS[context.textAlign],
      ...font,
      'xml:space': 'preserve',
      ...paintOf(context, how, matrix, pattern),
    },
    escaped(text),
  );
}

/**
 * How far below the line it hangs from a text's alphabetic baseline is: not every reader of SVG knows another one.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 */
function belowBaseline(context, text) {
  const hung = context.textBaseline;
  const above = context.measureText(text).actualBoundingBoxAscent;
  context.textBaseline = 'alphabetic';
  const aboveBaseline = context.measureText(text).actualBoundingBoxAscent;
  context.textBaseline = hung;
  return aboveBaseline - above;
}

/**
 * An image, or a part of one, as it looks now: a canvas may be painted again.
 * @param {CanvasRenderingContext2D} context
 * @param {any[]} given  to drawImage
 */
export function imageOf(context, [image, ...numbers]) {
  if (!(image instanceof HTMLCanvasElement)) throw new Error('only canvases are recorded as images');
  const part = numbers.length === 8 ? numbers.slice(0, 4) : [0, 0, image.width, image.height];
  const [x, y, width = image.width, height = image.height] = numbers.slice(numbers.length === 8 ? 4 : 0);
  if (!width || !height || !part[2] || !part[3]) return '';
  return element('image', {
    href: cut(image, part).toDataURL(),
    x,
    y,
    width,
    height,
    preserveAspectRatio: 'none',
    ...(context.imageSmoothingEnabled ? {} : { style: 'image-rendering: pixelated' }),
    ...(context.globalAlpha < 1 ? { opacity: String(Number(context.globalAlpha.toFixed(4))) } : {}),
    ...attributes(matrixOf(context.getTransform())),
  });
}

/** @param {HTMLCanvasElement} image @param {number[]} part */
function cut(image, [x, y, width, height]) {
  if (!x && !y && width === image.width && height === image.height) return image;
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(width));
  canvas.height = Math.max(1, Math.round(height));
  canvas.getContext('2d')?.drawImage(image, x, y, width, height, 0, 0, canvas.width, canvas.height);
  return canvas;
}
