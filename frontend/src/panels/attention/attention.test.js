import { describe, expect, it } from 'vitest';
import { arrange, multiples, paintMaps } from './attention.js';
import { SEQUENTIAL } from '../../charts/colour.js';

describe('paintMaps', () => {
  it('stacks the maps and makes masked cells transparent in each', () => {
    const out = new Uint8ClampedArray(2 * 4 * 4);
    paintMaps([1, 0, 0.5, 0.5, 0, 0, 1, 0], { maps: 2, queries: 2, keys: 2 }, [0, 1, 0, 0], SEQUENTIAL, out);
    const alpha = Array.from({ length: 8 }, (_, i) => out[i * 4 + 3]);
    expect(alpha).toEqual([255, 0, 255, 255, 255, 0, 255, 255]);
    expect([...out.slice(0, 3)]).toEqual([...SEQUENTIAL.slice(-3)]);
  });
});

describe('multiples', () => {
  it('fills the room in one direction and keeps to it in the other', () => {
    const { width, height } = multiples({ width: 300, height: 300 }, 2, 4);
    expect(width).toBeGreaterThan(292);
    expect(width).toBeLessThanOrEqual(300);
    expect(height).toBeLessThan(width);
  });
});

describe('arrange', () => {
  it.each([
    [306, 186, 6, 8],
    [306, 186, 1, 8],
    [976, 520, 2, 4],
    [342, 360, 4, 6],
  ])('leaves the large map room in %i × %i px for %i × %i maps', (width, height, layers, heads) => {
    const { beside, grid } = arrange({ width, height }, layers, heads);
    expect(grid.cell).toBeGreaterThanOrEqual(9);
    expect(beside ? grid.width : grid.height).toBeLessThan(0.62 * (beside ? width : height));
    expect(grid.width).toBeLessThanOrEqual(width);
    expect(grid.height).toBeLessThanOrEqual(height);
  });

  it('turns one row of heads into a column beside the large map', () => {
    expect(arrange({ width: 976, height: 520 }, 1, 8)).toMatchObject({ beside: true, turned: true });
  });

  it('puts the multiples above where the panel is tall', () => {
    expect(arrange({ width: 340, height: 620 }, 1, 4).beside).toBe(false);
  });
});
