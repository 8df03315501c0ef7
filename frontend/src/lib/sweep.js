/** A sweep read from its frames: curves, one per variant, and the result of each value. Pure. */

import { isRate, liveNumbers } from './knobs.js';
import { smooth } from './series.js';

const SMOOTHED = 0.9; // weight of a curve's average; mini-batches scatter
const LAST = 5; // the result is the mean over the last fifth of the steps
const WIDE = 20; // ratio of losses from which on their axis is logarithmic
const WORSE = 0.05; // share of the loss: a smaller rise does not count
const SHOWN = 2.5; // upper end of a linear axis, as a multiple of the better curves' losses

/** @typedef {import('./types.js').SweepFrame} SweepFrame */
/** @typedef {import('./types.js').Knobs} Knobs */

/**
 * @typedef {object} Curve  one variant
 * @property {number} place  in the frame
 * @property {number} value  of the swept knob
 * @property {Knobs} knobs
 * @property {number} order  of mini-batches; 0 is the run's own
 * @property {number} rank  of its value among all values, 0 … 1
 * @property {number} group  its place among `groups`
 * @property {Float32Array} losses  smoothed
 * @property {number} taken  steps for which the loss is known
 * @property {boolean} diverged
 * @property {number} result  so far; NaN if it diverged
 */

/**
 * @typedef {object} Sweep
 * @property {string} run
 * @property {number} step  it began from
 * @property {number} steps  of each variant
 * @property {string} knob
 * @property {string[]} series
 * @property {number} batched  variants trained in one batched step
 * @property {boolean} final
 * @property {Curve[]} curves
 * @property {{others: Knobs, curves: Curve[]}[]} groups  equal in all knobs but the swept one, and the order
 * @property {number} done  steps, of all together
 * @property {number} total
 */

/**
 * @param {SweepFrame} frame
 * @param {number} [series]  which loss
 * @returns {Sweep}
 */
export function read(frame, series = 0) {
  const { knob, steps, batched } = frame.meta;
  /** @type {{knobs: Knobs, order: number}[]} */
  const variants = frame.meta.variants;
  const losses = /** @type {Float32Array} */ (frame.tensors.losses.data);
  const [, count, length] = frame.tensors.losses.shape;
  const values = [...new Set(variants.map((variant) => Number(variant.knobs[knob])))].sort((a, b) => a - b);
  /** @type {Sweep['groups']} */
  const groups = [];
  /** @type {Curve[]} */
  const curves = variants.map((variant, place) => {
    const { [knob]: own, ...others } = variant.knobs;
    const value = Number(own);
    const key = JSON.stringify(others);
    let group = groups.findIndex((known) => JSON.stringify(known.others) === key);
    if (group < 0) group = groups.push({ others, curves: [] }) - 1;
    const from = (series * count + place) * length;
    const measured = losses.subarray(from, from + Number(frame.tensors.taken.data[place]));
    const taken = present(measured);
    const measures = measured.subarray(0, taken);
    const diverged = Boolean(frame.tensors.diverged.data[place]) || taken < measured.length;
    const curve = {
      place,
      value,
      knobs: variant.knobs,
      order: variant.order,
      rank: values.length > 1 ? values.indexOf(value) / (values.length - 1) : 0.5,
      group,
      losses: smooth(measures, SMOOTHED),
      taken,
      diverged,
      result: diverged ? NaN : mean(measures.subarray(taken - Math.ceil(taken / LAST))),
    };
    groups[group].curves.push(curve);
    return curve;
  });
  return {
    run: frame.run,
    step: frame.step,
    steps,
    knob,
    series: frame.meta.series,
    batched,
    final: frame.final === true,
    curves,
    groups,
    done: curves.reduce((sum, { place }) => {
      const over = frame.tensors.diverged.data[place];
      return sum + (over ? steps : Number(frame.tensors.taken.data[place]));
    }, 0),
    total: count * steps,
  };
}

/**
 * The length of a series. One that was measured at every step and then stops has left, like a racer that falls
 * off the map; one that is measured only now and then continues.
 * @param {ArrayLike<number>} values
 */
function present(values) {
  let known = 0;
  while (known < values.length && Number.isFinite(values[known])) known++;
  for (let i = known; i < values.length; i++) if (Number.isFinite(values[i])) return values.length;
  return known > 1 ? known : values.length;
}

/** The finite values' mean. @param {ArrayLike<number>} values */
function mean(values) {
  let sum = 0;
  let known = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) {
      sum += values[i];
      known++;
    }
  }
  return known ? sum / known : NaN;
}

