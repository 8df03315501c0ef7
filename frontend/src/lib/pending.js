/**
 * Knobs that were set here and are not confirmed yet: kept until the server has taken or refused them, over lost
 * connections too. What is shown is what the server said last, with these laid over it. No DOM.
 */

import { laidOver } from './knobs.js';

/** @typedef {import('./types.js').Knobs} Knobs */

const MOST_SENT = 4; // commands on their way; on a slow connection the rest become one

/** @typedef {{tag: string, knobs: Knobs, sent: boolean}} Wish */

export class Pending {
  /** In the order they were made; those not sent are one, the last. @type {Wish[]} */
  #wishes = [];
  #made = 0;

  get empty() {
    return this.#wishes.length === 0;
  }

  /** @param {Knobs} knobs */
  set(knobs) {
    const last = this.#wishes.at(-1);
    if (last && !last.sent) last.knobs = laidOver(last.knobs, knobs);
    else this.#wishes.push({ tag: String(++this.#made), knobs, sent: false });
  }

  /** The next command to send, if one may be sent; it then is on its way. @returns {Wish | null} */
  next() {
    const wish = this.#wishes.find((one) => !one.sent);
    if (!wish || this.#wishes.length > MOST_SENT) return null;
    wish.sent = true;
    return wish;
  }

  /** The server has taken it, or refused it. @param {string} tag */
  answered(tag) {
    this.#wishes = this.#wishes.filter((wish) => wish.tag !== tag);
  }

  /** It could not be taken now: it waits for a better moment, together with what came after it. @param {string} tag */
  postpone(tag) {
    const at = this.#wishes.findIndex((wish) => wish.tag === tag);
    if (at >= 0) this.#gather(this.#wishes.splice(at));
  }

  /**
   * The connection is new: whether what was sent has arrived is to be seen in the knobs as they are.
   * @param {Knobs} confirmed
   */
  renew(confirmed) {
    this.#gather(this.#wishes.splice(0), confirmed);
  }

  /** @param {Wish[]} wishes @param {Knobs} [confirmed] */
  #gather(wishes, confirmed) {
    /** @type {Knobs} */
    const knobs = wishes.reduce((all, wish) => laidOver(all, wish.knobs), {});
    for (const name of Object.keys(knobs))
      if (confirmed && JSON.stringify(confirmed[name]) === JSON.stringify(knobs[name])) delete knobs[name];
    if (Object.keys(knobs).length) this.set(knobs);
  }

  /** Knobs with what is wished laid over them. @param {Knobs} knobs */
  over(knobs) {
    return this.#wishes.reduce((all, wish) => laidOver(all, wish.knobs), knobs);
  }
}
