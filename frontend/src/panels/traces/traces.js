/** A window onto long aligned curves: the visible part, and scrolling. No DOM. */

const MARGIN = 0.15; // of the window, kept between its edges and the picked sample

/** Glyphs for tokens without a shape of their own. @type {Record<string, string>} */
const SHAPES = { '\n': '↵', '\r': '↵', '\t': '⇥', ' ': '·' };
const UNSEEN = /^[\p{C}\p{Default_Ignorable_Code_Point}]+$/u; // controls, joiners, fillers
const MARK = /^\p{M}$/u; // belongs on the letter before it

/**
 * The glyph of a token.
 * @param {string} token
 */
export function glyph(token) {
  if (token in SHAPES) return SHAPES[token];
  if (UNSEEN.test(token)) return '□';
  return MARK.test(token) ? `◌${token}` : token.replace(/\s/g, '·');
}

/**
 * The samples [first, last) that are at least partly visible, and one more on either side for the line to reach.
 * @param {number} scroll
 * @param {number} room  width of the window
 * @param {number} pitch  width of a sample
 * @param {number} count
 * @returns {[number, number]}
 */
export function visible(scroll, room, pitch, count) {
  const first = Math.max(0, Math.floor(scroll / pitch) - 1);
  return [first, Math.max(first, Math.min(count, Math.ceil((scroll + room) / pitch) + 1))];
}

/**
 * The scroll position that shows a sample: the nearest one, or with the sample centred from afar.
 * @param {number} index
 * @param {{scroll: number, room: number, pitch: number, count: number}} window
 */
export function reveal(index, { scroll, room, pitch, count }) {
  const x = (index + 0.5) * pitch;
  const margin = Math.min(room * MARGIN, room / 2);
  let to = scroll;
  if (x < scroll - room || x > scroll + 2 * room) to = x - room / 2;
  else if (x < scroll + margin) to = x - margin;
  else if (x > scroll + room - margin) to = x - room + margin;
  return Math.max(0, Math.min(count * pitch - room, to));
}

/**
 * The sample that a key picks; `null` for other keys.
 * @param {string} key
 * @param {number} index
 * @param {number} count
 * @param {number} page  samples in a window
 */
export function moved(key, index, count, page) {
  const steps = /** @type {Record<string, number>} */ ({
    ...{ ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: -page, PageDown: page },
    ...{ Home: -count, End: count },
  });
  if (!(key in steps) || count === 0) return null;
  return Math.max(0, Math.min(count - 1, index + steps[key]));
}

/**
 * The stretches [start, end) without a gap within [first, last).
 * @param {ArrayLike<number>} values
 * @param {number} first
 * @param {number} last
 * @returns {[number, number][]}
 */
export function stretches(values, first, last) {
  /** @type {[number, number][]} */
  const found = [];
  let start = -1;
  for (let i = first; i <= last; i++) {
    const there = i < last && Number.isFinite(values[i]);
    if (there && start < 0) start = i;
    if (!there && start >= 0) {
      found.push([start, i]);
      start = -1;
    }
  }
  return found;
}
