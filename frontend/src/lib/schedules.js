/** Schedules of a knob: the settings of each kind, and lines drawn by hand. No DOM. */

/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {{kind: string, start?: number | null} & Record<string, unknown>} Schedule */

/** @typedef {import('../net/server.js').Setting} Setting */

const MOST_POINTS = 256; // of a drawn line
const PAST = 200; // points of a knob's past values

/**
 * Initial settings: those the server suggests, from the knob's value and the steps ahead.
 * @param {Setting[]} settings  of the kind
 * @param {number} value  of the knob now
 * @param {[number, number]} range  of the knob
 * @param {number} ahead  steps to look ahead
 * @returns {Record<string, number>}
 */
export function suggest(settings, value, [lowest, highest], ahead) {
  const suggested = settings.map(({ name, amount, of, whole }) => {
    if (of === 'value')
      return [name, Number(Math.min(highest, Math.max(lowest, amount * value)).toPrecision(2))];
    const found = of === 'ahead' ? amount * ahead : amount;
    return [name, whole ? Math.max(1, Math.round(found)) : found];
  });
  return Object.fromEntries(suggested);
}

/**
 * A drawn line with one more point; earlier points to its right are removed.
 * @param {[number, number][]} points  [steps, value], steps ascending
 * @param {number} n
 * @param {number} value
 * @returns {[number, number][]}
 */
export function drawnOn(points, n, value) {
  const before = points.filter(([other]) => other < n);
  /** @type {[number, number][]} */
  const line = [...before, [n, value]];
  return line.length > MOST_POINTS ? line.filter((_, i) => i % 2 === 0 || i === line.length - 1) : line;
}

/**
 * A line that the pen begins some steps ahead: until then the current value holds.
 * @param {[number, number][]} points
 * @param {number} value  now
 * @returns {[number, number][]}
 */
export function heldUntil(points, value) {
  const begins = points[0]?.[0] ?? 0;
  /** @type {[number, number][]} */
  const before = begins > 1 ? [[0, value], [begins - 1, value]] : begins > 0 ? [[0, value]] : []; // prettier-ignore
  return [...before, ...points];
}

/**
 * A line as text: `0 0.1, 500 0.01`.
 * @param {[number, number][]} points
 */
export const written = (points) =>
  points.map(([n, value]) => `${n} ${Number(value.toPrecision(3))}`).join(', ');

/**
 * A knob's past values, from a run's first step to now: as measured while it followed a schedule, else as set.
 * @param {{steps: ArrayLike<number>, values: ArrayLike<number>}} measured  NaN where nothing was measured
 * @param {{step: number, value: number}[]} changes  the first at the first step
 * @param {number} first  step
 * @param {{step: number, value: number}} now
 * @returns {[number, number][]}
 */
export function pastOf({ steps, values }, changes, first, now) {
  const stride = Math.max(1, Math.floor(now.step / PAST));
  /** @type {[number, number][]} */
  const points = [];
  let row = 0;
  let at = 0;
  for (let step = first; step <= now.step; step += stride) {
    while (row < steps.length - 1 && steps[row] < step) row++;
    while (at < changes.length - 1 && changes[at + 1].step <= step) at++;
    const value = steps.length ? values[row] : NaN;
    points.push([step, Number.isFinite(value) ? value : changes[at].value]);
  }
  return [...points, [now.step, now.value]];
}

/**
 * The schedules among the values of knobs, by knob.
 * @param {Knobs} knobs
 */
export const schedulesOf = (knobs) => /** @type {Record<string, Schedule>} */ (knobs.schedules ?? {});

/**
 * Schedules for a new run: restarted at its first step.
 * @param {Knobs} knobs
 * @returns {Knobs}
 */
export function anew(knobs) {
  if (!knobs.schedules) return knobs;
  const schedules = Object.fromEntries(
    Object.entries(schedulesOf(knobs)).map(([name, { kind, ...settings }]) => {
      const rest = Object.entries(settings).filter(([setting]) => setting !== 'state');
      return [name, { kind, ...Object.fromEntries(rest), start: null }];
    }),
  );
  return { ...knobs, schedules };
}
