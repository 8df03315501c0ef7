import { expect, test } from 'vitest';
import { count, number, steady } from '../../frontend/src/lib/format.js';

test.each([
  [0.0003, '3e-4'],
  [0.001, '0.001'],
  [-0.0003, '−3e-4'],
  [0.12345, '0.123'],
  [0.5, '0.5'],
  [12, '12'],
  [-3.14159, '−3.14'],
  [999.4, '999'],
  [999.6, '1\u202f000'],
  [-999.6, '−1\u202f000'],
  [1204, '1\u202f204'],
  [2.5e7, '2.5e7'],
  [1e-30, '1e-30'],
  [0, '0'],
  [-0, '0'],
  [NaN, '–'],
  [null, '–'],
  [undefined, '–'],
  [Infinity, '∞'],
  [-Infinity, '−∞'],
])('%s is written %s', (value, text) => {
  expect(number(value)).toBe(text);
});

test('a number is never rounded before its point', () => {
  expect(number(133, 2)).toBe('133');
  expect(steady(999.6)).toBe('1\u202f000');
  expect(steady(999.4)).toBe('999');
  expect(steady(1204)).toBe('1\u202f204');
  expect(steady(2.5e7)).toBe('2.50e7');
});

test('digits can be asked for', () => {
  expect(number(Math.PI, 5)).toBe('3.1416');
});

test('a steady number keeps its trailing zeros, so that it does not jump', () => {
  expect([0.5, 0.51, 0.512].map(steady).map((text) => text.length)).toEqual([5, 5, 5]);
  expect(steady(0)).toBe('0.00');
  expect(steady(3e-7)).toBe('3.00e-7');
  expect(steady(-Infinity)).toBe('−∞');
});

test('counts are grouped by three with a narrow space', () => {
  expect(count(1234567)).toBe('1\u202f234\u202f567');
  expect(count(-1234)).toBe('−1\u202f234');
  expect(count(999)).toBe('999');
});
