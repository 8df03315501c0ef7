import { describe, expect, test } from 'vitest';
import {
  centre,
  coloursOf,
  inkOf,
  moved,
  radiusFor,
  stroke,
  textOf,
} from '../../frontend/src/lib/drawing.js';

const blank = (/** @type {number} */ side) => new Float32Array(side * side);
const total = (/** @type {Float32Array} */ ink) => ink.reduce((sum, amount) => sum + amount, 0);

describe('the text of a drawing', () => {
  test('has one hexadecimal digit per pixel, row by row', () => {
    const ink = Float32Array.from([0, 1, 0.5, 0, 0, 2 / 15]);
    expect(textOf(ink)).toBe('0f8002');
    expect([...inkOf('0F8002', 2, 3)].map((amount) => Math.round(15 * amount))).toEqual([0, 15, 8, 0, 0, 2]);
  });

  test('comes back the same', () => {
    const text = '0123456789abcdef';
    expect(textOf(inkOf(text, 4, 4))).toBe(text);
  });

  test('is empty where there is no ink, and empty or unreadable text leaves none', () => {
    expect(textOf(blank(4))).toBe('');
    for (const text of ['', 'ff', 'zzzzzzzzzzzzzzzz']) expect(total(inkOf(text, 4, 4))).toBe(0);
  });
});

describe('a stroke', () => {
  test.each([8, 28])('along a row of %i pixels is full in its middle and soft at its edges', (side) => {
    const y = side / 2 + 0.5;
    const radius = radiusFor(side, side);
    const ink = stroke(blank(side), side, { x: 2, y }, { x: side - 2, y }, radius);
    const column = Array.from({ length: side }, (_, row) => ink[row * side + side / 2]);
    expect(Math.max(...column)).toBeGreaterThan(0.9);
    const width = column.reduce((sum, amount) => sum + amount, 0);
    expect(width).toBeGreaterThan(0.9);
    expect(Math.abs(width - 2 * radius)).toBeLessThan(0.35);
    const edge = column.filter((amount) => amount > 0 && amount < 0.9);
    expect(edge.length).toBeGreaterThanOrEqual(side === 28 ? 2 : 0);
    expect(column[0]).toBe(0);
  });

  test('covers about as much wherever between the pixels it lies', () => {
    const areas = [10, 10.25, 10.5, 10.75].map((y) =>
      total(stroke(blank(28), 28, { x: 5, y }, { x: 23, y: y + 3 }, 1.26)),
    );
    expect(Math.max(...areas) / Math.min(...areas)).toBeLessThan(1.05);
  });

  test('adds no ink where there is some already, and leaves what it was given as it was', () => {
    const [from, to] = [
      { x: 3, y: 3 },
      { x: 20, y: 14 },
    ];
    const before = blank(28);
    const once = stroke(before, 28, from, to, 1.26);
    expect(total(before)).toBe(0);
    expect(stroke(once, 28, to, from, 1.26)).toEqual(once);
  });

  test('begins and ends within the grid, however far it goes', () => {
    const ink = stroke(blank(8), 8, { x: -50, y: 4 }, { x: 90, y: 4 }, 0.45);
    expect(ink).toHaveLength(64);
    expect(total(ink)).toBeGreaterThan(5);
    expect(total(stroke(blank(8), 8, { x: -9, y: -9 }, { x: -5, y: 30 }, 0.45))).toBe(0);
  });

  test('of the eraser takes away what it covers', () => {
    const line = stroke(blank(28), 28, { x: 4, y: 14 }, { x: 24, y: 14 }, 1.26);
    const cut = stroke(line, 28, { x: 14, y: 10 }, { x: 14, y: 18 }, 1.26, true);
    expect(cut[13 * 28 + 13]).toBe(0);
    expect(cut[13 * 28 + 5]).toBe(line[13 * 28 + 5]);
  });

  test.each([8, 28])('is all gone where the eraser was put in the same place, on %i pixels', (side) => {
    const [at, radius] = [{ x: 3.5, y: 4.5 }, radiusFor(side, side)];
    expect(textOf(stroke(stroke(blank(side), side, at, at, radius), side, at, at, radius, true))).toBe('');
  });
});

test('a pixel’s centre is half a pixel from its corner', () => {
  expect(centre({ row: 2, column: 5 })).toEqual({ x: 5.5, y: 2.5 });
});

test.each([
  ['ArrowUp', { row: 0, column: 3 }],
  ['ArrowDown', { row: 1, column: 3 }],
  ['ArrowLeft', { row: 0, column: 2 }],
  ['ArrowRight', { row: 0, column: 3 }],
])('%s moves the cursor by one pixel, and not over the edge', (key, cell) => {
  expect(moved({ row: 0, column: 3 }, key, 4, 4)).toEqual(cell);
});

test('no other key moves it', () => {
  expect(moved({ row: 0, column: 0 }, ' ', 4, 4)).toBeNull();
});

test("a picture's colours are three digits per pixel", () => {
  expect([...(coloursOf('0f8ff0', 1, 2) ?? [])]).toEqual([0, 255, 136, 255, 255, 0]);
  expect(coloursOf('0f8', 1, 2)).toBeNull();
  expect(coloursOf('0f8ffx', 1, 2)).toBeNull();
});
