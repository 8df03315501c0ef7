/** Small images from frames (uint8 grey or colour) to pixels of a canvas. */

/** @typedef {import('../lib/types.js').Tensor} Tensor */

/**
 * Paint the first `count` images one under the other: image i begins at row i · H.
 * @param {Tensor} tensor  (N, H, W) grey or (N, H, W, 3) colour, uint8
 * @param {number} count  at most N
 * @param {import('./draw.js').Raster} raster
 * @returns {HTMLCanvasElement} W × (count · H)
 */
export function paintPixels({ shape, data }, count, raster) {
  const [, height, width, channels = 1] = shape;
  const bytes = raster.bytes(width, height * count);
  const pixels = /** @type {Uint8Array} */ (data);
  const last = channels - 1;
  for (let from = 0, to = 0; to < bytes.length; from += channels, to += 4) {
    bytes[to] = pixels[from];
    bytes[to + 1] = pixels[from + (last >> 1)];
    bytes[to + 2] = pixels[from + last];
    bytes[to + 3] = 255;
  }
  return raster.show();
}
