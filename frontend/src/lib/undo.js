/** Settings as they were set by hand, to be undone and redone. Pure. */

import { ONE_PULL, same } from './changes.js';

/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {{before: Knobs, after: Knobs, time: number}} Setting  the values of the knobs it set */

const MOST = 100;

export class Undo {
  /** @type {Setting[]} */
  #done = [];
  /** @type {Setting[]} */
  #undone = [];

  /**
   * Knobs were set.
   * @param {Knobs} before  all knobs
   * @param {Knobs} values  those set
   * @param {number} time  ms
   */
  note(before, values, time) {
    const names = Object.keys(values).filter((name) => !same(before[name], values[name]));
    if (!names.length) return;
    const last = this.#done.at(-1);
    const after = Object.fromEntries(names.map((name) => [name, values[name]]));
    this.#undone = [];
    if (last && time - last.time <= ONE_PULL && Object.keys(last.after).join() === names.join()) {
      Object.assign(last, { after, time });
      return;
    }
    const was = Object.fromEntries(names.map((name) => [name, before[name]]));
    this.#done = [...this.#done, { before: was, after, time }].slice(-MOST);
  }

  /** The values to set to undo the last setting; null if there is none. */
  undo() {
    const last = this.#done.pop();
    if (last) this.#undone.push(last);
    return last?.before ?? null;
  }

  /** The values to set to redo what was undone last; null if there is none. */
  redo() {
    const last = this.#undone.pop();
    if (last) this.#done.push({ ...last, time: -Infinity });
    return last?.after ?? null;
  }
}
