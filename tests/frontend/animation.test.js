/** Which steps become frames, what a frame's colours are, and the images of one frame apart. */

import { describe, expect, it, vi } from 'vitest';

vi.mock('../../frontend/src/lib/theme.svelte.js', () => ({ theme: {} }));

const { indexed, spread } = await import('../../frontend/src/components/animation/animation.svelte.js');
const { apart, roomOfOne } = await import('../../frontend/src/components/animation/apart.js');
const gifenc = await import('../../frontend/node_modules/gifenc/dist/gifenc.esm.js');

describe('spread', () => {
  it('takes all where they are few', () => expect(spread([0, 3, 9], 3)).toEqual([0, 3, 9]));

  it('keeps the first and the last, and lies evenly over steps that do not', () => {
    const dense = Array.from({ length: 900 }, (_, i) => 100 + i); // 100 … 999
    expect(spread([0, 50, ...dense], 5)).toEqual([0, 249, 499, 749, 999]);
    expect(spread([0, 1, 2, 3, 1000], 4)).toEqual([0, 3, 1000]); // none twice
  });
});

describe('indexed', () => {
  const rgba = (/** @type {number[][]} */ ...colours) =>
    new Uint8ClampedArray(colours.flatMap((colour) => [...colour, 255]));

  it('keeps the very colours where a frame has room for them', () => {
    const { index, palette } = indexed(rgba([1, 2, 3], [255, 0, 7], [1, 2, 3]), gifenc);
    expect(palette).toEqual([
      [1, 2, 3],
      [255, 0, 7],
    ]);
    expect([...index]).toEqual([0, 1, 0]);
  });

  it('takes near ones where there are more', () => {
    const many = Array.from({ length: 1000 }, (_, i) => [i % 256, (i >> 2) % 256, 255 - (i % 256)]);
    const { index, palette } = indexed(rgba(...many), gifenc);
    expect(palette.length).toBeLessThanOrEqual(256);
    const off = many.map((colour, i) =>
      Math.max(...colour.map((c, k) => Math.abs(c - palette[index[i]][k]))),
    );
    expect(Math.max(...off)).toBeLessThan(40);
  });
});

describe('apart', () => {
  const frame = /** @type {import('../../frontend/src/lib/types.js').PanelFrame<'images'>} */ ({
    type: 'panel',
    kind: 'images',
    step: 7,
    meta: { columns: 2, captions: ['a', 'b'] },
    tensors: { pixels: { shape: [2, 1, 2, 3], data: new Uint8Array([...Array(12).keys()]) } },
  });

  it('makes a frame of each image, with its caption', () => {
    const [first, second] = apart(frame);
    expect([...second.tensors.pixels.data]).toEqual([6, 7, 8, 9, 10, 11]);
    expect(second.tensors.pixels.shape).toEqual([1, 1, 2, 3]);
    expect(second.meta).toEqual({ columns: 1, captions: ['b'] });
    expect(first.step).toBe(7);
  });

  it('has room for it in whole multiples', () => {
    expect(roomOfOne(frame)).toEqual({ width: 264, height: 150 }); // 128 times, 4 px around, a line
  });
});
