/** Passes over the training data, which take more or fewer steps as batches change. Pure. */

/** @typedef {{step: number, epoch: number, each: number}} Count  `epoch` at `step`; from there one in `each` steps */

/**
 * The counts with an event's count appended, unless it changes nothing.
 * @param {Count[]} counts
 * @param {{step: number, epoch?: number | null, steps_per_epoch?: number | null}} event
 * @returns {Count[]}
 */
export function counted(counts, { step, epoch, steps_per_epoch: each }) {
  if (epoch === null || epoch === undefined || !each) return counts;
  if (counts.at(-1)?.each === each && Math.abs((epochAt(counts, step) ?? 0) - epoch) < 1e-6 * (1 + epoch))
    return counts;
  return [...counts, { step, epoch, each }];
}

/**
 * Epochs done after `step` steps; null if unknown.
 * @param {Count[]} counts  by step
 * @param {number} step
 */
export function epochAt(counts, step) {
  const last = counts.findLast((count) => count.step <= step) ?? counts[0];
  return last ? last.epoch + (step - last.step) / last.each : null;
}
