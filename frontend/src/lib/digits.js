/** Numbers of one range with the same decimals, so that they line up and do not jump. No DOM. */

import { number } from './format.js';

const MOST = 5; // decimals beyond which powers of ten read better

/**
 * Decimals needed to distinguish values of a range: three for 0…1, two for −4…4, none for 0…5 000.
 * @param {readonly [number, number]} range
 */
export function decimals([low, high]) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  return most > 0 && Number.isFinite(most) ? Math.max(0, 3 - Math.ceil(Math.log10(most))) : 3;
}

/**
 * @param {number} value
 * @param {number} places  as `decimals` gives them
 */
export function fixed(value, places) {
  if (!Number.isFinite(value) || places > MOST || Math.abs(value) >= 1000) return number(value);
  const text = value.toFixed(places);
  if (value !== 0 && Number(text) === 0) return number(value, 2); // else it would look like 0
  return Number(text) < 0 ? text.replace('-', '−') : text.replace('-', '');
}
