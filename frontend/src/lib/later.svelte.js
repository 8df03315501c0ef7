/** What is no part of the page's first load. */

/** A part that is loaded once, when it is first asked for. @template T */
export class Later {
  /** Undefined until it has come, null if it could not. Reactive. @type {T | null | undefined} */
  value = $state.raw();
  /** @type {() => Promise<T>} */
  #load;
  /** Not reactive: whoever asks need not know that another did. @type {Promise<void> | null} */
  #asked = null;

  /** @param {() => Promise<T>} load */
  constructor(load) {
    this.#load = load;
  }

  /** Let it come, unless it has. Never fails: who asks next tries again. */
  come() {
    this.#asked ??= this.#load().then(
      (value) => void (this.value = value),
      () => {
        this.value = null;
        this.#asked = null;
      },
    );
    return this.#asked;
  }
}
