/** The paces a learner can choose, in steps per second; null is as many as there can be. Pure. */

export const PACES = [1, 5, 15, 30, 60, 120, 250, 1000];

/** The next slower pace. @param {number | null} pace @param {number | null} rate  at which it trains now */
export function slower(pace, rate) {
  const now = pace ?? rate ?? Infinity;
  return PACES.findLast((other) => other < now) ?? PACES[0];
}

/** The next faster pace, at the end null. @param {number | null} pace */
export const faster = (pace) => (pace === null ? null : (PACES.find((other) => other > pace) ?? null));

/** A pace in words: the end of a message's key. @param {number | null} pace */
export function wordOf(pace) {
  if (pace === null) return 'fastest';
  if (pace <= 2) return 'single';
  if (pace <= 15) return 'slow';
  return pace <= 60 ? 'steady' : 'quick';
}
