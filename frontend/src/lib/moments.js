/** How long a run had trained after each of its steps, by what it tells now and then. Pure. */

/** @typedef {{step: number, seconds: number, before: number}} Moment  `before`: of these, trained in earlier processes */

/**
 * The moments with an event's appended. Seconds begin at 0 again where an interrupted run goes on; here they do not.
 * @param {Moment[]} moments  by step
 * @param {{step: number, seconds: number}} event
 * @returns {Moment[]}
 */
export function timed(moments, { step, seconds }) {
  const last = moments.at(-1);
  if (!last) return [{ step, seconds, before: 0 }];
  if (step < last.step) return moments; // told a second time
  const before = seconds < last.seconds - last.before ? last.seconds : last.before;
  if (step === last.step && before + seconds <= last.seconds) return moments;
  return [...moments, { step, seconds: before + seconds, before }];
}

/**
 * Seconds trained after `step` steps: linear between two moments, and beyond the last as fast as before it.
 * @param {Moment[]} moments  two or more
 * @param {number} step
 */
export const secondsAt = (moments, step) => between(moments, 'step', 'seconds', step);

/**
 * The step after which so many seconds had been trained: the inverse of `secondsAt`.
 * @param {Moment[]} moments
 * @param {number} seconds
 */
export const stepAt = (moments, seconds) => between(moments, 'seconds', 'step', seconds);

/**
 * @param {Moment[]} moments
 * @param {'step' | 'seconds'} from
 * @param {'step' | 'seconds'} to
 * @param {number} value
 */
function between(moments, from, to, value) {
  let low = 0;
  let high = moments.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (moments[middle][from] <= value) low = middle;
    else high = middle;
  }
  const [a, b] = [moments[low], moments[high]];
  const length = b[from] - a[from];
  return length > 0 ? a[to] + (Math.max(0, value - a[from]) / length) * (b[to] - a[to]) : b[to];
}
