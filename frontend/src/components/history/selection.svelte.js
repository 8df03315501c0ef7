/** The runs selected in the table; they stay selected when the table shows others. No DOM. */

import { MOST, labAddress } from '../../lib/runs.js';

/** @typedef {import('../../lib/types.js').RunInfo} RunInfo */

export class Selection {
  /** In the order in which they were selected: the first is the main one of a comparison. @type {RunInfo[]} */
  runs = $state.raw([]);
  #ids = $derived(new Set(this.runs.map((run) => run.id)));
  /** The row of the last click, where a range begins. */
  #anchor = '';

  /** @param {string} id */
  has = (id) => this.#ids.has(id);

  /**
   * Select or deselect a run, or with `range` every one between the last click and this.
   * @param {RunInfo} run
   * @param {RunInfo[]} shown  in the order of the rows
   * @param {boolean} [range]
   */
  toggle(run, shown, range = false) {
    const on = !this.has(run.id);
    const from = shown.findIndex((one) => one.id === this.#anchor);
    const to = shown.findIndex((one) => one.id === run.id);
    const between =
      range && from >= 0 && to >= 0 ? shown.slice(Math.min(from, to), Math.max(from, to) + 1) : [run];
    this.set(between, on);
    this.#anchor = run.id;
  }

  /** @param {RunInfo[]} runs @param {boolean} on */
  set(runs, on) {
    const ids = new Set(runs.map((run) => run.id));
    const others = this.runs.filter((run) => !ids.has(run.id));
    this.runs = on ? [...this.runs, ...runs.filter((run) => !this.has(run.id))] : others;
  }

  clear() {
    this.runs = [];
  }

  /** Take over what changed of the selected runs. @param {RunInfo[]} runs */
  renew(runs) {
    const found = new Map(runs.map((run) => [run.id, run]));
    this.runs = this.runs.map((run) => found.get(run.id) ?? run);
  }

  /** Why the selected runs cannot be compared; '' where they can. @returns {'' | 'few' | 'many' | 'mixed'} */
  get obstacle() {
    if (this.runs.length < 2) return 'few';
    if (new Set(this.runs.map((run) => run.experiment)).size > 1) return 'mixed';
    return this.runs.length > MOST + 1 ? 'many' : '';
  }

  /** The address that compares them; '' where they cannot be compared. */
  get comparison() {
    const [first, ...others] = this.runs;
    return this.obstacle
      ? ''
      : labAddress(
          first,
          others.map((run) => run.id),
        );
  }
}
