/** Text that changes with every frame, throttled for screen readers. */

import { paced } from './paced.svelte.js';

/**
 * Call while a component is set up.
 * @param {() => string} compute  may read reactive state
 * @param {number} [interval]  least time between two changes, in ms
 * @returns {{readonly text: string}}
 */
export function calm(compute, interval = 1000) {
  const told = paced(compute, () => interval);
  return {
    get text() {
      return told.current;
    },
  };
}
