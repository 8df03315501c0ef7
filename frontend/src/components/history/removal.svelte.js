/** Runs about to be deleted: until the time is over they can be had back, and nothing has happened. No DOM. */

import { deleteRuns } from '../../lib/api.js';

/** @typedef {import('../../lib/types.js').RunInfo} RunInfo */

export const PATIENCE = 5000; // ms in which a deletion can be undone

export class Removal {
  /** The runs that can be had back. @type {RunInfo[]} */
  waiting = $state.raw([]);
  /** The runs not to show: these, and those being deleted. @type {RunInfo[]} */
  hidden = $state.raw([]);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #ondone;
  #onproblem;

  /**
   * @param {() => Promise<void>} ondone  they are deleted
   * @param {(error: unknown) => void} onproblem  they are not
   */
  constructor(ondone, onproblem) {
    this.#ondone = ondone;
    this.#onproblem = onproblem;
  }

  /** @param {string} id */
  hides = (id) => this.hidden.some((run) => run.id === id);

  /** Delete runs in a while; those that wait already are deleted now. @param {RunInfo[]} runs */
  begin(runs) {
    this.finish();
    this.waiting = runs;
    this.hidden = [...this.hidden, ...runs];
    this.#timer = setTimeout(() => this.finish(), PATIENCE);
  }

  undo() {
    clearTimeout(this.#timer);
    this.#show(this.waiting);
    this.waiting = [];
  }

  /** Delete them now. @param {{leaving?: boolean}} [options]  `leaving`: the page, which the request outlives */
  async finish({ leaving = false } = {}) {
    clearTimeout(this.#timer);
    const gone = this.waiting;
    this.waiting = [];
    if (!gone.length) return;
    try {
      await deleteRuns(
        gone.map((run) => run.id),
        leaving,
      );
      await this.#ondone();
    } catch (error) {
      this.#onproblem(error);
    }
    this.#show(gone);
  }

  /** @param {RunInfo[]} runs */
  #show(runs) {
    this.hidden = this.hidden.filter((run) => !runs.includes(run));
  }
}
