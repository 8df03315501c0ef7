import { expect, test } from 'vitest';
import { Plane } from '../../charts/plane.js';
import { area, meanLength, nearest, outlines, roomFor } from './arrows.js';

const plane = new Plane([-1, 1], [-1, 1], { left: 10, top: 20, width: 200, height: 200 });

test('an arrow goes from its tail along its vector, upwards where y grows', () => {
  const [x, y, tipX, tipY] = outlines([0, 0], [0.6, 0.8], 0.1, plane);
  expect([x, y]).toEqual([110, 120]);
  expect(tipX).toBeCloseTo(116);
  expect(tipY).toBeCloseTo(112);
});

test('four times the vector makes an arrow of twice the length', () => {
  const [x, , tipX] = outlines([0, 0], [4, 0], 0.1, plane);
  expect(tipX - x).toBeCloseTo(20);
});

test('both ends of the head lie behind the tip, one on either side', () => {
  const [, , tipX, tipY, ax, ay, bx, by] = outlines([0, 0], [0.1, 0], 1, plane);
  expect(ax).toBeCloseTo(bx);
  expect(ax).toBeLessThan(tipX);
  expect(ay - tipY).toBeCloseTo(tipY - by);
  expect(ay).not.toBeCloseTo(by);
});

test('a long arrow keeps its direction and is cut', () => {
  const [x, y, tipX, tipY] = outlines([0, 0], [300, -400], 1, plane);
  expect(Math.hypot(tipX - x, tipY - y)).toBeCloseTo(0.12 * 200);
  expect((tipY - y) / (tipX - x)).toBeCloseTo(4 / 3);
});

test('what is shorter than a pixel, or no number, is left out', () => {
  expect(outlines([0, 0, 0, 0, 0, 0], [1e-6, 0, NaN, 1, 0, 0], 0.1, plane)).toEqual([]);
});

test('the nearest place is found in pixels, unless it is passed over', () => {
  const places = [0, 0, 0.05, 0, 0.9, 0.9]; // 100 px for each 1
  expect(nearest(places, plane, [0.04, 0], 12)).toBe(1);
  expect(nearest(places, plane, [0.04, 0], 12, (i) => i === 1)).toBe(0);
  expect(nearest(places, plane, [0.5, 0.5], 12)).toBe(-1);
});

test('the mean length counts every arrow', () => {
  expect(meanLength([3, 4, 0, 0])).toBe(2.5);
  expect(meanLength([])).toBe(0);
});

test('the area of a cell, whichever way round', () => {
  expect(area([0, 0, 2, 0, 2, 3, 0, 3])).toBe(6);
  expect(area([0, 3, 2, 3, 2, 0, 0, 0])).toBe(6);
});

test('labels are written where there is room, the first ones first', () => {
  const [a, b, below, right] = [
    { x: 0, y: 0, width: 30 },
    { x: 20, y: 5, width: 30 },
    { x: 20, y: 12, width: 30 },
    { x: 30, y: 0, width: 30 },
  ];
  expect(roomFor([a, b, below, right], 12)).toEqual([a, below, right]);
  expect(roomFor([b, a, right], 12)).toEqual([b]);
});
