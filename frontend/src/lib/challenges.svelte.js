/** A learner at the challenges of an experiment: which is tried, how it goes, what is solved. No DOM. */

import { checkChallenges, getSolved } from './api.js';
import { defaultsOf } from './presets.js';
import { bounded, holds } from './story.js';

const AGAIN = 2000; // ms until a run that seems to have done it is checked again: its record may lag behind

/** @typedef {import('../net/server.js').Challenge} Challenge */
/** @typedef {import('../net/server.js').SolvedChallenge} Solved */
/** @typedef {import('./run.svelte.js').RunView} RunView */
/** @typedef {import('./types.js').Knobs} Knobs */

/**
 * Whether knobs keep a rule, as `descent/tasks.py` has it.
 * @param {Challenge['rules'][number]} rule
 * @param {Knobs} knobs
 */
export function kept(rule, knobs) {
  const value = /** @type {any} */ (knobs[rule.knob]);
  if (!rule.total) return holds([rule], /** @type {any} */ ({ knobs }));
  return bounded(
    rule,
    value.reduce((/** @type {number} */ sum, /** @type {number} */ one) => sum + one, 0),
  );
}

/** Stars that being done after so many steps earns. @param {Challenge} challenge @param {number} step */
export const starsAt = ({ within }, step) => within.filter((most) => step <= most).length;

/** Stars as signs. @param {number} n */
export const signs = (n) => '★'.repeat(n) + '☆'.repeat(3 - n);

export class Challenges {
  /** @type {Challenge[]} */
  all = $state.raw([]);
  /** By id. @type {Record<string, Solved>} */
  solved = $state.raw({});
  shown = $state(false);
  /** The one shown. */
  at = $state(0);
  hinted = $state(false);

  one = $derived(this.all.at(this.at) ?? null);
  done = $derived(this.one ? this.solved[this.one.id] : undefined);
  stars = $derived(this.all.reduce((sum, { id }) => sum + (this.solved[id]?.stars ?? 0), 0));

  #id;
  /** When a run may be checked again, ms. @type {Map<string, number>} */
  #next = new Map();

  /** @param {string} id  of the experiment */
  constructor(id) {
    this.#id = id;
  }

  /** In the page's language. @param {Challenge[]} all */
  tell(all) {
    const first = !this.all.length;
    this.all = all;
    if (first && all.length)
      getSolved().then(
        (found) => this.#take(found),
        () => {}, // as if none were solved yet
      );
  }

  /** @param {Solved[]} found */
  #take(found) {
    const own = found.filter(({ experiment }) => experiment === this.#id);
    this.solved = { ...this.solved, ...Object.fromEntries(own.map((one) => [one.challenge, one])) };
  }

  /** Show a challenge; by its id, or where one left off. @param {string} [id] */
  show(id) {
    const at = this.all.findIndex((one) => (id ? one.id === id : !this.solved[one.id]));
    this.shown = this.all.length > 0;
    this.turn(Math.max(0, at));
  }

  /** @param {number} at */
  turn(at) {
    this.at = at;
    this.hinted = false;
  }

  /** The knobs that the one shown begins with. @param {import('./types.js').Experiment} experiment @returns {Knobs} */
  startOf(experiment) {
    return { ...defaultsOf(experiment), ...this.one?.start };
  }

  /**
   * How a run goes: `done` with this run, `broken` by a rule, `late`, or on its `way` to so many stars.
   * @param {RunView} run
   * @returns {{state: 'done' | 'broken' | 'late' | 'way', stars: number}}
   */
  standing(run) {
    const { one, done } = this;
    if (!one) return { state: 'late', stars: 0 };
    if (done?.run === run.id) return { state: 'done', stars: done.stars };
    if (one.rules.some((rule) => !kept(rule, run.knobs))) return { state: 'broken', stars: 0 };
    const stars = starsAt(one, run.step + 1);
    return { state: stars ? 'way' : 'late', stars };
  }

  /** Have the server check a run that seems to have done something. @param {RunView} run */
  follow(run) {
    if (run.at !== null || !run.step) return;
    const asks = this.all.some((one) => this.#seemsDone(one, run));
    if (!asks || (this.#next.get(run.id) ?? 0) > Date.now()) return;
    this.#next.set(run.id, Infinity);
    checkChallenges(run.id).then(
      (found) => {
        this.#take(found);
        this.#next.set(run.id, Date.now() + AGAIN);
      },
      () => this.#next.set(run.id, Date.now() + 10 * AGAIN), // somebody else's, or it is gone
    );
  }

  /** @param {Challenge} one @param {RunView} run */
  #seemsDone(one, run) {
    const better = starsAt(one, run.step) > (this.solved[one.id]?.stars ?? 0);
    const values = /** @type {any} */ ({ scalar: (/** @type {string} */ name) => run.scalars.latest(name) });
    return better && one.rules.every((rule) => kept(rule, run.knobs)) && holds(one.done, values);
  }
}
