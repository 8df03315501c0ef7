import { describe, expect, it } from 'vitest';
import { overlayOf, stretched } from './overlays.js';

const f32 = (/** @type {number[]} */ ...values) => ({ data: Float32Array.from(values) });

describe('what is drawn besides curves', () => {
  // two groups of two curves over three places
  const frame = /** @type {any} */ ({
    tensors: {
      x: f32(0, 1, 2),
      low: f32(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3),
      high: f32(9, 9, 9, 8, 8, 8, 7, 7, 7, 6, 6, 6),
      dots: f32(0, -1, 5, 50, 1, 1, -3, 40),
    },
  });

  it('is that of the group that is shown', () => {
    const { bands, dots } = overlayOf(frame, 1, 2);
    expect(bands.map(({ low, high }) => [low[0], high[0]])).toEqual([
      [2, 7],
      [3, 6],
    ]);
    expect(dots).toEqual([{ series: 1, x: -3, y: 40 }]);
  });

  it('is nothing where a picture has neither bands nor dots', () => {
    const bare = /** @type {any} */ ({ tensors: { x: f32(0), low: f32(), high: f32(), dots: f32() } });
    expect(overlayOf(bare, 0, 1)).toMatchObject({ bands: [], dots: [] });
  });

  it('widens the axes until it fits, but for what a logarithmic axis cannot show', () => {
    const overlay = overlayOf(frame, 1, 2);
    expect(stretched('x', overlay, 0, 2, false)).toEqual([-3, 2]);
    expect(stretched('x', overlay, 1, 2, true)).toEqual([1, 2]);
    expect(stretched('y', overlay, 5, 5, false)).toEqual([2, 40]);
    expect(stretched('y', { x: overlay.x, bands: [], dots: [] }, null, null, false)).toEqual([null, null]);
  });
});
