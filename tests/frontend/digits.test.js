import { describe, expect, it } from 'vitest';
import { decimals, fixed } from '../../frontend/src/lib/digits.js';

it('gives a range as many decimals as tell its values apart', () => {
  expect(decimals([0, 1])).toBe(3);
  expect(decimals([-4, 4])).toBe(2);
  expect(decimals([0, 40])).toBe(1);
  expect(decimals([0, 5000])).toBe(0);
  expect(decimals([0, 0])).toBe(3);
});

describe('fixed', () => {
  it('keeps trailing zeros, and has no negative zero', () => {
    expect(fixed(0.5, 3)).toBe('0.500');
    expect(fixed(-0.5, 2)).toBe('−0.50');
    expect(fixed(-0, 3)).toBe('0.000');
  });

  it('shows what would be rounded away', () => {
    expect(fixed(-0.0001, 3)).toBe('−1e-4');
    expect(fixed(5e-8, 4)).toBe('5e-8');
    expect(fixed(0, 4)).toBe('0.0000');
  });

  it('leaves what is not finite, large or tiny to the usual notation', () => {
    expect(fixed(NaN, 3)).toBe('–');
    expect(fixed(Infinity, 3)).toBe('∞');
    expect(fixed(12345, 0)).toBe('12\u202f345');
    expect(fixed(0.00002, 8)).toBe('2e-5');
  });
});
