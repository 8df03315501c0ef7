/** The runs that a run branched off from, with their changes. */

import { getKnobLog, getRun } from '../api.js';

/**
 * The lineage of a run, the oldest run first.
 * @param {import('../run.svelte.js').RunView} run
 * @returns {Promise<import('../changes.js').Stretch[]>}
 */
export async function lineageOf(run) {
  const stretches = [{ id: run.id, first: run.first, began: run.began, changes: run.knobChanges }];
  for (let parent = run.parent; parent;) {
    const [info, log] = await Promise.all([getRun(parent), getKnobLog(parent)]);
    const first = info.branched_at ?? 0;
    stretches.unshift({ id: info.id, first, began: log[0].knobs, changes: log.slice(1) });
    parent = info.parent;
  }
  return stretches;
}
