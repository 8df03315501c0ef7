/** The layout of a text's tokens: rows that break at line ends and at the given width. No DOM. */

const TAB = 4; // columns
/** Characters that a monospaced grid draws two columns wide: Hangul, Han, kana, full-width forms, emoji. */
const WIDE = /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f1e6}-\u{1f1ff}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u; // prettier-ignore
/** Signs for invisible characters. */
const SIGNS = /** @type {Record<string, string>} */ ({ ' ': '␣', '\n': '↵', '\r': '␍', '\t': '⇥', '': '∅' });
const MARK = /^\p{M}$/u; // joins the letter before it: an accent, a vowel sign
const UNSEEN = /^[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]$/u; // blanks, controls, joiners, fillers
const HOLE = '◌'; // where the letter would be
const BOX = '□';

/**
 * A token in visible form: white space alone as a sign, a mark on a dotted circle, and a character without a shape
 * of its own as a box.
 * @param {string} token
 */
export function visible(token) {
  if (token in SIGNS) return SIGNS[token];
  if (UNSEEN.test(token)) return control(token) ?? BOX;
  if (MARK.test(token)) return HOLE + token;
  return token.replace(/[\n\r\t]/g, (space) => SIGNS[space]);
}

/** The picture that Unicode has of a control character. @param {string} token */
const control = (token) => (token < ' ' ? String.fromCharCode(0x2400 + token.charCodeAt(0)) : null);

/**
 * A token in words: with its code point if its glyph is ambiguous.
 * @param {string} token
 */
export function named(token) {
  if (token in SIGNS || !(UNSEEN.test(token) || MARK.test(token))) return visible(token);
  const code = /** @type {number} */ (token.codePointAt(0));
  return `${visible(token)} U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** @param {string} token */
export const endsRow = (token) => token.endsWith('\n');

/**
 * Columns that a character takes in a monospaced grid when it begins at `column`.
 * @param {string} character
 * @param {number} column
 */
export function span(character, column) {
  if (character === '\t') return TAB - (column % TAB);
  return WIDE.test(character) ? 2 : 1;
}

/**
 * @typedef {object} Layout
 * @property {Float32Array} x  where each token begins
 * @property {Float32Array} width  of each token
 * @property {Int32Array} row  of each token
 * @property {Int32Array} starts  first token of each row, and after the last row the number of tokens
 */

/**
 * Tokens one after another in rows. A line end hangs over the edge rather than take a row of its own.
 * @param {readonly string[]} tokens
 * @param {number} room  width of a row, in the unit of `measure`
 * @param {(token: string, x: number) => number} measure  the width of a token that begins at `x`
 * @param {number} [gap]  between two tokens
 * @returns {Layout}
 */
export function flow(tokens, room, measure, gap = 0) {
  const x = new Float32Array(tokens.length);
  const width = new Float32Array(tokens.length);
  const row = new Int32Array(tokens.length);
  const starts = [0];
  let at = 0;
  for (let i = 0; i < tokens.length; i++) {
    let wide = measure(tokens[i], at);
    if (at > 0 && at + wide > room && tokens[i] !== '\n') {
      starts.push(i);
      at = 0;
      wide = measure(tokens[i], 0);
    }
    x[i] = at;
    width[i] = wide;
    row[i] = starts.length - 1;
    at += wide + gap;
    if (endsRow(tokens[i]) && i + 1 < tokens.length) {
      starts.push(i + 1);
      at = 0;
    }
  }
  return { x, width, row, starts: Int32Array.from([...starts, tokens.length]) };
}

/** @param {Layout} layout */
export const rowsOf = ({ starts }) => starts.length - 1;

/**
 * The token of a row at `x`, or the nearest one in that row.
 * @param {Layout} layout
 * @param {number} row
 * @param {number} x
 */
export function nearest({ x: begin, width, starts }, row, x) {
  let best = starts[row];
  for (let i = starts[row]; i < starts[row + 1]; i++) {
    if (begin[i] > x) return x - (begin[best] + width[best]) <= begin[i] - x ? best : i;
    best = i;
  }
  return best;
}

/**
 * The token at a place, if there is one.
 * @param {Layout} layout
 * @param {number} row  may be a fraction
 * @param {number} x
 */
export function hit(layout, row, x) {
  const r = Math.floor(row);
  if (r < 0 || r >= rowsOf(layout) || layout.starts[r] === layout.starts[r + 1]) return null;
  const i = nearest(layout, r, x);
  return x >= layout.x[i] && x < layout.x[i] + layout.width[i] ? i : null;
}

/**
 * The token that a key moves to from token `i`: a neighbour, one in the row above or below, or the first or last token.
 * @param {Layout} layout
 * @param {number} i
 * @param {string} key  of a keyboard event
 * @param {{page: number, goal: number}} view  rows on a page, and the x that the cursor keeps to
 * @returns {number | null} null for a key that does not move
 */
export function move(layout, i, key, { page, goal }) {
  const last = layout.x.length - 1;
  const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1 });
  const rows = /** @type {Record<string, number>} */ ({
    ...{ ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page },
  });
  if (key === 'Home') return 0;
  if (key === 'End') return last;
  if (key in steps) return Math.max(0, Math.min(last, i + steps[key]));
  if (!(key in rows)) return null;
  const row = layout.row[i] + rows[key];
  return nearest(layout, Math.max(0, Math.min(rowsOf(layout) - 1, row)), goal);
}
