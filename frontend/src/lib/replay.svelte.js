/** A run's record as a film, from its first step to now. Nothing is trained for it. */

const SECONDS = 12; // the film's length at speed 1
const WAIT = 500; // ms, for the pictures of a step
const APART = 70; // ms between two pictures
export const SPEEDS = [0.5, 1, 2, 4];

/**
 * The step at a share of the film. Most happens at the beginning, so it takes more of the time.
 * @param {{first: number, step: number}} run
 * @param {number} share
 */
export const stepAt = ({ first, step }, share) => first + Math.round((step - first) * share ** 2);

export class Replay {
  on = $state(false);
  speed = $state(1);
  /** @type {import('./run.svelte.js').RunView | null} */
  #run = null;
  #share = 0;
  #moved = 0;
  #at = -1;

  /** @param {import('./run.svelte.js').RunView} run */
  toggle(run) {
    if (this.on) return this.stop();
    this.#run = run;
    this.#share = 0;
    this.on = true;
    this.#show(performance.now());
    requestAnimationFrame(this.#tick);
  }

  /** It stays at the step shown. */
  stop() {
    this.on = false;
  }

  /** @param {number} now */
  #tick = (now) => {
    const run = this.#run;
    if (!this.on || !run) return;
    if (run.at !== this.#at) return this.stop(); // the learner went elsewhere
    const since = now - this.#moved;
    if (since >= APART && (run.shownAt === run.at || since > WAIT)) {
      this.#share += (Math.min(since, WAIT) / 1000 / SECONDS) * this.speed;
      if (this.#share >= 1) {
        run.seek(null);
        return this.stop();
      }
      this.#show(now);
    }
    requestAnimationFrame(this.#tick);
  };

  /** @param {number} now */
  #show(now) {
    this.#moved = now;
    this.#run?.seek(stepAt(this.#run, this.#share));
    this.#at = this.#run?.at ?? -1;
    if (this.#at < 0) this.stop();
  }
}
