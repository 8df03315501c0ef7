import { expect, it } from 'vitest';
import { boxOf, cellAt } from '../../frontend/src/charts/cells.js';

const AREA = { x: 10, y: 20, width: 30, height: 40 };

it('gives each cell its part of the area', () => {
  expect(boxOf(AREA, 4, 3, { row: 1, column: 2 })).toEqual({ x: 30, y: 30, width: 10, height: 10 });
});

it('finds the cell in whose box a point lies', () => {
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 3; column++) {
      const box = boxOf(AREA, 4, 3, { row, column });
      expect(cellAt(AREA, 4, 3, box.x + 5, box.y + 5)).toEqual({ row, column });
    }
  }
});

it('finds none outside', () => {
  for (const [x, y] of [
    [9, 30],
    [41, 30],
    [20, 19],
    [20, 61],
  ])
    expect(cellAt(AREA, 4, 3, x, y)).toBeNull();
});
