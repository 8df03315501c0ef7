/** A learner who predicts before seeing: the question, the guess, and what the run then decided. No DOM. */

import { verdictOf } from './api.js';
import { refusal } from './refusal.js';

const AGAIN = 400; // ms until a run is asked again whose last steps are not recorded yet

/** @typedef {import('../net/server.js').Question} Question */
/** @typedef {import('../net/server.js').components['schemas']['Verdict']} Verdict */
/** @typedef {import('./classroom.svelte.js').Guess} Guess */
/** @typedef {import('./run.svelte.js').RunView} RunView */

export class Questions {
  /** @type {Question[]} */
  all = $state.raw([]);
  shown = $state(false);
  /** The one shown. */
  at = $state(0);
  /** @type {Guess | null} */
  mine = $state.raw(null);
  /** The run that is to decide, while and after it trains. */
  run = $state('');
  /** @type {Verdict | null} */
  verdict = $state.raw(null);
  /** Why the run cannot decide. @type {import('./types.js').Refusal | null} */
  problem = $state.raw(null);

  one = $derived(this.all.at(this.at) ?? null);

  /** @param {string} [id] */
  show(id) {
    const at = this.all.findIndex((one) => one.id === id);
    this.shown = true;
    this.turn(Math.max(0, at));
  }

  /** @param {number} at */
  turn(at) {
    this.at = at;
    this.mine = this.verdict = this.problem = null;
    this.run = '';
  }

  /** A run that has come to the question's step says what was right. @param {RunView} run */
  async decide(run) {
    const { one, mine } = this;
    if (!one || mine === null || this.run !== run.id || this.verdict) return;
    try {
      const found = await verdictOf(run.id, one.id, mine);
      if (this.run === run.id) this.verdict = found;
    } catch (error) {
      const why = refusal(error);
      if (why.params?.reason === 'early') setTimeout(() => this.decide(run), AGAIN);
      else if (this.run === run.id) this.problem = why;
    }
  }
}
