/** Throttles a value that changes with every frame, for the eye and for the DOM. */

import { untrack } from 'svelte';

/**
 * Call while a component is set up. The first and the last value are always shown.
 * @template T
 * @param {() => T} compute  may read reactive state
 * @param {(next: T) => number} interval  least time before it is shown after the one before, in ms
 * @returns {{readonly current: T}}
 */
export function paced(compute, interval) {
  let current = $state.raw(untrack(compute));
  let changed = -Infinity;
  $effect(() => {
    const next = compute();
    const show = () => {
      changed = performance.now();
      current = next;
    };
    const wait = changed + interval(next) - performance.now();
    if (wait <= 0) return show();
    const timer = setTimeout(show, wait);
    return () => clearTimeout(timer);
  });
  return {
    get current() {
      return current;
    },
  };
}
