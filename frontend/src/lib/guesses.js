/** Guesses as they are drawn: where values lie, and how many of them together. Pure. */

/** @typedef {import('./classroom.svelte.js').Asked} Asked */

export const POINTS = 11; // of a curve that is drawn, as the server expects
export const BINS = 16; // of a histogram

/** Where a value lies between low and high: 0 to 1. @param {Asked} asked @param {number} value */
export function placeOf({ low, high, log }, value) {
  const [from, to, at] = log ? [low, high, Math.max(value, low)].map(Math.log) : [low, high, value];
  return Math.min(Math.max((at - from) / (to - from || 1), 0), 1);
}

/** The value at a place. @param {Asked} asked @param {number} place */
export function valueAt({ low, high, log }, place) {
  const at = Math.min(Math.max(place, 0), 1);
  return log ? low * (high / low) ** at : low + (high - low) * at;
}

/** How many values are in each of the bins. @param {Asked} asked @param {number[]} values */
export function histogram(asked, values) {
  const counts = /** @type {number[]} */ (Array(BINS).fill(0));
  for (const value of values) counts[Math.min(BINS - 1, Math.floor(placeOf(asked, value) * BINS))]++;
  return counts;
}

/** A curve as an SVG path in a box of 100 × 60. @param {Asked} asked @param {number[]} values */
export const pathOf = (asked, values) =>
  values
    .map(
      (value, i) =>
        `${i ? 'L' : 'M'}${((100 * i) / (values.length - 1)).toFixed(1)} ${(60 - 60 * placeOf(asked, value)).toFixed(1)}`,
    )
    .join('');
