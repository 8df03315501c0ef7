/** Names and results of a sweep's curves, in the page's language. */

import { count, number } from '../../lib/format.js';
import { t } from '../../lib/i18n.svelte.js';
import { edgeOf } from '../../lib/sweep.js';

/** @typedef {import('../../lib/sweep.js').Curve} Curve */
/** @typedef {import('../../lib/sweep.js').Sweep} Sweep */
/** @typedef {import('../../lib/types.js').KnobSchemas} Properties */

/** The label of the axis of a knob's values. @param {import('../../lib/types.js').KnobSchema} schema @returns {string} */
export const symbolOf = (schema) => schema['x-symbol']?.split('_')[0] || schema.title;

/**
 * The values of the other knobs that a group of curves has.
 * @param {import('../../lib/types.js').Knobs} others
 * @param {Properties} properties
 * @returns {string[]}
 */
const valuesOf = (others, properties) =>
  Object.entries(others).map(([name, value]) => {
    const text = String(value);
    return properties[name]['x-options']?.[text] ?? text;
  });

/** One title per group of curves. @param {Sweep} sweep @param {Properties} properties */
export const groupTitles = (sweep, properties) =>
  sweep.groups.map(({ others }) => valuesOf(others, properties).join(' · '));

/** @param {Curve} curve @param {Sweep} sweep @param {Properties} properties */
export function nameOf(curve, sweep, properties) {
  const value = `${symbolOf(properties[sweep.knob])} ${number(curve.value)}`;
  const others = valuesOf(sweep.groups[curve.group].others, properties);
  const order = sweep.curves.some((one) => one.order) ? [t('sweep.order', { n: curve.order + 1 })] : [];
  return [value, ...others, ...order].join(' · ');
}

/** The result of a curve, in words. @param {Curve} curve */
export const resultOf = ({ diverged, result, taken }) => (diverged ? gone(taken) : reading(result, taken));

/** The loss of a curve at `index`, in words. @param {Curve} curve @param {number} index */
export function readingAt({ diverged, losses, taken }, index) {
  const at = Math.min(index, taken - 1);
  return diverged && at === taken - 1 ? gone(taken) : reading(losses[at], at + 1);
}

/** @param {number} taken  steps */
const gone = (taken) => t('sweep.diverged', { steps: count(taken) });
/** @param {number} loss @param {number} taken  steps */
const reading = (loss, taken) => t('sweep.read', { loss: number(loss), steps: count(taken) });

/** The sweep's progress, and whether a better value may lie beyond its range. @param {import('./sweeper.svelte.js').Sweeper} sweeper */
export function statusOf({ waiting, crowded, sweep, fields, early }) {
  if (waiting) return t(crowded ? 'sweep.crowded' : 'sweep.starting');
  if (!sweep) return t('sweep.ready', { count: fields.count, steps: fields.steps });
  const { done, total, batched, final } = sweep;
  if (!final) return t('sweep.progress', { done: count(done), total: count(total) });
  const taken = t(batched ? 'sweep.done.batched' : 'sweep.done', { total: count(total), batched });
  const edge = !early && edgeOf(sweep);
  return edge ? `${taken}. ${t(`sweep.edge.${edge}`)}` : taken;
}
