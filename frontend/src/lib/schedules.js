/** Schedules of a knob: the settings of each kind, and lines drawn by hand. No DOM. */

/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {{kind: string, start?: number | null} & Record<string, unknown>} Schedule */

/** @typedef {'every' | 'factor' | 'steps' | 'low' | 'peak' | 'rise' | 'growth' | 'warm' | 'window' | 'patience'} Setting */

/** The settings of each kind, in the order they are shown. @type {Record<string, Setting[]>} */
export const SETTINGS = {
  constant: [],
  step: ['every', 'factor'],
  exponential: ['every', 'factor'],
  cosine: ['steps', 'low'],
  restarts: ['every', 'growth', 'low'],
  warmup: ['steps', 'low'],
  'one-cycle': ['steps', 'peak', 'low', 'rise'],
  'inverse-sqrt': ['warm'],
  plateau: ['window', 'patience', 'factor'],
  drawn: [],
};
export const KINDS = Object.keys(SETTINGS);
export const WHOLE = ['every', 'steps', 'growth', 'warm', 'window', 'patience'];
const MOST_POINTS = 256; // of a drawn line
const PAST = 200; // points of a knob's past values

/**
 * Initial settings.
 * @param {string} kind
 * @param {number} value  of the knob now
 * @param {[number, number]} range  of the knob
 * @param {number} ahead  steps to look ahead
 * @returns {Schedule}
 */
export function suggest(kind, value, [lowest, highest], ahead) {
  const within = (/** @type {number} */ wish) =>
    Number(Math.min(highest, Math.max(lowest, wish)).toPrecision(2));
  const low = within(value / 100);
  const part = (/** @type {number} */ share) => Math.max(1, Math.round(ahead * share));
  /** @type {Record<Setting, number>} */
  const settings = {
    every: part(kind === 'restarts' ? 0.2 : 0.25),
    factor: 0.5,
    steps: part(kind === 'warmup' ? 0.2 : 0.9),
    low,
    growth: 2,
    peak: within(value * 3),
    rise: 0.3,
    warm: part(0.1),
    window: 50,
    patience: 5,
  };
  return { kind, ...Object.fromEntries(SETTINGS[kind].map((name) => [name, settings[name]])) };
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
  const before = begins > 1 ? [[0, value], [begins - 1, value]] : begins === 1 ? [[0, value]] : []; // prettier-ignore
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
