/**
 * A run's knobs as the page shows them: those the server confirmed with what was set here merged over them, or those
 * of a past step with the ones wanted for a branch; and how they changed.
 */

import { touches } from '../changes.js';
import { changed, laidOver, looksOf } from '../knobs.js';
import { Pending } from '../pending.js';
import { schedulesOf } from '../schedules.js';

/** @typedef {import('../types.js').Knobs} Knobs */

export class RunKnobs {
  /** @type {Knobs} */
  shown = $state.raw({});
  /** Knobs that a branch from the step shown would set. @type {Knobs} */
  wanted = $state.raw({});
  /** @type {import('../changes.js').Change[]} */
  changes = $state.raw([]);
  /** The step of the last change that affected training; 0 if there was none. */
  touched = $state(0);

  #run;
  /** @type {Knobs} */
  #confirmed;
  /** The knobs according to the events applied so far. @type {Knobs} */
  #told;
  #pending = new Pending();

  /**
   * @param {Knobs} began  the knobs that the run began with
   * @param {Knobs} now
   * @param {{at: number | null, experiment: import('../types.js').Experiment}} run
   */
  constructor(began, now, run) {
    this.began = this.#told = began;
    this.shown = this.#confirmed = now;
    this.#run = run;
  }

  /** Knobs set after the end, for the next run. */
  get wishes() {
    return this.#pending.over({});
  }

  show() {
    const { at } = this.#run;
    this.shown = at === null ? this.#pending.over(this.#confirmed) : laidOver(this.at(at), this.wanted);
  }

  /** The knobs at a step; look knobs, which do not affect training, with their current values. @param {number} step */
  at(step) {
    const looks = looksOf(this.#run.experiment).map((name) => [name, this.#confirmed[name]]);
    const knobs = { ...this.began, ...Object.fromEntries(looks) };
    for (const change of this.changes) if (change.step <= step) Object.assign(knobs, change.knobs);
    return knobs;
  }

  /**
   * Set knobs: shown at once, even offline; at a past step they wait for a branch, after the end for a new run.
   * @param {Knobs} values
   * @returns {boolean} whether there is something to send
   */
  set(values) {
    const held = Object.keys(values).some((name) => schedulesOf(this.shown)[name]);
    if (!held && !changed(this.shown, values).length) return false;
    if (this.#run.at !== null) this.wanted = laidOver(this.wanted, values);
    else this.#pending.set(values);
    this.show();
    return !this.#pending.empty;
  }

  /** The next change to send, marked as sent; null if none may be sent. */
  next() {
    return this.#pending.next();
  }

  /** The connection is back: what has not arrived is sent again. @param {Knobs} now */
  renew(now) {
    this.#confirmed = now;
    this.#pending.renew(now);
    this.show();
  }

  /** The server accepted a change, or refused it. @param {string} tag */
  answered(tag) {
    this.#pending.answered(tag);
    this.show();
  }

  /** The server could not accept a change now. @param {string} tag */
  postpone(tag) {
    this.#pending.postpone(tag);
    this.show();
  }

  /** The server confirmed these values, and `now` as all there are. @param {Knobs} values @param {Knobs} [now] */
  confirm(values, now) {
    this.#confirmed = now ?? { ...this.#confirmed, ...values };
    this.show();
  }

  /** Knobs changed in training. @param {{step: number, knobs: Knobs}} event @param {boolean} old  from before this page connected */
  note({ step, knobs }, old) {
    this.changes = [...this.changes, { step, knobs, time: old ? undefined : performance.now() }];
    if (touches(this.#run.experiment, this.#told, knobs)) this.touched = step;
    this.#told = { ...this.#told, ...knobs };
  }

  /** Training was changed otherwise than by a knob. @param {number} step */
  touch(step) {
    this.touched = Math.max(this.touched, step);
  }

  /** At another step, a branch would change nothing yet. */
  moved() {
    this.wanted = {};
    this.show();
  }
}
