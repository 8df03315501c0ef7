/** A drawing: a soft round brush on a grid of pixels, and the text that carries it. Pure. */

const MOST = 15; // ink of a full pixel, one hexadecimal digit

/** @typedef {{x: number, y: number}} Point  in pixels of the grid, (0, 0) is its upper left corner */
/** @typedef {{row: number, column: number}} Cell */

/**
 * The ink in each pixel, 0…1, row by row. A text with the wrong number of digits leaves all of them blank.
 * @param {string} text
 * @param {number} rows
 * @param {number} columns
 */
export function inkOf(text, rows, columns) {
  const ink = new Float32Array(rows * columns);
  if (text.length !== ink.length || !/^[\da-f]*$/i.test(text)) return ink;
  return ink.map((_, i) => parseInt(text[i], 16) / MOST);
}

/**
 * The colours of a picture, red, green and blue from 0 to 255, row by row; null where a text is no picture.
 * @param {string} text  three hexadecimal digits per pixel
 * @param {number} rows
 * @param {number} columns
 */
export function coloursOf(text, rows, columns) {
  if (text.length !== 3 * rows * columns || !/^[\da-f]*$/i.test(text)) return null;
  return Uint8ClampedArray.from(text, (digit) => parseInt(digit, 16) * 17);
}

/**
 * The text of a drawing; empty where there is no ink.
 * @param {Float32Array} ink
 */
export function textOf(ink) {
  const text = Array.from(ink, (amount) => Math.round(amount * MOST).toString(16)).join('');
  return /[^0]/.test(text) ? text : '';
}

/**
 * A brush that makes strokes as thick as those of digits of this size: 2½ pixels of 28.
 * @param {number} rows
 * @param {number} columns
 */
export const radiusFor = (rows, columns) => Math.max(0.45, 0.045 * Math.min(rows, columns));

/**
 * Draw from one point to another, or erase. Returns new ink. A pixel takes as much as the brush covers of it, about:
 * all within the radius, falling to nothing over the one pixel around its edge. The eraser is one pixel wider, so that
 * it leaves no rim of a dot in the same place.
 * @param {Float32Array} ink
 * @param {number} columns
 * @param {Point} from
 * @param {Point} to
 * @param {number} radius
 * @param {boolean} [erase]
 */
export function stroke(ink, columns, from, to, radius, erase = false) {
  const rows = ink.length / columns;
  const out = ink.slice();
  const reach = radius + (erase ? 1.5 : 0.5);
  const clamp = (/** @type {number} */ at, /** @type {number} */ most) => Math.min(most, Math.max(0, at));
  const top = clamp(Math.floor(Math.min(from.y, to.y) - reach), rows);
  const bottom = clamp(Math.ceil(Math.max(from.y, to.y) + reach), rows);
  const left = clamp(Math.floor(Math.min(from.x, to.x) - reach), columns);
  const right = clamp(Math.ceil(Math.max(from.x, to.x) + reach), columns);
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const covered = clamp(reach - distance({ x: column + 0.5, y: row + 0.5 }, from, to), 1);
      const i = row * columns + column;
      out[i] = erase ? Math.min(out[i], 1 - covered) : Math.max(out[i], covered);
    }
  }
  return out;
}

/**
 * From a point to the nearest one of a line between two others.
 * @param {Point} point
 * @param {Point} from
 * @param {Point} to
 */
function distance(point, from, to) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const square = dx * dx + dy * dy;
  const along = square ? ((point.x - from.x) * dx + (point.y - from.y) * dy) / square : 0;
  const at = Math.min(1, Math.max(0, along));
  return Math.hypot(point.x - from.x - at * dx, point.y - from.y - at * dy);
}

/** @param {Cell} cell @returns {Point} its centre */
export const centre = ({ row, column }) => ({ x: column + 0.5, y: row + 0.5 });

/**
 * The cell an arrow key moves to, or null for any other key.
 * @param {Cell} cell
 * @param {string} key
 * @param {number} rows
 * @param {number} columns
 * @returns {Cell | null}
 */
export function moved({ row, column }, key, rows, columns) {
  /** @type {Record<string, [number, number]>} */
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (!(key in moves)) return null;
  const [down, right] = moves[key];
  return {
    row: Math.min(rows - 1, Math.max(0, row + down)),
    column: Math.min(columns - 1, Math.max(0, column + right)),
  };
}
