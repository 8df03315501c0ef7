/** Earlier frames of a panel, few enough to keep: a film of the run. No DOM. */

/** @typedef {import('../../lib/types.js').PanelFrame<'images'>} Frame */

/**
 * The first frame, the newest, and between them fewer the further they lie from both ends: the distances between
 * neighbours grow in proportion to the distance from the nearer end. A run changes most at its beginning, and the
 * learner has just seen its end.
 */
export class Film {
  #limit;
  /** @type {Frame[]} by step, ascending */
  #frames = [];

  /** @param {number} [limit]  frames kept, at least 3 */
  constructor(limit = 24) {
    this.#limit = limit;
  }

  /** By step, ascending. */
  get frames() {
    return this.#frames;
  }

  /** @param {number} step */
  at(step) {
    return this.#frames.find((frame) => frame.step === step) ?? null;
  }

  /**
   * Keep a frame. One with a step already kept takes its place; an earlier one (a replay) is passed over.
   * @param {Frame} frame
   */
  add(frame) {
    const last = this.#frames.at(-1);
    if (last && frame.step < last.step) return;
    const kept = last?.step === frame.step ? this.#frames.slice(0, -1) : this.#frames;
    this.#frames = [...kept, frame];
    if (this.#frames.length > this.#limit) this.#frames.splice(this.#leastMissed(), 1);
  }

  /**
   * Insert frames from before the first one kept.
   * @param {Frame[]} frames  by step, ascending
   */
  precede(frames) {
    const first = this.#frames[0]?.step ?? Infinity;
    this.#frames = [...frames.filter((frame) => frame.step < first), ...this.#frames];
    while (this.#frames.length > this.#limit) this.#frames.splice(this.#leastMissed(), 1);
  }

  /** The index of the frame to drop: the one that leaves the smallest gap relative to its position. */
  #leastMissed() {
    const steps = this.#frames.map((frame) => frame.step);
    const first = steps[0];
    const last = steps[steps.length - 1];
    let least = Infinity;
    let found = 1;
    for (let i = 1; i < steps.length - 1; i++) {
      const hole = (steps[i + 1] - steps[i - 1]) / Math.min(steps[i + 1] - first, last - steps[i - 1]);
      if (hole < least) {
        least = hole;
        found = i;
      }
    }
    return found;
  }
}

/** @type {WeakMap<object, Map<string, Film>>} */
const films = new WeakMap();

/**
 * The film of a run's panel: the same one each time, so that it outlives the panel's time on screen.
 * @param {object} run
 * @param {string} panel
 * @returns {Film}
 */
export function filmOf(run, panel) {
  const ofRun = films.get(run) ?? new Map();
  films.set(run, ofRun);
  if (!ofRun.has(panel)) ofRun.set(panel, new Film());
  return ofRun.get(panel);
}
