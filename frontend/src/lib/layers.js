/**
 * The size and the parameters of each layer of a list, as the server plans them (`descent.kit.nn.stack`), so that
 * they stand beside the layers as these are put together. Pure; tests/fixtures/layers.json is read by both sides.
 */

/** @typedef {import('./types.js').Row} Row */
/** @typedef {[number, number, number]} Shape  channels, height, width; of a vector, height and width are 1 */
/** @typedef {{shape: Shape, parameters: number}} Planned */

const NEEDS_MAP = new Set(['convolution', 'pooling']);

/**
 * ⌊(n + 2p − f)/s⌋ + 1.
 * @param {number} size
 * @param {number} window
 * @param {number} stride
 * @param {number} padding
 */
export const extent = (size, window, stride, padding) =>
  Math.floor((size + 2 * padding - window) / stride) + 1;

/**
 * What each row makes of an input, and the dense layer of `outputs` units after the last. The list ends before the
 * first row that cannot follow those above it.
 * @param {readonly Row[]} rows
 * @param {Shape} input
 * @param {number} outputs
 * @returns {Planned[]}
 */
export function planOf(rows, input, outputs) {
  /** @type {Planned[]} */
  const plan = [];
  let shape = input;
  let isMap = true;
  for (const row of [...rows, { kind: 'dense', units: outputs }]) {
    const [channels, height, width] = shape;
    let parameters = 0;
    if (NEEDS_MAP.has(row.kind)) {
      const window = Number(row.kernel ?? row.size);
      const padding = Number(row.padding ?? 0);
      if (!isMap || window > Math.min(height, width) + 2 * padding) return plan;
      const side = (/** @type {number} */ size) => extent(size, window, Number(row.stride), padding);
      const filters = Number(row.filters ?? channels);
      if (row.kind === 'convolution') parameters = filters * (channels * window ** 2 + 1);
      shape = [filters, side(height), side(width)];
    } else if (row.kind === 'dense') {
      parameters = Number(row.units) * (channels * height * width + 1);
      shape = [Number(row.units), 1, 1];
      isMap = false;
    } else if (row.kind === 'norm') parameters = 2 * channels;
    plan.push({ shape, parameters });
  }
  return plan;
}

/**
 * The rows with one of a new kind in the first place where it can stand: a map's before the first dense layer.
 * @param {readonly Row[]} rows
 * @param {Row} row
 */
export function added(rows, row) {
  const dense = rows.findIndex((other) => other.kind === 'dense');
  return NEEDS_MAP.has(row.kind) && dense >= 0 ? rows.toSpliced(dense, 0, row) : [...rows, row];
}

/** A shape in few letters: 8 × 28 × 28, or 10. @param {Shape} shape */
export const shapeText = (shape) => (shape[1] * shape[2] === 1 ? String(shape[0]) : shape.join(' × '));
