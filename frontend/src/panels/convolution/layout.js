/** Where things lie on the panel. No DOM. */

/** @typedef {import('../../charts/cells.js').Box} Box */
/** @typedef {import('./window.js').Sliding} Sliding */

const GAP = 12; // px
const LABEL = 16; // px of a line of text
const LARGEST_CELL = 56; // px
const LARGEST_TERM = 34; // px of a number of patch × kernel = products
const SIGNS = 22; // px for × and =
const RESULT = 78; // px for the sum

/**
 * Of a line: the input with its padding above, the kernel below it, then the output. `pitch` is the distance of cells.
 * @param {Sliding} sliding
 * @param {number} width
 * @param {number} height
 */
export function lineLayout({ input, padding, k }, width, height) {
  const cells = input[2] + 2 * padding[1];
  const rows = k.length ? 3 : 2;
  const name = 30; // px of the names on the left
  const pitch = Math.max(8, Math.min(LARGEST_CELL, (width - 2 * name) / cells, height / (rows * 1.5)));
  const apart = Math.max(pitch, Math.min(pitch * 1.7, (height - pitch) / (rows - 1)));
  const left = (width - pitch * cells) / 2;
  const top = Math.max(0, (height - apart * (rows - 1) - pitch) / 2);
  return { pitch, left, input: top, kernel: top + apart, output: top + apart * (rows - 1) };
}

/**
 * The column, in cells of the padded input, where the cell of the output under a window is centred.
 * @param {Sliding} sliding
 * @param {number} column
 */
export const middleOf = ({ window, stride, dilation }, column) =>
  column * stride + (dilation * (window[1] - 1)) / 2;

/**
 * Of a picture: input and output beside each other at one scale, and below them the tables patch × kernel = products.
 * @param {Sliding} sliding
 * @param {number} width
 * @param {number} height
 */
export function pictureLayout({ input, window, padding, output, k }, width, height) {
  const [channels, rows, columns] = input;
  const tables = k.length ? 3 : 1;
  const high = window[0] * channels;
  const room = width - RESULT - (tables - 1) * SIGNS;
  const below = Math.min(height * 0.42, high * LARGEST_TERM + (channels - 1) * 4);
  const term = Math.max(
    4,
    Math.min(LARGEST_TERM, room / (tables * window[1]), (below - (channels - 1) * 4) / high),
  );
  const tall = height - LABEL - GAP - below;
  const [wholeRows, wholeColumns] = [rows + 2 * padding[0], columns + 2 * padding[1]];
  const scale = Math.max(
    0.1,
    Math.min(
      tall / Math.max(wholeRows, output[0]),
      (width - GAP * 2) / (wholeColumns + Math.max(output[1], wholeColumns * 0.4)),
    ),
  );
  const total = (wholeColumns + output[1]) * scale + GAP * 2;
  const left = Math.max(0, (width - total) / 2);
  /** @type {Box} with the padding */
  const whole = { x: left, y: LABEL, width: wholeColumns * scale, height: wholeRows * scale };
  const tableWidth = window[1] * term;
  const tablesLeft = Math.max(0, (width - tables * tableWidth - (tables - 1) * SIGNS - RESULT) / 2);
  const top = LABEL + tall + GAP + Math.max(0, (below - high * term - (channels - 1) * 4) / 2);
  return {
    scale,
    term,
    whole,
    input: {
      x: whole.x + padding[1] * scale,
      y: whole.y + padding[0] * scale,
      width: columns * scale,
      height: rows * scale,
    },
    output: {
      x: whole.x + whole.width + GAP * 2,
      y: LABEL + Math.max(0, (whole.height - output[0] * scale) / 2),
      width: output[1] * scale,
      height: output[0] * scale,
    },
    /** The upper left corner of a table's part for one channel. @param {number} table @param {number} channel */
    table: (table, channel) => ({
      x: tablesLeft + table * (tableWidth + SIGNS),
      y: top + channel * (window[0] * term + 4),
    }),
    result: { x: tablesLeft + tables * tableWidth + (tables - 1) * SIGNS + 8, y: top + (high * term) / 2 },
  };
}
