/**
 * Knobs set here and not confirmed yet: kept until the server accepts or refuses them, across lost
 * connections too. The page shows the last confirmed knobs with these merged over them. No DOM.
 */

import { laidOver } from './knobs.js';

/** @typedef {import('./types.js').Knobs} Knobs */

const MOST_SENT = 4; // commands in flight; on a slow connection the rest are merged into one

/** @typedef {{tag: string, knobs: Knobs, sent: boolean}} Wish */

export class Pending {
  /** In order of creation; unsent knobs are merged into one, the last. @type {Wish[]} */
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

  /** The next command to send, marked as sent; null if none may be sent. @returns {Wish | null} */
  next() {
    const wish = this.#wishes.find((one) => !one.sent);
    if (!wish || this.#wishes.length > MOST_SENT) return null;
    wish.sent = true;
    return wish;
  }

  /** Drop a command that the server accepted or refused. @param {string} tag */
  answered(tag) {
    this.#wishes = this.#wishes.filter((wish) => wish.tag !== tag);
  }

  /** Requeue a command that the server could not accept now, merged with the later ones. @param {string} tag */
  postpone(tag) {
    const at = this.#wishes.findIndex((wish) => wish.tag === tag);
    if (at >= 0) this.#gather(this.#wishes.splice(at));
  }

  /**
   * Call after a reconnect: requeue all knobs but those that `confirmed` shows to have arrived.
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

  /** Knobs with the pending ones merged over them. @param {Knobs} knobs */
  over(knobs) {
    return this.#wishes.reduce((all, wish) => laidOver(all, wish.knobs), knobs);
  }
}
