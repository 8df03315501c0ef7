/** Colours, order and differences of runs shown together. No DOM. */

import { DASHES, categorical } from '../charts/colour.js';
import { changed } from './knobs.js';
import { brief, symbolOf } from './names.js';

/** @typedef {import('./types.js').ExperimentSummary} ExperimentSummary */
/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {import('./types.js').RunInfo} RunInfo */

export const MOST = 4; // compared runs, beside the main one
const FIRST = 3; // of the categorical colours: those before are mostly taken by series

/**
 * The colour of a run by its place among the compared runs, from 1 on.
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
 * A time of today as hours, minutes, seconds; of another day with its date.
 * @param {Date} time
 * @param {Date} now
 */
export function moment(time, now) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, '0');
  const clock = [time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':');
  if (time.toDateString() === now.toDateString()) return clock;
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${clock}`;
}

/**
 * The knobs in which `after` differs, each as "title value".
 * @param {ExperimentSummary} experiment
 * @param {Knobs} before
 * @param {Knobs} after
 * @param {(kind: string) => string} kindTitle  of a schedule
 * @returns {string[]}
 */
export const differences = (experiment, before, after, kindTitle) =>
  changed(before, after).flatMap((name) =>
    name === 'schedules'
      ? Object.entries(after[name] ?? {}).map(
          ([of, { kind }]) => `${symbolOf(experiment, of)}: ${kindTitle(kind)}`,
        )
      : [`${symbolOf(experiment, name)} ${brief(after[name], experiment?.knobs?.properties[name])}`],
  );

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

/** Whether runs of this experiment train in a script of their own. @param {string} [experiment]  its id */
export const isOwnLoop = (experiment = '') => experiment.startsWith('watched-');

/**
 * The scalar that summarises a run: its loss, or its first scalar.
 * @param {Record<string, number>} latest
 * @returns {string | undefined}
 */
export function mainScalar(latest) {
  const names = Object.keys(latest);
  const loss = ['loss/train', 'loss'].find((name) => name in latest);
  return loss ?? names.find((name) => name.startsWith('loss/')) ?? names[0];
}

/**
 * The address of a run's lab.
 * @param {{id: string, experiment: string}} run
 * @param {string[]} [compared]  ids of the runs it is compared with
 * @param {number | null} [step]  of its past; null: the present
 */
export function labAddress({ id, experiment }, compared = [], step = null) {
  const past = step === null ? '' : `&step=${step}`;
  return `/lab/${experiment}?run=${id}${past}${compared.length ? `&with=${compared.join(',')}` : ''}`;
}

/** The last of the steps whose states are kept at or before a step; null: there is none. @param {number[]} kept @param {number} step */
export const lastKept = (kept, step) => kept.findLast((one) => one <= step) ?? null;
