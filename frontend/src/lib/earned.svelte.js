/** The stars that one has earned at the challenges of each experiment. */

import { getSolved } from './api.js';

class Earned {
  /** By experiment. @type {Record<string, number>} */
  #stars = $state.raw({});

  /** Ask the server. Without an answer, as before. */
  async ask() {
    const solved = await getSolved().catch(() => null);
    if (!solved) return;
    /** @type {Record<string, number>} */
    const stars = {};
    for (const one of solved) stars[one.experiment] = (stars[one.experiment] ?? 0) + one.stars;
    this.#stars = stars;
  }

  /** @param {string} id  of an experiment */
  of(id) {
    return this.#stars[id] ?? 0;
  }
}

export const earned = new Earned();
