/** Who uses this page, on a server that asks for keys. */

import { getMe } from './api.js';

/** @typedef {import('../net/server.js').components['schemas']['Me']} Me */

class Myself {
  /** Null until the server has said it. @type {Me | null} */
  me = $state.raw(null);
  /** Whether this server asks for keys. */
  guarded = $derived(this.me?.guarded ?? false);
  /** Whether one has to come in first. */
  outside = $derived(this.guarded && !this.me?.role);

  /** Ask the server. Without an answer, as before. */
  async ask() {
    this.me = await getMe().catch(() => this.me);
  }
}

export const myself = new Myself();
