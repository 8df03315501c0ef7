/** A past step of a run that is shown, with what was recorded of it. */

import { getKept, getMoment, getScalars } from '../api.js';
import { refusal } from '../refusal.js';

/**
 * @typedef {object} Shown  the run, as far as its past needs it
 * @property {string} id
 * @property {number} first  its first step
 * @property {import('../series.js').ScalarStore} scalars
 * @property {import('../types.js').Refusal | null} error
 * @property {{panels: string[]}} watching
 * @property {Map<string, import('../types.js').Picture>} frames
 */

export class Past {
  /** The step shown; null: the present. @type {number | null} */
  at = $state(null);
  /** The step whose pictures are all loaded. @type {number | null} */
  shownAt = $state(null);

  #run;
  /** Scalars of a step that this page holds thinned only. @type {{step: number, values: Record<string, number | null>} | null} */
  #fetched = $state.raw(null);
  #seeking = false;
  #asking = false;

  /** @param {Shown} run */
  constructor(run) {
    this.#run = run;
  }

  /** @param {number | null} at */
  show(at) {
    this.at = at;
    this.shownAt = null;
    this.fetch();
    this.#fetchScalars();
  }

  /** A panel came on screen: its picture of the step is missing. */
  miss() {
    if (this.at === null) return;
    this.shownAt = null;
    queueMicrotask(() => this.fetch());
  }

  /** Fetch the pictures of the step; during a request only the latest step is remembered. */
  async fetch() {
    if (this.#seeking) return;
    const run = this.#run;
    this.#seeking = true;
    try {
      let wish = '';
      while (this.at !== null && run.watching.panels.length && wish !== `${this.at} ${run.watching.panels}`) {
        const { at } = this;
        const { panels } = run.watching;
        wish = `${at} ${panels}`;
        const frames = await getMoment(run.id, at, panels);
        if (this.at === null) break;
        for (const frame of frames) {
          if (run.frames.get(frame.panel)?.seq !== frame.seq) run.frames.set(frame.panel, frame);
        }
        this.shownAt = at;
        run.error = null;
      }
    } catch (error) {
      run.error = refusal(error);
    } finally {
      this.#seeking = false;
    }
  }

  /** Fetch the scalars of the step, if this page holds it thinned only. */
  async #fetchScalars() {
    if (this.#asking) return;
    const run = this.#run;
    this.#asking = true;
    try {
      while (
        this.at !== null &&
        this.at > run.first && // before that nothing was measured
        !run.scalars.has(this.at - 1) &&
        this.#fetched?.step !== this.at - 1
      ) {
        const step = this.at - 1;
        const table = await getScalars(run.id, step, step);
        const values = Object.entries(table).map(([name, column]) => [name, column[0] ?? null]);
        this.#fetched = { step, values: Object.fromEntries(values) };
      }
    } catch (error) {
      run.error = refusal(error);
    } finally {
      this.#asking = false;
    }
  }

  /** The value of a scalar at the step. @param {string} name */
  valueOf(name) {
    const step = (this.at ?? 0) - 1;
    const exact = this.#fetched?.step === step ? this.#fetched.values[name] : null;
    return exact ?? this.#run.scalars.valueAt(name, step);
  }
}

/**
 * Recorded pictures of a panel, spread evenly over the run, the oldest first.
 * @param {string} run  its id
 * @param {string} panel
 * @param {number} most
 */
export async function recorded(run, panel, most) {
  const steps = (await getKept(run)).frames[panel] ?? [];
  const spread = Math.min(most, steps.length);
  const chosen = Array.from({ length: spread }, (_, i) => steps[Math.floor((i * steps.length) / spread)]);
  return (await Promise.all(chosen.map((step) => getMoment(run, step, [panel])))).flat();
}
