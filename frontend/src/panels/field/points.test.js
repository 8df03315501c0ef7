import { describe, expect, it } from 'vitest';
import { add, erase, nearest } from './points.js';

/** @type {import('./points.js').Point[]} */
const POINTS = [[0, 0, 1], [3, 4, -1]]; // prettier-ignore

describe('add', () => {
  it('rounds to two decimals and leaves the list it was given', () => {
    expect(add(POINTS, [1.23456, -0.001, 1], { most: 500 })).toEqual([...POINTS, [1.23, 0, 1]]);
    expect(POINTS).toHaveLength(2);
  });

  it('refuses one too many with the same list', () => {
    expect(add(POINTS, [1, 1, 1], { most: 2 })).toBe(POINTS);
  });

  it('keeps sprayed points of one label apart, not those of different labels', () => {
    expect(add(POINTS, [0.1, 0, 1], { most: 9, apart: 0.5 })).toBe(POINTS);
    expect(add(POINTS, [0.1, 0, -1], { most: 9, apart: 0.5 })).toHaveLength(3);
    expect(add(POINTS, [0.1, 0, 1], { most: 9 })).toHaveLength(3);
  });
});

describe('nearest', () => {
  it('finds the nearest within reach', () => {
    expect(nearest(POINTS, 2, 3)).toBe(1);
    expect(nearest(POINTS, 2, 3, 1)).toBe(-1);
    expect(nearest([], 0, 0)).toBe(-1);
  });
});

describe('erase', () => {
  it('takes away what is within reach, and nothing else', () => {
    expect(erase(POINTS, 3, 4, 0.1)).toEqual([POINTS[0]]);
    expect(erase(POINTS, 8, 8, 1)).toBe(POINTS);
  });
});
