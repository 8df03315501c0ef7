/** The places of a network's maps, in a column or several for each layer. No DOM. */

/** @typedef {[number, number, number]} Shape  channels, rows, columns */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */
/** @typedef {{layer: number, channel: number, row: number, column: number}} Unit */
/**
 * @typedef {object} Column  a layer's place
 * @property {number} x
 * @property {number} width
 * @property {number} columns  of maps
 * @property {number} pitch  from one map to the next, both ways
 * @property {number} side  of a map's longer side
 */

export const HEAD = 26; // px above the maps, for two lines of text
const GAP = 10; // px between layers
const BETWEEN = 4; // px between maps
const BETWEEN_VALUES = 1;
const LARGEST = 92; // px of a map's side
const LARGEST_VALUE = 20; // px of a value that is no map
const LABEL = 44; // px of the last layer's labels

/**
 * @param {Shape[]} shapes
 * @param {{width: number, height: number}} size
 * @param {boolean} labelled  whether the last layer's values have labels
 * @returns {Column[]}
 */
export function layout(shapes, size, labelled) {
  const high = Math.max(1, size.height - HEAD);
  const room = Math.max(1, size.width - GAP * (shapes.length - 1) - (labelled ? LABEL : 0));
  const largest = shapes.map(([, rows, across]) => (rows * across > 1 ? LARGEST : LARGEST_VALUE));
  const gaps = shapes.map(([, rows, across]) => (rows * across > 1 ? BETWEEN : BETWEEN_VALUES));
  const sidesOf = (/** @type {number[]} */ columns) => {
    const unit = room / columns.reduce((sum, n) => sum + n, 0);
    return shapes.map(([channels], i) =>
      Math.max(1, Math.min(unit - gaps[i], high / Math.ceil(channels / columns[i]) - gaps[i], largest[i])),
    );
  };
  // The layers whose maps are smallest get one more column each, as long as that makes the smallest larger.
  const leastOf = (/** @type {number[]} */ sides) =>
    Math.min(...sides.map((side, i) => (side < largest[i] ? side : Infinity)));
  let columns = shapes.map(() => 1);
  let best = sidesOf(columns);
  for (;;) {
    const least = leastOf(best);
    const more = columns.map((n, i) => n + Number(best[i] < largest[i] && best[i] <= least + 0.01));
    const sides = sidesOf(more);
    if (least === Infinity || leastOf(sides) <= least + 0.01) break;
    columns = more;
    best = sides;
  }
  const widths = best.map((side, i) => columns[i] * (side + gaps[i]) - gaps[i]);
  const spare = size.width - (labelled ? LABEL : 0) - widths.reduce((sum, width) => sum + width, 0);
  const gap = Math.max(0, spare / Math.max(1, shapes.length - 1));
  let x = 0;
  return best.map((side, i) => {
    const place = { x, width: widths[i], columns: columns[i], pitch: side + gaps[i], side };
    x += widths[i] + gap;
    return place;
  });
}

/**
 * Where a map lies.
 * @param {Column} column
 * @param {Shape} shape
 * @param {number} channel
 * @param {number} height  of the whole picture
 * @returns {Box}
 */
export function mapBox({ x, columns, pitch, side }, [channels, rows, across], channel, height) {
  const used = Math.ceil(channels / columns) * pitch;
  const top = HEAD + Math.max(0, (height - HEAD - used) / 2);
  const scale = side / Math.max(rows, across);
  return {
    x: x + (channel % columns) * pitch,
    y: top + Math.floor(channel / columns) * pitch,
    width: across * scale,
    height: rows * scale,
  };
}

/**
 * The unit at a point, or null.
 * @param {Column[]} columns
 * @param {Shape[]} shapes
 * @param {number} height
 * @param {number} x
 * @param {number} y
 * @returns {Unit | null}
 */
export function unitAt(columns, shapes, height, x, y) {
  const layer = columns.findLastIndex((column) => x >= column.x);
  if (layer < 0) return null;
  const [channels, rows, across] = shapes[layer];
  for (let channel = 0; channel < channels; channel++) {
    const box = mapBox(columns[layer], shapes[layer], channel, height);
    const row = Math.floor(((y - box.y) / box.height) * rows);
    const column = Math.floor(((x - box.x) / box.width) * across);
    if (row >= 0 && row < rows && column >= 0 && column < across) return { layer, channel, row, column };
  }
  return null;
}

/**
 * The unit that a key moves to, or null for any other key: arrows go to the neighbouring layer or map, with Shift to
 * the neighbouring value of a map.
 * @param {Unit} unit
 * @param {string} key
 * @param {boolean} shift
 * @param {Shape[]} shapes
 * @returns {Unit | null}
 */
export function movedTo(unit, key, shift, shapes) {
  /** @type {Record<string, [number, number]>} */
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (!(key in moves)) return null;
  const [down, right] = moves[key];
  const next = shift
    ? { ...unit, row: unit.row + down, column: unit.column + right }
    : { ...unit, layer: unit.layer + right, channel: unit.channel + down };
  return inside(next, shapes, unit);
}

/**
 * The nearest unit that there is. One of another layer keeps its place in the map.
 * @param {Unit} unit
 * @param {Shape[]} shapes
 * @param {Unit} [from]
 * @returns {Unit}
 */
export function inside(unit, shapes, from = unit) {
  const clamp = (/** @type {number} */ at, /** @type {number} */ most) => Math.min(most - 1, Math.max(0, at));
  const layer = clamp(unit.layer, shapes.length);
  const [channels, rows, columns] = shapes[layer];
  const before = shapes[clamp(from.layer, shapes.length)];
  const scale = layer === from.layer ? [1, 1] : [rows / before[1], columns / before[2]];
  return {
    layer,
    channel: clamp(unit.channel, channels),
    row: clamp(Math.floor((unit.row + (scale[0] < 1 ? 0.5 : 0)) * scale[0]), rows),
    column: clamp(Math.floor((unit.column + (scale[1] < 1 ? 0.5 : 0)) * scale[1]), columns),
  };
}

/**
 * Paint a layer's maps one under the other.
 * @param {Uint8Array} values  bytes of `Maps`
 * @param {number} from
 * @param {number} total
 * @param {Uint8ClampedArray} lut  256 colours
 * @param {{low: number, high: number}} ends  the bytes of the first and the last colour
 * @param {Uint8ClampedArray} out
 */
export function paintMaps(values, from, total, lut, { low, high }, out) {
  const scale = 255 / (high - low || 1);
  for (let i = 0; i < total; i++) {
    const at = 3 * Math.max(0, Math.min(255, Math.round((values[from + i] - low) * scale)));
    out[4 * i] = lut[at];
    out[4 * i + 1] = lut[at + 1];
    out[4 * i + 2] = lut[at + 2];
    out[4 * i + 3] = 255;
  }
}
