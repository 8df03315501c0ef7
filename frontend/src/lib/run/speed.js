/** A run's speed, measured over the last second or so. No DOM. */

const WINDOW = 1500; // ms over which steps are counted
const LEAST = 250; // ms until there is a first value

export class Speed {
  /** @type {{time: number, step: number}[]} */
  #seen = [];

  /**
   * Steps per second, now that a step was taken; null until that can be said.
   * @param {number} step
   * @param {number} time  ms
   */
  at(step, time) {
    this.#seen.push({ time, step });
    while (this.#seen.length > 2 && time - this.#seen[0].time > WINDOW) this.#seen.shift();
    const first = this.#seen[0];
    return time - first.time > LEAST ? ((step - first.step) / (time - first.time)) * 1000 : null;
  }

  reset() {
    this.#seen = [];
  }
}
