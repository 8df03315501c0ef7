/** Names of scalars, symbols and values of knobs, as shown to people. Pure. */

import { number } from './format.js';
import { titleOf } from './knobs.js';

/** @typedef {import('./types.js').ExperimentSummary} ExperimentSummary */
/** @typedef {import('./types.js').KnobSchema} KnobSchema */
/** @typedef {import('./types.js').KnobValue} KnobValue */

const LONG = 18; // characters of a value

/**
 * A knob's symbol, or its title if it has none.
 * @param {ExperimentSummary | null | undefined} experiment
 * @param {string} name
 * @returns {string}
 */
export const symbolOf = (experiment, name) =>
  experiment?.knobs?.properties[name]?.['x-symbol'] ?? titleOf(experiment, name);

/**
 * A scalar's name from its chart: the chart's title, and the curve's if there are several.
 * @param {ExperimentSummary | null | undefined} experiment
 * @param {string} name
 * @returns {string}
 */
export function scalarTitle(experiment, name) {
  const knob = name.match(/^knob\/(.*)$/)?.[1];
  if (knob) return titleOf(experiment, knob);
  for (const panel of experiment?.panels ?? []) {
    const series = panel.options?.series;
    if (!series?.[name]) continue;
    return Object.keys(series).length > 1 ? `${panel.title} (${series[name]})` : panel.title;
  }
  return name;
}

/**
 * A knob's value in few characters.
 * @param {KnobValue | null | undefined} value
 * @param {Partial<KnobSchema>} [schema]  the knob's, for the titles of its options
 * @returns {string}
 */
export function brief(value, schema = {}) {
  if (typeof value === 'number') return schema['x-options']?.[value] ?? number(value);
  if (typeof value === 'boolean') return value ? '✓' : '✗';
  if (schema['x-grid'] && Array.isArray(value)) {
    const rows = /** @type {number[][]} */ (value);
    return shorten(rows.map((row) => row.map((one) => number(one)).join(' ')).join('; '));
  }
  if (isLayers(value))
    return shorten(value.flatMap((row) => row.filters ?? row.units ?? []).join('–') || '–');
  if (Array.isArray(value))
    return shorten(value.map((one) => brief(/** @type {KnobValue} */ (one), schema)).join('×'));
  const text = String(value ?? '–');
  return shorten(schema['x-options']?.[text] ?? text);
}

/**
 * Whether a value is a list of layers, of which the widths are told.
 * @param {unknown} value
 * @returns {value is import('./types.js').Row[]}
 */
const isLayers = (value) => Array.isArray(value) && value.length > 0 && typeof value[0]?.kind === 'string';

/** @param {string} text */
const shorten = (text) => (text.length > LONG ? `${text.slice(0, LONG - 1)}…` : text);
