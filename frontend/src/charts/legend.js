/** The room that a chart's legend takes. */

import { textWidth } from './draw.js';

const LEAST = 120; // px that a chart keeps
const ROW = 20; // px of a row of entries
const ENTRY = 38; // px of an entry beside its title: line, gap
const VALUE = 58; // px of its value
const BUTTON = 20; // px of a button beside its text

/**
 * The widths of the items in a chart's head, in px.
 * @param {string[]} titles  of the legend
 * @param {boolean} valued
 * @param {string[]} buttons  the texts of those before it
 */
export const widthsOf = (titles, valued, buttons) => [
  ...buttons.map((text) => textWidth(text) + BUTTON),
  ...titles.map((title) => textWidth(title) + ENTRY + (valued ? VALUE : 0)),
];

/**
 * Whether the chart's head leaves it too little of its panel, so that the legend omits its values:
 * the tooltip has them.
 * @param {number[]} widths  of its items, in px
 * @param {{width: number, height: number}} panel
 */
export function crowded(widths, { width, height }) {
  let rows = 1;
  let x = 0;
  for (const wide of widths) {
    if (x && x + wide > width) [rows, x] = [rows + 1, 0];
    x += wide;
  }
  return height > 0 && rows * ROW > height - LEAST;
}
