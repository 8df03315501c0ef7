/** Presets: knobs of an experiment that make a point. Pure. */

import { changed } from './knobs.js';

/** @typedef {import('./types.js').Experiment} Experiment */
/** @typedef {import('./types.js').Knobs} Knobs */

/** @param {Experiment} experiment @returns {Knobs} */
export const defaultsOf = (experiment) =>
  Object.fromEntries(
    Object.entries(experiment.knobs.properties).map(([name, schema]) => [name, schema.default]),
  );

/**
 * All knobs as a preset sets them.
 * @param {Experiment} experiment
 * @param {import('./types.js').Preset} preset
 * @returns {Knobs}
 */
export const knobsOf = (experiment, preset) => ({ ...defaultsOf(experiment), ...preset.knobs });

/**
 * The preset whose knobs these are, or ''.
 * @param {Experiment} experiment
 * @param {Knobs} knobs
 */
export const presetWith = (experiment, knobs) =>
  experiment.presets.find((preset) => !changed(knobs, knobsOf(experiment, preset)).length)?.id ?? '';
