import { describe, expect, it } from 'vitest';
import { Plane, bilinear, isoline } from '../../frontend/src/charts/plane.js';

const MARGIN = { left: 30, right: 60, top: 4, bottom: 16 };

describe('Plane', () => {
  it('gives both axes one scale, whatever the shape of the card', () => {
    for (const [width, height] of [[900, 600], [300, 180], [390, 700]]) {
      const plane = Plane.fit([-6, 6], [-2, 4], width, height, MARGIN);
      const perX = plane.toX(1) - plane.toX(0);
      const perY = plane.toY(0) - plane.toY(1);
      expect(perX / perY).toBeCloseTo(1, 1);
      expect(plane.left).toBeGreaterThanOrEqual(MARGIN.left);
      expect(plane.left + plane.width).toBeLessThanOrEqual(width - MARGIN.right + 1);
      expect(plane.top + plane.height).toBeLessThanOrEqual(height - MARGIN.bottom + 1);
    }
  }); // prettier-ignore

  it('maps pixels back to the plane', () => {
    const plane = Plane.fit([-2, 2], [-1, 3], 500, 400, MARGIN);
    expect(plane.fromX(plane.toX(0.7))).toBeCloseTo(0.7);
    expect(plane.fromY(plane.toY(2.2))).toBeCloseTo(2.2);
    expect(plane.toY(3)).toBeLessThan(plane.toY(-1));
  });

  it('clamps to the nearest of its points', () => {
    const plane = Plane.fit([-2, 2], [-1, 3], 500, 400, MARGIN);
    expect(plane.clamp(9, 0)).toEqual([2, 0]);
    expect(plane.clamp(0, -7)).toEqual([0, -1]);
  });
});

describe('bilinear', () => {
  const plane = (/** @type {number} */ r, /** @type {number} */ c) => 3 + 2 * r - 5 * c + r * c;
  const values = Float32Array.from({ length: 12 }, (_, i) => plane(Math.floor(i / 4), i % 4));

  it('is exact for a function that is linear along either axis', () => {
    for (const [r, c] of [[0, 0], [0.5, 1.25], [1.9, 2.7], [2, 3]]) {
      expect(bilinear(values, 3, 4, r, c)).toBeCloseTo(plane(r, c), 5);
    }
  }); // prettier-ignore

  it('continues the edge outside', () => {
    expect(bilinear(values, 3, 4, -2, 1)).toBeCloseTo(plane(0, 1));
    expect(bilinear(values, 3, 4, 9, 9)).toBeCloseTo(plane(2, 3));
  });

  it('reads a single row and a single column', () => {
    expect(bilinear([1, 3], 1, 2, 0, 0.5)).toBe(2);
    expect(bilinear([1, 3], 2, 1, 0.25, 0)).toBe(1.5);
  });
});

/**
 * @param {number[]} pieces
 * @returns {number[][]}
 */
const ends = (pieces) => Array.from({ length: pieces.length / 2 }, (_, i) => pieces.slice(2 * i, 2 * i + 2));

describe('isoline', () => {
  it('lies on the level: every end of x² + y² = r² is at the radius', () => {
    const n = 81;
    const values = Float32Array.from(
      { length: n * n },
      (_, i) => ((i % n) - 40) ** 2 + (Math.floor(i / n) - 40) ** 2,
    );
    const pieces = isoline(values, n, n, 900);
    expect(pieces.length).toBeGreaterThan(400);
    for (const [x, y] of ends(pieces)) expect(Math.hypot(x - 40, y - 40)).toBeCloseTo(30, 1);
  });

  it('is closed: every end belongs to two pieces', () => {
    const n = 40;
    const values = Float32Array.from(
      { length: n * n },
      (_, i) => ((i % n) - 19.3) ** 2 + (Math.floor(i / n) - 20.1) ** 2,
    );
    /** @type {Record<string, number>} */
    const count = {};
    for (const [x, y] of ends(isoline(values, n, n, 77.7))) {
      const key = `${x.toFixed(4)} ${y.toFixed(4)}`;
      count[key] = (count[key] ?? 0) + 1;
    }
    expect(new Set(Object.values(count))).toEqual(new Set([2]));
  });

  it('runs on beyond the edges, so that a map of cells is crossed from side to side', () => {
    const pieces = isoline([-1, 1, -1, 1], 2, 2, 0); // x = ½ in both rows
    const ys = ends(pieces).map(([, y]) => y);
    expect(ends(pieces).every(([x]) => x === 0.5)).toBe(true);
    expect([Math.min(...ys), Math.max(...ys)]).toEqual([-1, 2]);
  });

  it('lets the middle of a saddle decide which corners are cut off', () => {
    /** Which corners the pieces within the cell separate from its middle. @param {number[]} values */
    const cutOff = (values) => {
      const pieces = isoline(values, 2, 2, 0);
      const corners = [];
      for (let i = 0; i < pieces.length; i += 4) {
        const [x, y] = [(pieces[i] + pieces[i + 2]) / 2, (pieces[i + 1] + pieces[i + 3]) / 2];
        if (x > 0 && x < 1 && y > 0 && y < 1) corners.push(`${Math.round(x)}${Math.round(y)}`);
      }
      return corners.sort();
    };
    expect(cutOff([3, -1, -1, 3])).toEqual(['01', '10']); // the high corners 00 and 11 are joined
    expect(cutOff([1, -3, -3, 1])).toEqual(['00', '11']);
    expect(cutOff([-3, 1, 1, -3])).toEqual(['01', '10']);
    expect(cutOff([-1, 3, 3, -1])).toEqual(['00', '11']);
  });

  it('leaves out cells with a NaN corner, and finds nothing where nothing crosses', () => {
    expect(isoline([NaN, 1, 1, NaN], 2, 2, 0)).toEqual([]);
    expect(isoline([1, 2, 3, 4], 2, 2, 0)).toEqual([]);
  });
});
