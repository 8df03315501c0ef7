/** The runs compared with a lab's main run: each in a place of its own, which decides its colour. */

import { MOST } from '../runs.js';

/** @typedef {import('../run.svelte.js').RunView} RunView */

export class Compared {
  /** @type {RunView[]} */
  runs = $state.raw([]);
  /** The one whose pictures are shown side by side. */
  beside = $state.raw(/** @type {RunView | null} */ (null));

  get ids() {
    return this.runs.map((run) => run.id);
  }

  get full() {
    return this.runs.length >= MOST;
  }

  /** @param {RunView} run */
  add(run) {
    const places = this.runs.map((other) => other.place);
    run.place = [1, 2, 3, 4].find((place) => !places.includes(place)) ?? 1;
    run.shown = true;
    this.runs = [...this.runs, run];
  }

  /** @param {RunView} run */
  remove(run) {
    this.keep(this.runs.filter((other) => other !== run));
  }

  /** Close all but these. @param {RunView[]} runs */
  keep(runs) {
    for (const other of this.runs) if (!runs.includes(other)) other.close();
    if (this.beside && !runs.includes(this.beside)) this.beside = null;
    this.runs = runs;
  }
}
