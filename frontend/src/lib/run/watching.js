/** The panels on screen, which the server is asked to compute: none while the page is hidden or shows the past. */

const MAX_FPS = 30;
const CALM_FPS = 2; // with reduced motion: an unstable picture must not flash

export class Watching {
  /** @type {Set<string>} */
  #panels = new Set();
  #due = false;
  #stream;
  #past;

  /**
   * @param {import('../stream.js').Stream} stream
   * @param {() => boolean} past  whether a past step is shown
   */
  constructor(stream, past) {
    this.#stream = stream;
    this.#past = past;
  }

  get panels() {
    return [...this.#panels];
  }

  /**
   * A panel came on screen, or left it.
   * @param {string} panel
   * @param {boolean} visible
   * @returns {boolean} whether that is news
   */
  set(panel, visible) {
    if (visible === this.#panels.has(panel)) return false;
    if (visible) this.#panels.add(panel);
    else this.#panels.delete(panel);
    if (!this.#due) {
      this.#due = true;
      queueMicrotask(this.send);
    }
    return true;
  }

  send = () => {
    this.#due = false;
    const fps = matchMedia('(prefers-reduced-motion: reduce)').matches ? CALM_FPS : MAX_FPS;
    this.#stream.watch(document.hidden || this.#past() ? [] : this.panels, fps);
  };
}
