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

  /** Whether runs train on a cluster, so that they do not slow each other. */
  cluster = $derived(this.me?.cluster ?? false);

  /** Whether one may train at all, if only runs of one's own. */
  trains = $derived(!this.guarded || this.me?.role === 'teacher' || this.me?.role === 'learner');

  /** Whether one may change what somebody has made, as the server sees it. @param {string} owner */
  mayCommand(owner) {
    return this.trains && (this.me?.role !== 'learner' || this.me.id === owner);
  }

  /** Ask the server. Without an answer, as before. */
  async ask() {
    this.me = await getMe().catch(() => this.me);
  }
}

export const myself = new Myself();
