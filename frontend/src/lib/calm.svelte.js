/** Text that changes with every frame, told at a pace at which a screen reader can follow. */

import { untrack } from 'svelte';

/**
 * Call while a component is set up.
 * @param {() => string} compute  may read reactive state
 * @param {number} [interval]  least time between two changes, in ms
 * @returns {{readonly text: string}}
 */
export function calm(compute, interval = 1000) {
  let text = $state(untrack(compute));
  let told = -Infinity;
  $effect(() => {
    const next = compute();
    const tell = () => {
      told = performance.now();
      text = next;
    };
    const wait = told + interval - performance.now();
    if (wait <= 0) return tell();
    const timer = setTimeout(tell, wait);
    return () => clearTimeout(timer);
  });
  return {
    get text() {
      return text;
    },
  };
}