/** The curve with the least result. @param {Sweep} sweep @returns {Curve | null} */
export function best(sweep) {
  const known = sweep.curves.filter((curve) => Number.isFinite(curve.result));
  return known.length ? known.reduce((a, b) => (b.result < a.result ? b : a)) : null;
}

/**
 * The end of the range at which the best value lies, so that a better one may lie beyond.
 * @param {Sweep} sweep
 * @returns {'low' | 'high' | ''}
 */
export function edgeOf(sweep) {
  const top = best(sweep);
  const values = [...new Set(sweep.curves.map((curve) => curve.value))].sort((a, b) => a - b);
  if (!top || values.length < 3) return '';
  return top.value === values[0] ? 'low' : top.value === values.at(-1) ? 'high' : '';
}

/**
 * The first value above the best one whose result is clearly worse than the smallest value's, or that diverged.
 * @param {Sweep} sweep
 * @returns {number | null}
 */
export function breaks(sweep) {
  const top = best(sweep);
  if (!top) return null;
  const own = sweep.groups[top.group].curves
    .filter((curve) => curve.order === top.order)
    .sort((a, b) => a.value - b.value);
  const still = own[0].result;
  const bound = still + Math.max((still - top.result) / 2, WORSE * Math.abs(still));
  return own.find((curve) => curve.value > top.value && !(curve.result <= bound))?.value ?? null;
}

/**
 * The data of the plot of results: the values, ascending, and each group's results, averaged over orders.
 * @param {Sweep} sweep
 * @returns {{x: number[], rows: (number | null)[][]}}
 */
export function results(sweep) {
  const x = [...new Set(sweep.curves.map((curve) => curve.value))].sort((a, b) => a - b);
  const rows = sweep.groups.map(({ curves }) =>
    x.map((value) => {
      const result = mean(curves.filter((curve) => curve.value === value).map((curve) => curve.result));
      return Number.isFinite(result) ? result : null;
    }),
  );
  return { x, rows };
}

/** Its curves, by group, then by value. @param {Sweep} sweep @returns {Curve[]} */
export const inOrder = (sweep) =>
  [...sweep.curves].sort((a, b) => a.group - b.group || a.value - b.value || a.order - b.order);

/**
 * The range of the axis of losses, and whether it is logarithmic.
 * @param {Sweep} sweep
 * @returns {{low: number, high: number, log: boolean}}
 */
export function reach(sweep) {
  let low = Infinity;
  let high = -Infinity;
  let first = -Infinity;
  for (const { losses, result } of sweep.curves) {
    if (result < low) low = result;
    if (losses.length && losses[0] > first) first = losses[0];
    for (const loss of losses) {
      if (loss < low) low = loss;
      if (loss > high && Number.isFinite(loss)) high = loss;
    }
  }
  if (!(low <= high)) return { low: 0, high: 1, log: false };
  const led = sweep.curves.map(({ result }) => result).filter(Number.isFinite);
  led.sort((a, b) => a - b);
  const usual = Math.max(first, led[Math.floor(led.length / 3)] ?? first);
  const up = usual > 0 ? Math.min(high, SHOWN * usual) : high;
  const log = low > 0 && up / low > WIDE;
  return { low, high: log ? Math.min(high, 100 * usual) : up, log };
}

/**
 * The default range of a sweep.
 * @param {import('./types.js').KnobSchema} schema
 * @param {number} value  the knob's
 * @returns {[number, number]}
 */
export function around(schema, value) {
  const low = schema.minimum ?? 0;
  const high = schema.maximum ?? 1;
  if (!schema['x-log'] || !(value > 0)) return [low, high];
  return [Math.max(low, tidy(value / 100)), Math.min(high, tidy(value * 100))];
}

/** Two digits. @param {number} value */
const tidy = (value) => Number(value.toPrecision(2));

/**
 * Live knobs that are numbers, those on a learning rate first.
 * @param {import('./types.js').KnobSchemas} properties  of the knobs' schema
 * @returns {string[]}
 */
export function sweepable(properties) {
  const names = liveNumbers(properties);
  const rates = names.filter((name) => isRate(properties[name]));
  return [...rates, ...names.filter((name) => !rates.includes(name))];
}

/**
 * The loss to show first among several: `lr_g` belongs to `loss/g`.
 * @param {string[]} series
 * @param {string} knob
 */
export const seriesFor = (series, knob) =>
  Math.max(
    0,
    series.findIndex((name) => name.split('/')[1] === knob.split('_')[1]),
  );
