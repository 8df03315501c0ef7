/** The devices that this server offers. */

import { getHealth } from './api.js';

class Devices {
  /** By the names that a new run takes, without `auto`; none before the server has said it. @type {string[]} */
  all = $state.raw([]);
  #asked = false;

  /** Ask the server, once. */
  async ask() {
    if (this.#asked) return;
    this.#asked = true;
    const health = await getHealth().catch(() => null);
    this.all = health?.devices ?? [];
    this.#asked = health !== null;
  }
}

export const devices = new Devices();
