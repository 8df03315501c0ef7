/** The experiments opened in this browser: when each was last, and with which run. Kept in local storage. */

import { recall, remember } from './storage.js';

const KEY = 'descent.visits';

/** @typedef {{at: number, run: string}} Visit  `at`: ms since 1970; `run`: its id, '' if it had none yet */

/** By experiment. What is kept may be of another version, or edited: what is no visit is left out. */
export function visits() {
  /** @type {Record<string, Visit>} */
  const found = {};
  let kept;
  try {
    kept = JSON.parse(recall(KEY) ?? '{}');
  } catch {
    return found;
  }
  for (const [id, visit] of Object.entries(kept ?? {}))
    if (Number.isFinite(visit?.at) && typeof visit.run === 'string')
      found[id] = { at: visit.at, run: visit.run };
  return found;
}

/**
 * Remember that an experiment was opened.
 * @param {string} id
 * @param {string} run
 * @param {number} [now]
 */
export function noteVisit(id, run, now = Date.now()) {
  const all = visits();
  remember(KEY, JSON.stringify({ ...all, [id]: { at: now, run: run || (all[id]?.run ?? '') } }));
}

/**
 * The experiment opened last, of those that there are.
 * @param {Record<string, Visit>} all
 * @param {{id: string}[]} experiments
 * @returns {string | undefined}
 */
export const lastVisited = (all, experiments) =>
  experiments
    .map(({ id }) => id)
    .filter((id) => Object.hasOwn(all, id))
    .sort((a, b) => all[b].at - all[a].at)[0];
