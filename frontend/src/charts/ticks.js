/** The ticks of a logarithmic axis. Pure. */

const MOST = 6; // more of them make a grey ground of a range of many decades

/**
 * Powers of ten between `low` and `high`, evenly thinned; within two decades also their 2- and 5-fold.
 * @param {number} low  greater than 0
 * @param {number} high
 * @param {number} [most]  powers, about
 * @returns {number[]}
 */
export function logSplits(low, high, most = MOST) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const stride = Math.max(1, Math.ceil((last - first + 1) / most));
  const factors = last - first < 2 ? [1, 2, 5] : [1];
  /** @type {number[]} */
  const splits = [];
  for (let power = Math.ceil((first - 1) / stride) * stride; power <= last; power += stride) {
    for (const factor of factors) {
      const tick = factor * 10 ** power;
      if (tick >= low && tick <= high) splits.push(tick);
    }
  }
  return splits;
}
