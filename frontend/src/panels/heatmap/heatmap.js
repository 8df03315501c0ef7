/** What stands in the cells of a matrix, and what is said of one. No DOM. */

import { number } from '../../lib/format.js';

const SIZE = 11; // px of a text where there is room
const LEAST = 8; // px of the smallest number that can be read, and of a text
const LOWEST = 11; // px of the lowest cell with something in it
const NARROWEST = { number: 16, text: 9 }; // px of the narrowest

/**
 * What is written into the cells, and how large: all in one size, which fits the widest. Numbers are never cut;
 * of texts, those that are too long for the smallest size are.
 * @param {readonly string[]} texts  one a cell
 * @param {{width: number, height: number}} cell  px
 * @param {{
 *   words: boolean, measure: (text: string) => number, shorten: (text: string, width: number) => string,
 * }} how  `words`: they are texts; `measure` and `shorten`: as at 11 px
 * @returns {{font: number, texts: string[]} | null}  px; null where nothing could be read
 */
export function inCells(texts, { width, height }, { words, measure, shorten }) {
  if (height < LOWEST || width < NARROWEST[words ? 'text' : 'number']) return null;
  const room = width - (words ? 1 : 3);
  const widest = texts.reduce((most, text) => Math.max(most, measure(text)), 1);
  const font = Math.min(SIZE, Math.floor((SIZE * room) / widest));
  if (font >= LEAST) return { font, texts: [...texts] };
  if (!words) return null;
  return { font: LEAST, texts: texts.map((text) => shorten(text, (SIZE * room) / LEAST)) };
}

/**
 * What is said of a cell: its text if it has one, its number, and where it is.
 * @param {{text: string | undefined, value: number, down: string, across: string}} cell
 */
export const told = ({ text, value, down, across }) =>
  [...(text ? [`“${text}”`] : []), number(value, 4), down, across].join('\n');
