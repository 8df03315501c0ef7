/** Places of a network's layers: boxes for their outputs, and below them bars for what they take. No DOM. */

/** @typedef {[number, number, number]} Shape  channels, rows, columns */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */

const GAP = 0.15; // of the room of a layer
const LEAST = 2; // px of a box

/**
 * The box of each output, the input's first: as high as the root of its side, as wide as the root of its channels.
 * A vector is a bar as high as the root of its length.
 * @param {readonly Shape[]} shapes
 * @param {Box} area
 * @returns {Box[]}
 */
export function boxesOf(shapes, area) {
  const pitch = area.width / shapes.length;
  const side = Math.max(...shapes.map(([, rows, columns]) => (rows * columns > 1 ? rows : 1)));
  const channels = Math.max(...shapes.map(([c, rows]) => (rows > 1 ? c : 1)));
  const length = Math.max(...shapes.map(([c, rows]) => (rows > 1 ? 1 : c)));
  return shapes.map(([c, rows], i) => {
    const high = rows > 1 ? Math.sqrt(rows / side) : 0.8 * Math.sqrt(c / length);
    const wide = rows > 1 ? Math.sqrt(c / channels) : 0.2;
    const width = Math.min(pitch, Math.max(LEAST, wide * pitch * (1 - GAP)));
    const height = Math.max(LEAST, high * area.height);
    return {
      x: area.x + (i + 0.5) * pitch - width / 2,
      y: area.y + (area.height - height) / 2,
      width,
      height,
    };
  });
}

/**
 * The bar of each layer, up from the bottom of the area or down from its top. The input, in the first place, has none.
 * @param {readonly number[]} values
 * @param {Box} area
 * @param {boolean} [down]
 * @returns {Box[]}
 */
export function barsOf(values, area, down = false) {
  const most = Math.max(...values, 1);
  const pitch = area.width / (values.length + 1);
  return values.map((value, i) => {
    const height = value > 0 ? Math.max(1, (value / most) * area.height) : 0;
    const width = Math.max(1, pitch * (1 - GAP));
    const y = down ? area.y : area.y + area.height - height;
    return { x: area.x + (i + 1.5) * pitch - width / 2, y, width, height };
  });
}

/**
 * Where the side of the map changes: the first place of each size, and the size.
 * @param {readonly Shape[]} shapes
 * @returns {{at: number, side: number}[]}
 */
export const sidesOf = (shapes) =>
  shapes
    .map(([, rows], at) => ({ at, side: rows }))
    .filter(({ at, side }) => side > 1 && (at === 0 || shapes[at - 1][1] !== side));
