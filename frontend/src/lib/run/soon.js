/** Work due with the next animation frame, once however often it is asked for. A hidden page, which gets none, does it at once. */

export class Soon {
  #act;
  #due = false;

  /** @param {() => void} act */
  constructor(act) {
    this.#act = act;
  }

  ask() {
    if (this.#due) return;
    this.#due = true;
    if (document.hidden) queueMicrotask(this.now);
    else requestAnimationFrame(this.now);
  }

  /** Do it now, if it is due: the page was hidden. */
  now = () => {
    if (!this.#due) return;
    this.#due = false;
    this.#act();
  };
}
