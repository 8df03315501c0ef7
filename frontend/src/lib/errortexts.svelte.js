/** What is said of refused requests. It comes with the first refusal, or once the first picture is there. */

import { add } from '../messages/index.js';

class ErrorTexts {
  /** Whether they have come, or could not be had. Reactive. */
  settled = $state(false);
  /** @type {Promise<void> | null} */
  #asked = null;

  /** Let them come, unless they have. Never fails: without them an error tells what the server said. */
  come() {
    this.#asked ??= import('../messages/errors.js')
      .then(
        ({ default: texts }) => add(texts),
        () => void (this.#asked = null), // asked for again by the next refusal
      )
      .finally(() => (this.settled = true));
    return this.#asked;
  }
}

export const errorTexts = new ErrorTexts();
