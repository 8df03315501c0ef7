/** The images of one frame, one after the other. No DOM. */

/** @typedef {import('../../lib/types.js').PanelFrame<'images'>} Frame */

const SIDE = 256; // px that an image takes at most
const GAP = 4; // px that a grid of images leaves around each
const CAPTION = 14; // px of its line

/** Each image of a frame as a frame of its own. @param {Frame} frame @returns {Frame[]} */
export function apart(frame) {
  const { shape, data } = frame.tensors.pixels;
  const [count, ...rest] = shape;
  const size = data.length / count;
  return Array.from({ length: count }, (_, i) => ({
    ...frame,
    meta: { ...frame.meta, columns: 1, captions: frame.meta.captions.slice(i, i + 1) },
    tensors: { pixels: { shape: [1, ...rest], data: data.subarray(i * size, (i + 1) * size) } },
  }));
}

/** The room in which one image of a frame is drawn a whole number of times as large. @param {Frame} frame */
export function roomOfOne(frame) {
  const [, height, width] = frame.tensors.pixels.shape;
  const scale = Math.max(1, Math.floor(SIDE / Math.max(height, width)));
  const line = frame.meta.captions.length ? CAPTION : 0;
  return { width: width * scale + 2 * GAP, height: height * scale + 2 * GAP + line };
}
