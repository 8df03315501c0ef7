import { expect, it } from 'vitest';
import { barsOf, boxesOf, sidesOf } from './blueprint.js';

/** @type {import('./blueprint.js').Shape[]} */
const SHAPES = [
  [3, 224, 224],
  [64, 56, 56],
  [256, 6, 6],
  [4096, 1, 1],
  [1000, 1, 1],
];
const AREA = { x: 10, y: 20, width: 500, height: 200 };

it('draws a map as high as the root of its side, within its place', () => {
  const boxes = boxesOf(SHAPES, AREA);
  expect(boxes[0].height).toBe(200);
  expect(boxes[1].height).toBeCloseTo(100);
  expect(boxes[2].width).toBeCloseTo(2 * boxes[1].width);
  boxes.forEach(({ x, y, width, height }, i) => {
    expect(x).toBeGreaterThanOrEqual(AREA.x + i * 100);
    expect(x + width).toBeLessThanOrEqual(AREA.x + (i + 1) * 100);
    expect(y + height / 2).toBeCloseTo(120);
  });
});

it('draws a vector as high as the root of its length', () => {
  const boxes = boxesOf(SHAPES, AREA);
  expect(boxes[4].height / boxes[3].height).toBeCloseTo(Math.sqrt(1000 / 4096));
});

it('draws bars up from the bottom or down from the top, in proportion, and none for nothing', () => {
  const bars = barsOf([10, 0, 40, 20], AREA);
  expect(bars.map(({ height }) => height)).toEqual([50, 0, 200, 100]);
  expect(bars.every(({ y, height }) => y + height === 220)).toBe(true);
  const hanging = barsOf([10, 0, 40, 20], AREA, true);
  expect(hanging).toEqual(bars.map((bar) => ({ ...bar, y: 20 })));
  const boxes = boxesOf(SHAPES, AREA);
  bars.forEach(({ x, width }, i) => {
    expect(x + width / 2).toBeCloseTo(boxes[i + 1].x + boxes[i + 1].width / 2);
  });
});

it('names each size of map where it begins', () => {
  expect(sidesOf(SHAPES)).toEqual([
    { at: 0, side: 224 },
    { at: 1, side: 56 },
    { at: 2, side: 6 },
  ]);
});
