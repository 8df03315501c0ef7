/** Attention maps: their colours, and where one large map and small multiples of all of them lie. No DOM. */

import { paint } from '../../charts/colour.js';

/** px of a line of text */
export const LINE = 17;
/** px between small multiples */
export const GAP = 3;

const SPACE = 10; // px between the multiples and the large map
const MOST = 150; // px: more shows nothing that the large map does not
const SECOND = 0.4; // how much the size of a multiple counts beside that of the large map
const TURNED = 0.02; // layers belong in rows, unless that wastes room
const SHARES = Array.from({ length: 10 }, (_, i) => 0.15 + i * 0.05); // of the room, for the multiples
/** @type {[beside: boolean, turned: boolean][]} */
const WAYS = [[true, false], [true, true], [false, false], [false, true]]; // prettier-ignore
const AXES = { width: 84, height: 58 }; // px that names and colour bar of the large map take, roughly

/**
 * All maps one below the other, `keys` pixels wide; masked cells are transparent.
 * @param {ArrayLike<number>} weights  maps × queries × keys
 * @param {{maps: number, queries: number, keys: number}} shape
 * @param {ArrayLike<number>} masked  queries × keys, or empty
 * @param {Uint8ClampedArray} lut
 * @param {Uint8ClampedArray} out  RGBA
 */
export function paintMaps(weights, { maps, queries, keys }, masked, lut, out) {
  paint(weights, maps * queries, keys, lut, 0, 1, { out });
  const cells = queries * keys;
  for (let i = 0; i < masked.length; i++) {
    if (masked[i]) for (let map = 0; map < maps; map++) out[(map * cells + i) * 4 + 3] = 0;
  }
}

/**
 * The largest small multiples that fit, with names at the left and the top. They are square whatever the number
 * of tokens, which may change at each step: the layout does not.
 * @param {{width: number, height: number}} room
 * @param {number} rows
 * @param {number} columns
 */
export function multiples(room, rows, columns) {
  const fit = Math.min((room.width - LINE) / columns, (room.height - LINE) / rows) - GAP;
  const cell = Math.max(3, Math.min(MOST, Math.floor(fit)));
  return { cell, width: LINE + columns * (cell + GAP), height: LINE + rows * (cell + GAP) };
}

/**
 * @typedef {object} Arrangement
 * @property {boolean} beside  the multiples are beside the large map, not above it
 * @property {boolean} turned  heads are in rows and layers in columns, not the other way round
 * @property {{cell: number, width: number, height: number}} grid
 */

/**
 * The multiples beside or above the large map, as large and in such rows as show most of both.
 * @param {{width: number, height: number}} room
 * @param {number} layers
 * @param {number} heads
 * @returns {Arrangement}
 */
export function arrange(room, layers, heads) {
  let best = { beside: true, turned: false, grid: multiples(room, layers, heads) };
  let most = -Infinity;
  for (const [beside, turned] of WAYS) {
    for (const share of SHARES) {
      const part = beside ? { ...room, width: room.width * share } : { ...room, height: room.height * share };
      const grid = turned ? multiples(part, heads, layers) : multiples(part, layers, heads);
      const score = worth(room, grid, beside) - (turned ? TURNED : 0);
      if (score > most) [best, most] = [{ beside, turned, grid }, score];
    }
  }
  return best;
}

/**
 * Both sizes, on a logarithmic scale: a tenth more is as good, whichever is large.
 * @param {{width: number, height: number}} room
 * @param {Arrangement['grid']} grid
 * @param {boolean} beside
 */
function worth({ width, height }, grid, beside) {
  const wide = width - AXES.width - (beside ? grid.width + SPACE : 0);
  const high = height - AXES.height - (beside ? 0 : grid.height + SPACE);
  return Math.log(Math.max(1, Math.min(wide, high))) + SECOND * Math.log(grid.cell);
}
