/** How runs that are shown together are told apart. No DOM. */

import { DASHES, categorical } from './colour.js';
import { number } from './format.js';
import { changed, titleOf } from './knobs.js';

export const MOST = 4; // runs beside the one looked at
const FIRST = 4; // of the categorical colours: those before are mostly taken by series

/**
 * The colour of a run by its place among those compared, from 1 on.
 * @param {number} place
 * @param {'light' | 'dark'} theme
 */
export const colourOf = (place, theme) => categorical(FIRST + place - 1, theme);

/**
 * The dash of one of its curves.
 * @param {number} place
 * @param {number} series
 */
export const dashOf = (place, series) => DASHES[(place + series) % DASHES.length];

/**
 * What a run is called.
 * @param {{id: string, name: string}} run
 */
export const labelOf = (run) => run.name || `#${run.id.slice(0, 6)}`;

/**
 * A knob's value in few characters.
 * @param {any} value
 * @returns {string}
 */
export function brief(value) {
  if (typeof value === 'number') return number(value);
  if (typeof value === 'boolean') return value ? '✓' : '✗';
  if (value && typeof value === 'object' && !Array.isArray(value))
    return Object.entries(value)
      .map(([name, { kind }]) => `${name} ${kind}`)
      .join(', ');
  const text = Array.isArray(value) ? value.map(brief).join('×') : String(value ?? '–');
  return text.length > 18 ? `${text.slice(0, 17)}…` : text;
}

/**
 * The knobs in which `after` differs, each as "title value".
 * @param {any} experiment
 * @param {Record<string, any>} before
 * @param {Record<string, any>} after
 * @returns {string[]}
 */
export const differences = (experiment, before, after) =>
  changed(before, after).map((name) => `${symbolOf(experiment, name)} ${brief(after[name])}`);

/**
 * A knob's symbol, or its title where it has none.
 * @param {any} experiment
 * @param {string} name
 */
const symbolOf = (experiment, name) =>
  experiment?.knobs?.properties[name]?.['x-symbol'] ?? titleOf(experiment?.knobs ? experiment : null, name);

/**
 * Runs as a tree: each after its parent, with how deep it lies. A run whose parent is not there is a root.
 * @template {{id: string, parent: string | null, branched_at: number | null}} R
 * @param {R[]} runs
 * @returns {{run: R, depth: number}[]}
 */
export function tree(runs) {
  const ids = new Set(runs.map((run) => run.id));
  /** @type {Map<string | null, R[]>} */
  const children = new Map();
  for (const run of runs) {
    const parent = run.parent !== null && ids.has(run.parent) ? run.parent : null;
    children.set(parent, [...(children.get(parent) ?? []), run]);
  }
  /** @type {{run: R, depth: number}[]} */
  const rows = [];
  const walk = (/** @type {string | null} */ parent, /** @type {number} */ depth) => {
    for (const run of children.get(parent) ?? []) {
      rows.push({ run, depth });
      walk(run.id, depth + 1);
    }
  };
  walk(null, 0);
  return rows;
}
