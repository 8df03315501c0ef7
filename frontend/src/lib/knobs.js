/** Derives a knob's control from its JSON Schema. Pure. */

/** @typedef {import('./types.js').KnobSchema} Schema */
/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {import('./types.js').ExperimentSummary} ExperimentSummary */

const POSITIONS = 1000; // of a slider

/**
 * The control of a knob.
 * @param {Schema} schema
 * @returns {'slider' | 'switch' | 'choice' | 'flags' | 'sizes' | 'layers' | 'pair' | 'points' | 'grid' | 'drawing' | 'recorded' | 'own' | 'column' | 'text'}
 */
export function control(schema) {
  if (schema.type === 'boolean') return 'switch';
  if (schema.enum || schema.const !== undefined) return 'choice';
  if (schema.type === 'number' || schema.type === 'integer') return 'slider';
  if (schema.type === 'array') {
    if (schema['x-grid']) return 'grid';
    if (schema.prefixItems) return 'pair';
    if (schema.items?.oneOf) return 'layers';
    if (schema.items?.enum) return 'flags';
    return schema.items?.type === 'integer' ? 'sizes' : 'points';
  }
  if (schema['x-recorded']) return 'recorded';
  if (schema['x-own']) return 'own';
  if (schema['x-column-of']) return 'column';
  return schema['x-canvas'] ? 'drawing' : 'text';
}

/**
 * The ends of a slider.
 * @param {Schema} schema
 * @returns {[number, number]}
 */
export function range(schema) {
  return [schema.minimum ?? 0, schema.maximum ?? 1];
}

/**
 * The slider position (0…POSITIONS) of a value. A logarithmic slider whose range begins at zero
 * keeps its leftmost position for zero.
 * @param {Schema} schema
 * @param {number} value
 */
export function toPosition(schema, value) {
  const [low, high] = range(schema);
  if (!schema['x-log']) return ((value - low) / (high - low)) * POSITIONS;
  const floor = logFloor(schema);
  if (value < floor) return 0;
  return (Math.log(value / floor) / Math.log(high / floor)) * POSITIONS;
}

/**
 * The value at a position of the slider, rounded to what one would type.
 * @param {Schema} schema
 * @param {number} position
 */
export function fromPosition(schema, position) {
  const [low, high] = range(schema);
  if (position <= 0) return low;
  if (position >= POSITIONS) return high;
  if (schema['x-log']) {
    const floor = logFloor(schema);
    return snap(schema, Number((floor * (high / floor) ** (position / POSITIONS)).toPrecision(2)));
  }
  return snap(schema, low + ((high - low) * position) / POSITIONS);
}

/**
 * Clamp a value to the range and round it to the knob's grid.
 * @param {Schema} schema
 * @param {number} value
 */
export function snap(schema, value) {
  const [low, high] = range(schema);
  const step =
    schema['x-step'] ?? (schema.type === 'integer' ? 1 : schema['x-log'] ? 0 : niceStep(high - low));
  const onGrid = step ? Number((low + Math.round((value - low) / step) * step).toPrecision(12)) : value;
  return Math.min(high, Math.max(low, onGrid));
}

/** @param {Schema} schema */
function logFloor(schema) {
  const [low, high] = range(schema);
  return low > 0 ? low : schema['x-typical'] ? schema['x-typical'][0] / 10 : high / 1e6;
}

/** @param {number} span */
const niceStep = (span) => 10 ** Math.floor(Math.log10(span / 100));

/**
 * Whether the knob has an effect, given the others' values.
 * @param {Schema} schema
 * @param {Knobs} knobs
 */
export function relevant(schema, knobs) {
  return Object.entries(schema['x-when'] ?? {}).every(([name, values]) => values.includes(knobs[name]));
}

/**
 * Whether these knobs read a file that somebody brought.
 * @param {Record<string, Schema>} schemas
 * @param {Knobs} knobs
 */
export const readsOwn = (schemas, knobs) =>
  Object.entries(schemas).some(([name, schema]) => schema['x-own'] && knobs[name] && relevant(schema, knobs));

/**
 * The knobs that differ.
 * @param {Knobs} before
 * @param {Knobs} after
 */
export function changed(before, after) {
  return Object.keys(after).filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
}

/**
 * The look knobs, which do not affect training: they only choose what is shown.
 * @param {ExperimentSummary} experiment
 * @returns {string[]}
 */
export const looksOf = (experiment) =>
  Object.keys(experiment.knobs.properties).filter((name) => isLook(experiment.knobs.properties[name]));

/** Whether a knob is a learning rate. @param {Schema | undefined} schema */
export const isRate = (schema) => schema?.['x-role'] === 'rate';

/**
 * Live numeric knobs that affect training.
 * @param {import('./types.js').KnobSchemas} properties  of the knobs' schema
 * @returns {string[]}
 */
export const liveNumbers = (properties) =>
  Object.keys(properties).filter((name) => {
    const schema = properties[name];
    const isNumber = !schema.enum && (schema.type === 'number' || schema.type === 'integer');
    return schema['x-live'] && isNumber && !isLook(schema);
  });

/** @param {Schema | undefined} schema */
export const isLook = (schema) => schema?.['x-role'] === 'look';

/**
 * Values merged over others, schedules included: a knob set by hand drops its schedule. A preview of the server's
 * `merged` (engine/knobs.py), which decides: the tests of both read the same cases.
 * @param {Knobs} before
 * @param {Knobs} values
 * @returns {Knobs}
 */
export function laidOver(before, values) {
  const after = { ...before, ...values };
  if (!before.schedules || values.schedules) return after;
  const kept = Object.entries(before.schedules).filter(([name]) => !(name in values));
  return { ...after, schedules: Object.fromEntries(kept) };
}

/**
 * The title of a knob, in the page's language.
 * @param {ExperimentSummary | null | undefined} experiment
 * @param {string} name
 * @returns {string}
 */
export const titleOf = (experiment, name) => experiment?.knobs?.properties[name]?.title ?? name;
