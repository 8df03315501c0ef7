import { expect, test } from 'vitest';
import { CALLS, Outline } from '../../frontend/src/charts/vector/outline.js';
import { attributes, element, escaped } from '../../frontend/src/charts/vector/elements.js';

test('a path is written as it is made, moved by the matrix of that moment', () => {
  /** @type {import('../../frontend/src/charts/vector/outline.js').Matrix} */
  let matrix = [1, 0, 0, 1, 0, 0];
  const outline = new Outline(() => matrix);
  outline.lineTo(1, 2); // the first point of a canvas's path is one to begin at
  matrix = [2, 0, 0, 2, 10, 0];
  outline.lineTo(1, 2.125);
  outline.lineTo(NaN, 0);
  outline.closePath();
  expect(outline.d).toBe('M1 2L12 4.25Z');
});

test.each([
  [0, 2 * Math.PI, false, 4, [10, 0]],
  [0, 7, false, 4, [10, 0]], // once around at most
  [0, -Math.PI / 2, false, 3, [0, -10]],
  [0, -Math.PI / 2, true, 1, [0, -10]],
  [Math.PI / 2, 0, true, 1, [10, 0]],
])('an arc from %f to %f, back: %s, is %i curves', (start, end, back, curves, last) => {
  const outline = new Outline();
  outline.arc(0, 0, 10, start, end, back);
  const numbers = outline.d.split(/[MLC ]/).map(Number);
  expect(outline.d.match(/C/g)).toHaveLength(curves);
  expect(numbers.slice(-2).map((n) => n + 0)).toEqual(last);
});

test('a curve for a quarter stays on its circle', () => {
  const outline = new Outline();
  outline.arc(0, 0, 1000, 0, Math.PI / 2);
  const [, x0, y0, x1, y1, x2, y2, x3, y3] = outline.d.split(/[MC ]+/).map(Number);
  for (const t of [0.2, 0.5, 0.8]) {
    const at = (/** @type {number[]} */ [a, b, c, d]) =>
      (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t ** 2 * c + t ** 3 * d;
    expect(Math.abs(Math.hypot(at([x0, x1, x2, x3]), at([y0, y1, y2, y3])) - 1000)).toBeLessThan(0.3);
  }
});

test('rounded corners take no more than half a side', () => {
  const outline = new Outline();
  outline.roundRect(0, 0, 10, 4, [8]);
  expect(outline.d.startsWith('M2 0')).toBe(true);
  expect(() => new Outline().roundRect(0, 0, 1, 1, [1, 2])).toThrow('invalid radii');
});

test('every call that is recorded is there', () => {
  for (const call of CALLS) expect(typeof new Outline()[call]).toBe('function');
});

test('text and attributes are written as XML has them', () => {
  expect(escaped('a < "b" & c\u0000\n')).toBe('a &lt; &quot;b&quot; &amp; c\n');
  expect(element('text', { x: 1.004, none: undefined, 'font-family': '"A"' }, 'η')).toBe(
    '<text x="1" font-family="&quot;A&quot;">η</text>',
  );
  expect(attributes([1, 0, 0, 1, 0, 0])).toEqual({});
  expect(attributes([2, 0, 0, 2, 0.5, 0])).toEqual({ transform: 'matrix(2 0 0 2 0.5 0)' });
});
