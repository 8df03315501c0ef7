/** The recorded runs that match a search: edited, deleted, and selected for comparison. No DOM. */

import { describeRun, importRun, listRuns } from '../../lib/api.js';
import { refusal } from '../../lib/refusal.js';
import { MOST, families, labAddress } from '../../lib/runs.js';

/** @typedef {import('../../lib/types.js').RunInfo} RunInfo */
/** @typedef {import('../../lib/types.js').ImportedRun} ImportedRun */

export const MOST_SHOWN = 1000; // runs in one response

export class Records {
  /** The newest first. @type {RunInfo[]} */
  runs = $state.raw([]);
  /** Whether the first request has finished, with or without success. */
  asked = $state(false);
  /** @type {import('../../lib/types.js').Refusal | null} */
  problem = $state.raw(null);
  /** The last import, if the same run was here before. @type {ImportedRun | null} */
  repeated = $state.raw(null);
  /** The ids of the runs to compare; the first is the main one. @type {string[]} */
  chosen = $state.raw([]);

  rows = $derived(families(this.runs));
  #first = $derived(this.runs.find((run) => run.id === this.chosen[0]));
  /** The address that compares the chosen runs; '' with fewer than two. */
  comparison = $derived(
    this.chosen.length > 1 && this.#first ? labAddress(this.#first, this.chosen.slice(1)) : '',
  );

  /** @param {{experiment: string, search: string, starred: boolean}} which */
  async look(which) {
    try {
      this.runs = await listRuns(which);
      this.problem = null;
    } catch (error) {
      this.problem = refusal(error);
    }
    this.asked = true;
  }

  /**
   * @param {string} id
   * @param {{name?: string, starred?: boolean}} changes
   */
  async describe(id, changes) {
    try {
      await describeRun(id, changes);
      this.runs = this.runs.map((run) => (run.id === id ? { ...run, ...changes } : run));
    } catch (error) {
      this.problem = refusal(error);
    }
  }

  /** Remove a deleted run. @param {string} id */
  forget(id) {
    this.runs = this.runs.filter((run) => run.id !== id);
    this.chosen = this.chosen.filter((other) => other !== id);
  }

  /**
   * Import a run from an archive; null, with `problem` set, if it is not one, or with `repeated` set if the
   * same run was here before.
   * @param {Blob} archive
   */
  async take(archive) {
    this.repeated = null;
    try {
      const run = await importRun(archive);
      if (!run.already) return run;
      this.runs = [run, ...this.runs];
      this.repeated = run;
      return null;
    } catch (error) {
      this.problem = refusal(error);
      return null;
    }
  }

  /** Only runs of one experiment can be compared, up to a limit. @param {RunInfo} run */
  isChoosable(run) {
    if (this.chosen.includes(run.id)) return true;
    return this.chosen.length <= MOST && (!this.chosen.length || this.#first?.experiment === run.experiment);
  }

  /** Select a run for comparison, or deselect it. @param {string} id */
  toggle(id) {
    this.chosen = this.chosen.includes(id)
      ? this.chosen.filter((other) => other !== id)
      : [...this.chosen, id];
  }
}
