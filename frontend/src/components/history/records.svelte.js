/** Recorded runs as they were searched for: changed, forgotten, and chosen to be compared. No DOM. */

import { describeRun, importRun, listRuns } from '../../lib/api.js';
import { refusal } from '../../lib/refusal.js';
import { MOST, families, labAddress } from '../../lib/runs.js';

/** @typedef {import('../../lib/types.js').RunInfo} RunInfo */

export const MOST_SHOWN = 1000; // of one answer

export class Records {
  /** The newest first. @type {RunInfo[]} */
  runs = $state.raw([]);
  /** Whether there was an answer, or none can be had. */
  asked = $state(false);
  /** @type {import('../../lib/types.js').Refusal | null} */
  problem = $state.raw(null);
  /** The runs to compare, by id; the first is the one looked at. @type {string[]} */
  chosen = $state.raw([]);

  rows = $derived(families(this.runs));
  #first = $derived(this.runs.find((run) => run.id === this.chosen[0]));
  /** Where the chosen runs are compared; '' where there is nothing to compare. */
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

  /** It was deleted. @param {string} id */
  forget(id) {
    this.runs = this.runs.filter((run) => run.id !== id);
    this.chosen = this.chosen.filter((other) => other !== id);
  }

  /** A run from an archive; null, and a problem, where it is none. @param {Blob} archive @returns {Promise<RunInfo | null>} */
  async take(archive) {
    try {
      return await importRun(archive);
    } catch (error) {
      this.problem = refusal(error);
      return null;
    }
  }

  /** Runs of one experiment can be compared, and only so many. @param {RunInfo} run */
  isChoosable(run) {
    if (this.chosen.includes(run.id)) return true;
    return this.chosen.length <= MOST && (!this.chosen.length || this.#first?.experiment === run.experiment);
  }

  /** Choose a run, or no more. @param {string} id */
  toggle(id) {
    this.chosen = this.chosen.includes(id)
      ? this.chosen.filter((other) => other !== id)
      : [...this.chosen, id];
  }
}
