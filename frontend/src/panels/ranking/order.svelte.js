/** The order of rows: sorted, but updated no more often than a reader can follow. */

import { tick } from 'svelte';

const PAUSE = 1000; // ms between two changes of the order by new values

/**
 * Call while a component is set up.
 * @param {() => {rows: number[], basis: string, held: boolean}} compute  `rows`: their order by the latest values;
 *   `basis`: a change of it reorders at once; `held`: whether the order stays for now
 * @returns {{readonly rows: number[], readonly late: boolean}}  `late`: held back from a better order
 */
export function steadyOrder(compute) {
  let order = $state.raw(/** @type {{rows: number[], basis: string}} */ ({ rows: [], basis: '\u0000' }));
  let changed = -Infinity;
  const latest = $derived(compute());
  const rows = $derived(order.basis === latest.basis ? order.rows : latest.rows);
  const late = $derived(latest.held && rows.some((row, i) => row !== latest.rows[i]));

  $effect(() => {
    const next = latest;
    const put = () => {
      const focused = /** @type {HTMLElement | null} */ (document.activeElement);
      changed = performance.now();
      order = next;
      // A row that moves in the document loses the focus.
      tick().then(() => {
        if (focused?.isConnected && document.activeElement === document.body)
          focused.focus({ preventScroll: true });
      });
    };
    if (order.basis !== next.basis) return put();
    if (next.held || next.rows.every((row, i) => row === order.rows[i])) return;
    const timer = setTimeout(put, Math.max(0, changed + PAUSE - performance.now()));
    return () => clearTimeout(timer);
  });
  return {
    get rows() {
      return rows;
    },
    get late() {
      return late;
    },
  };
}
