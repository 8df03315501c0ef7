import { describe, expect, it } from 'vitest';
import { along, bar, clicked, keysOf, ordered, standing } from './ranking.js';

const table = {
  names: ['cell 10', 'cell 9', 'cell 1', 'all'],
  columns: 2,
  values: [0.5, 1, 0.9, NaN, 0.5, 3, NaN, 2],
};

describe('ordered', () => {
  it('puts the largest first, and equals as they were', () => {
    expect(ordered(table, { column: 0, descending: true })).toEqual([1, 0, 2, 3]);
    expect(ordered(table, { column: 1, descending: true })).toEqual([2, 3, 0, 1]);
  });

  it('keeps what has no value last either way', () => {
    expect(ordered(table, { column: 0, descending: false })).toEqual([0, 2, 1, 3]);
    expect(ordered(table, { column: 1, descending: false })).toEqual([0, 3, 2, 1]);
  });

  it('reads the numbers in names', () => {
    expect(ordered(table, { column: -1, descending: false })).toEqual([3, 2, 1, 0]);
  });
});

describe('clicked', () => {
  it('turns the order of its own column round', () => {
    expect(clicked({ column: 1, descending: true }, 1)).toEqual({ column: 1, descending: false });
  });

  it('starts with the largest, and names from the first', () => {
    expect(clicked({ column: 1, descending: false }, 0)).toEqual({ column: 0, descending: true });
    expect(clicked({ column: 1, descending: true }, -1)).toEqual({ column: -1, descending: false });
  });
});

it('tells namesakes apart', () => {
  expect(new Set(keysOf(['a', 'b', 'a', 'a'])).size).toBe(4);
  expect(keysOf(['b', 'a'])).toEqual(['b', 'a']);
});

describe('bar', () => {
  it('starts at 0, wherever that lies', () => {
    expect(bar(0.25, [0, 1])).toEqual([0, 25]);
    expect(bar(-0.5, [-1, 1])).toEqual([25, 50]);
    expect(bar(0.5, [-1, 1])).toEqual([50, 75]);
    expect(bar(-1, [-4, 0])).toEqual([75, 100]);
  });

  it('stays within its range, and is empty where there is no value', () => {
    expect(bar(9, [0, 1])).toEqual([0, 100]);
    expect(bar(NaN, [-1, 1])).toEqual([50, 50]);
    expect(along(3, [3, 3])).toBe(0);
  });
});

it('stands above what chance reaches, or below it', () => {
  expect(standing(0.6, 0.5)).toBe('above');
  expect(standing(0.5, 0.5)).toBe('below');
  expect(standing(NaN, 0.5)).toBe('');
  expect(standing(-0.2, NaN)).toBe('negative');
  expect(standing(-0.2, -0.5)).toBe('negative');
  expect(standing(0.2, NaN)).toBe('');
});
