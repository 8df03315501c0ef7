/** Where things lie on the panel. No DOM. */

/** @typedef {import('./window.js').Sliding} Sliding */

const GAP = 12; // px
const LABEL = 16; // px of a line of text
const LARGEST_CELL = 72; // px of a number of the line
const LARGEST_TERM = 34; // px of a number of patch × kernel = products
const SIGNS = 22; // px of × and =
const RESULT = 78; // px of the sum
const SUM = 44; // px of it below a table
const CHANNEL = 4; // px between the tables of two channels

/**
 * Of a line: where its three rows begin, and the distance `pitch` of cells.
 * @param {Sliding} sliding
 * @param {number} width
 * @param {number} height
 */
export function lineLayout({ input, padding, k }, width, height) {
  const cells = input[2] + 2 * padding[1];
  const rows = k.length ? 3 : 2;
  const pitch = Math.max(8, Math.min(LARGEST_CELL, (width - 44) / cells, height / (rows * 1.3)));
  const apart = Math.max(pitch, Math.min(pitch * 1.6, (height - pitch) / (rows - 1)));
  const left = Math.max(18, (width - pitch * cells) / 2);
  const top = Math.max(0, (height - apart * (rows - 1) - pitch) / 2);
  return { pitch, left, input: top, kernel: top + apart, output: top + apart * (rows - 1) };
}

/**
 * The column, in cells of the padded input, below which a number of the output stands: in the middle of its window.
 * @param {Sliding} sliding
 * @param {number} column
 */
export const middleOf = ({ window, stride, dilation }, column) =>
  column * stride + (dilation * (window[1] - 1)) / 2;

/**
 * Of a picture: input and output beside each other at one scale, and below them patch × kernel = products; a patch alone
 * stands at their side.
 * @param {Sliding} sliding
 * @param {number} width
 * @param {number} height
 */
export function pictureLayout({ input, window, padding, output, k }, width, height) {
  const [channels, rows, columns] = input;
  const tables = k.length ? 3 : 1;
  const gaps = (channels - 1) * CHANNEL;
  const high = window[0] * channels;
  const side = k.length ? 0 : RESULT + GAP; // px beside the pictures
  const share = channels > 1 ? 0.5 : 0.42; // of the height, for the tables
  const below = k.length ? Math.min(height * share, high * LARGEST_TERM + gaps) + GAP : 0;
  const term = k.length
    ? Math.min((width - RESULT - 2 * SIGNS) / (3 * window[1]), (below - GAP - gaps) / high, LARGEST_TERM)
    : Math.min(RESULT / window[1], (height - SUM) / high, LARGEST_TERM);

  const whole = { rows: rows + 2 * padding[0], columns: columns + 2 * padding[1] };
  const scale = Math.max(
    0.1,
    Math.min(
      (height - LABEL - below) / Math.max(whole.rows, output[0]),
      (width - side - 2 * GAP) / (whole.columns + output[1]),
    ),
  );
  const pictures = (whole.columns + output[1]) * scale + 2 * GAP;
  const tall = Math.max(whole.rows, output[0]) * scale;
  const left = Math.max(0, (width - side - pictures) / 2);
  const top = LABEL + Math.max(0, (height - LABEL - below - tall) / 2);
  const wide = tables * window[1] * term + (tables - 1) * SIGNS;
  const table = k.length
    ? { x: Math.max(0, (width - wide - RESULT) / 2), y: top + tall + GAP }
    : { x: left + pictures + GAP, y: Math.max(0, Math.min(top, (height - high * term - SUM) / 2)) };
  return {
    scale,
    term,
    /** The input with its padding. */
    whole: { x: left, y: top, width: whole.columns * scale, height: whole.rows * scale },
    input: {
      x: left + padding[1] * scale,
      y: top + padding[0] * scale,
      width: columns * scale,
      height: rows * scale,
    },
    output: {
      x: left + whole.columns * scale + 2 * GAP,
      y: top,
      width: output[1] * scale,
      height: output[0] * scale,
    },
    patch: { ...table, width: window[1] * term },
    /** The upper left corner of one channel in a table. @param {number} which @param {number} channel */
    table: (which, channel) => ({
      x: table.x + which * (window[1] * term + SIGNS),
      y: table.y + channel * (window[0] * term + CHANNEL),
    }),
    result: k.length
      ? { x: table.x + wide + 8, y: table.y + (high * term + gaps) / 2 }
      : { x: table.x, y: table.y + high * term + SUM / 2 },
  };
}
