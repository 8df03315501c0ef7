import { describe, expect, it } from 'vitest';
import { Plane } from '../../charts/plane.js';
import { drape, head, trail } from './trails.js';

const plane = new Plane([0, 10], [0, 10], {
  left: 0,
  top: 0,
  width: 100,
  height: 100,
});

describe('trail', () => {
  it('is in pixels, y downwards, oldest first', () => {
    const { points, last } = trail([1, 1, 3, 4], 2, 0, plane);
    expect([...points]).toEqual([10, 90, 30, 60]);
    expect(last).toBe(1);
  });

  it('skips what has not come yet and ends where NaN begins', () => {
    const paths = [NaN, NaN, 1, 1, 2, 2, NaN, NaN, 5, 5];
    const { points, last } = trail(paths, 5, 0, plane);
    expect([...points]).toEqual([10, 90, 20, 80]);
    expect(last).toBe(2);
  });

  it('reads the path it is asked for', () => {
    expect([...trail([1, 1, 9, 9], 1, 1, plane).points]).toEqual([90, 10]);
  });

  it('thins points that lie closer than the spacing, and keeps the last', () => {
    const path = Array.from({ length: 1000 }, (_, t) => [1 + t / 1000, 1]).flat();
    const { points, last } = trail(path, 1000, 0, plane, 1);
    expect(points.length / 2).toBeLessThan(15);
    expect(points.at(-2)).toBeCloseTo(plane.toX(1.999), 4);
    expect(last).toBe(999);
    for (let i = 2; i < points.length - 2; i += 2) expect(points[i] - points[i - 2]).toBeGreaterThan(0.5);
  });

  it('keeps coordinates within what a canvas can draw', () => {
    expect(Math.max(...trail([1, 1, 1e30, 2], 2, 0, plane).points)).toBe(1e5);
  });
});

describe('head', () => {
  it('is the last point on the plane', () => {
    expect(head(Float32Array.of(10, 10, 50, 60), plane)).toEqual({
      x: 50,
      y: 60,
      inside: true,
    });
  });

  it('is where the path crossed the edge, when it has left', () => {
    expect(head(Float32Array.of(10, 10, 80, 50, 120, 90), plane)).toEqual({
      x: 100,
      y: 70,
      inside: false,
    });
    expect(head(Float32Array.of(50, 50, 50, -50, 900, -900), plane)).toEqual({
      x: 50,
      y: 0,
      inside: false,
    });
  });

  it('is at the edge towards a path that was never inside', () => {
    expect(head(Float32Array.of(250, 50), plane)).toEqual({
      x: 100,
      y: 50,
      inside: false,
    });
  });

  it('is nowhere without points', () => {
    expect(head(new Float32Array(), plane)).toBeNull();
  });
});

describe('drape', () => {
  const height = (/** @type {number} */ x, /** @type {number} */ y) => x * 100 + y;

  it('lays long steps on the surface piece by piece', () => {
    const points = drape([0, 0, 10, 0], [0, 10], [0, 10], 0.25, height);
    expect(points.filter((_, i) => i % 3 === 0)).toEqual([0, 2.5, 5, 7.5, 10]);
    expect(points.filter((_, i) => i % 3 === 2)).toEqual([0, 250, 500, 750, 1000]);
  });

  it('begins at the first point over the surface and ends before the first that is not', () => {
    const path = [NaN, NaN, 1, 1, 1, 2, 50, 2, 3, 3];
    expect(drape(path, [0, 10], [0, 10], 1, height)).toEqual([1, 1, 101, 1, 2, 102]);
  });

  it('stays in place where a step has no length', () => {
    expect(drape([1, 1, 1, 1], [0, 10], [0, 10], 0.1, height)).toEqual([1, 1, 101, 1, 1, 101]);
  });
});
