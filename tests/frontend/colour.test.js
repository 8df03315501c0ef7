import { interpolateRgb } from 'd3-interpolate';
import { interpolateViridis } from 'd3-scale-chromatic';
import { describe, expect, test } from 'vitest';
import {
  CATEGORICAL,
  DIVERGING,
  SEQUENTIAL,
  categorical,
  colourOf,
  extent,
  lutFor,
  paint,
  rgb,
} from '../../frontend/src/charts/colour.js';

const at = (/** @type {Uint8ClampedArray} */ lut, /** @type {number} */ i) => [
  ...lut.subarray(3 * i, 3 * i + 3),
];

/** @param {number[]} colour */
const luminance = (colour) =>
  colour
    .map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);

test('the sequential scale is viridis, and grows lighter all the way', () => {
  for (let i = 0; i < 256; i++) expect(at(SEQUENTIAL, i)).toEqual(rgb(interpolateViridis(i / 255)));
  for (let i = 8; i < 256; i += 8)
    expect(luminance(at(SEQUENTIAL, i))).toBeGreaterThan(luminance(at(SEQUENTIAL, i - 8)));
});

test.each(/** @type {const} */ (['light', 'dark']))(
  'on the %s theme negative is red, positive blue',
  (theme) => {
    const [red, , blueOfRed] = at(DIVERGING[theme], 0);
    const [redOfBlue, , blue] = at(DIVERGING[theme], 255);
    expect(red).toBeGreaterThan(blueOfRed);
    expect(blue).toBeGreaterThan(redOfBlue);
    expect(lutFor('diverging', theme)).toBe(DIVERGING[theme]);
  },
);

test('a half of the diverging scale is what d3 makes of its ends', () => {
  const above = interpolateRgb('#ffffff', '#1f5fc4');
  for (let i = 128; i < 256; i++) expect(at(DIVERGING.light, i)).toEqual(rgb(above((2 * i) / 255 - 1)));
});

test('zero of the diverging scale is the panel itself', () => {
  const near = (/** @type {number[]} */ colour, /** @type {string} */ hex) =>
    colour.forEach((v, i) => expect(Math.abs(v - rgb(hex)[i])).toBeLessThanOrEqual(2));
  near(at(DIVERGING.light, 128), '#ffffff');
  near(at(DIVERGING.dark, 128), '#171c23');
});

test.each(/** @type {const} */ (['light', 'dark']))(
  'on the %s theme categorical colours differ, and come round again',
  (theme) => {
    const colours = CATEGORICAL[theme];
    expect(new Set(colours).size).toBe(colours.length);
    expect(categorical(colours.length + 1, theme)).toBe(colours[1]);
  },
);

test('values outside the range take the colours of its ends', () => {
  expect(colourOf(SEQUENTIAL, -5, 0, 1)).toBe(colourOf(SEQUENTIAL, 0, 0, 1));
  expect(colourOf(SEQUENTIAL, 5, 0, 1)).toBe(colourOf(SEQUENTIAL, 1, 0, 1));
  expect(colourOf(SEQUENTIAL, NaN, 0, 1)).toBe(colourOf(SEQUENTIAL, 0, 0, 1));
});

describe('paint', () => {
  const pixel = (/** @type {Uint8ClampedArray} */ bytes, /** @type {number} */ i) => [
    ...bytes.subarray(4 * i, 4 * i + 4),
  ];

  test('writes one pixel a value, row by row', () => {
    const bytes = paint([0, 1, 0.5, 2], 2, 2, SEQUENTIAL, 0, 1);
    expect(pixel(bytes, 0)).toEqual([...at(SEQUENTIAL, 0), 255]);
    expect(pixel(bytes, 1)).toEqual([...at(SEQUENTIAL, 255), 255]);
    expect(pixel(bytes, 2)).toEqual([...at(SEQUENTIAL, 128), 255]);
    expect(pixel(bytes, 3)).toEqual([...at(SEQUENTIAL, 255), 255]);
  });

  test('can put row 0 at the bottom', () => {
    const bytes = paint([0, 1], 2, 1, SEQUENTIAL, 0, 1, { flip: true });
    expect(pixel(bytes, 0)).toEqual([...at(SEQUENTIAL, 255), 255]);
  });

  test('leaves NaN transparent', () => {
    expect(pixel(paint([NaN], 1, 1, SEQUENTIAL, 0, 1), 0)[3]).toBe(0);
  });

  test('reads from an offset into a buffer given', () => {
    const out = new Uint8ClampedArray(4);
    expect(paint([9, 9, 0], 1, 1, SEQUENTIAL, 0, 1, { offset: 2, out })).toBe(out);
    expect(pixel(out, 0)).toEqual([...at(SEQUENTIAL, 0), 255]);
  });
});

describe('extent', () => {
  test('passes over what is not finite', () => {
    expect(extent([NaN, 2, -1, Infinity])).toEqual([-1, 2]);
  });

  test('is symmetric for a diverging scale', () => {
    expect(extent([-1, 3], true)).toEqual([-3, 3]);
    expect(extent([0, 0], true)).toEqual([-1, 1]);
  });

  test('is never empty', () => {
    expect(extent([])).toEqual([0, 1]);
    expect(extent([NaN], true)).toEqual([-1, 1]);
    expect(extent([4, 4])).toEqual([4, 5]);
  });
});
