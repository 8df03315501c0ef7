import { describe, expect, it } from 'vitest';
import { Heights, bands } from './surface.js';

const N = 61;
/** ½(x² + 4y²) on [−3, 3]², sampled on the ends too */
const bowl = Float32Array.from({ length: N * N }, (_, i) => {
  const x = ((i % N) / (N - 1)) * 6 - 3;
  const y = (Math.floor(i / N) / (N - 1)) * 6 - 3;
  return 0.5 * (x * x + 4 * y * y);
});

/** @param {[number, number][]} ring */
function area(ring) {
  return Math.abs(
    ring.reduce((sum, [x, y], i) => {
      const [nextX, nextY] = ring[(i + 1) % ring.length];
      return sum + (x * nextY - nextX * y) / 2;
    }, 0),
  );
}

describe('Heights', () => {
  it('goes from 0 at the lowest sample to 1 at the highest, and rises in between', () => {
    for (const log of [true, false]) {
      const heights = new Heights(bowl, log);
      expect(heights.part(0)).toBeCloseTo(0);
      expect(heights.part(22.5)).toBeCloseTo(1);
      expect(heights.part(1)).toBeLessThan(heights.part(2));
    }
  });

  it('is linear without the logarithm', () => {
    expect(new Heights([0, 10], false).part(2.5)).toBeCloseTo(0.25);
  });

  it('spreads the valley with it: equal factors are nearly equal heights', () => {
    const heights = new Heights(
      Float32Array.from({ length: 10001 }, (_, i) => i * i * 1e-5),
      true,
    );
    expect(heights.part(100) - heights.part(10)).toBeCloseTo(heights.part(1000) - heights.part(100), 3);
  });

  it('puts a value below every sample at the bottom', () => {
    expect(new Heights([1, 10], true).part(-5)).toBeCloseTo(0);
  });

  it('ignores samples that are not finite, and shows a lowest value of mere rounding as 0', () => {
    expect(new Heights([NaN, 2, 8, Infinity], false).values).toEqual([2, 8]);
    expect(new Heights([3.6e-15, 2500], true).values).toEqual([0, 2500]);
  });

  it('survives a flat surface', () => {
    expect(new Heights([5, 5], true).part(5)).toBeCloseTo(0);
  });
});

describe('bands', () => {
  it('leave out the ellipse that a quadratic bowl has below a level', () => {
    const cells = (N - 1) / 6; // samples per unit
    const [, second, third] = bands(bowl, N, N, new Heights(bowl, false), 10);
    for (const [{ rings }, level] of /** @type {[typeof second, number][]} */ ([[second, 2.25], [third, 4.5]])) {
      const hole = Math.min(...rings.map(area)) / cells ** 2;
      expect(hole / ((Math.PI * 2 * level) / 2)).toBeCloseTo(1, 2); // x² + 4y² = 2·level
    }
  }); // prettier-ignore

  it('begins with the whole plane', () => {
    const [first] = bands(bowl, N, N, new Heights(bowl, true), 4);
    expect(area(first.rings[0])).toBe(N * N);
  });
});
