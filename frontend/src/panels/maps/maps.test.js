import { expect, it } from 'vitest';
import { inside, layout, mapBox, movedTo, paintMaps, unitAt } from './maps.js';

/** @type {import('./maps.js').Shape[]} */
const SHAPES = [
  [1, 28, 28],
  [16, 28, 28],
  [16, 14, 14],
  [120, 1, 1],
  [10, 1, 1],
];

it.each([
  [700, 500],
  [320, 260],
  [1400, 300],
])('places all maps of all layers within %i × %i, none over another', (width, height) => {
  const columns = layout(SHAPES, { width, height }, true);
  const boxes = SHAPES.flatMap((shape, layer) =>
    Array.from({ length: shape[0] }, (_, channel) => mapBox(columns[layer], shape, channel, height)),
  );
  for (const box of boxes) {
    expect(box.x).toBeGreaterThanOrEqual(0);
    expect(box.x + box.width).toBeLessThanOrEqual(width + 0.5);
    expect(box.y + box.height).toBeLessThanOrEqual(height + 0.5);
  }
  boxes.forEach((a, i) => {
    for (const b of boxes.slice(i + 1)) {
      const apart =
        a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
      expect(apart).toBe(true);
    }
  });
});

it('finds the unit at the centre of each value', () => {
  const columns = layout(SHAPES, { width: 700, height: 500 }, false);
  for (const unit of [
    { layer: 0, channel: 0, row: 27, column: 0 },
    { layer: 1, channel: 15, row: 3, column: 20 },
    { layer: 3, channel: 77, row: 0, column: 0 },
  ]) {
    const [, rows, across] = SHAPES[unit.layer];
    const box = mapBox(columns[unit.layer], SHAPES[unit.layer], unit.channel, 500);
    const x = box.x + ((unit.column + 0.5) * box.width) / across;
    const y = box.y + ((unit.row + 0.5) * box.height) / rows;
    expect(unitAt(columns, SHAPES, 500, x, y)).toEqual(unit);
  }
  expect(unitAt(columns, SHAPES, 500, 5, 2)).toBeNull();
});

it('moves by layer and channel, with Shift within a map, and stays among what there is', () => {
  const unit = { layer: 1, channel: 3, row: 27, column: 10 };
  expect(movedTo(unit, 'ArrowRight', false, SHAPES)).toEqual({ layer: 2, channel: 3, row: 13, column: 5 });
  expect(movedTo(unit, 'ArrowUp', false, SHAPES)).toEqual({ ...unit, channel: 2 });
  expect(movedTo(unit, 'ArrowDown', true, SHAPES)).toEqual(unit);
  expect(movedTo(unit, 'ArrowLeft', true, SHAPES)).toEqual({ ...unit, column: 9 });
  expect(movedTo(unit, 'Enter', false, SHAPES)).toBeNull();
  expect(inside({ layer: 9, channel: 99, row: 3, column: 3 }, SHAPES)).toEqual({
    layer: 4,
    channel: 9,
    row: 0,
    column: 0,
  });
});

it('paints bytes by a table of colours', () => {
  const lut = Uint8ClampedArray.from({ length: 768 }, (_, i) => Math.floor(i / 3));
  const out = new Uint8ClampedArray(12);
  paintMaps(Uint8Array.of(9, 1, 128, 255), 1, 3, lut, { low: 1, high: 255 }, out);
  expect([...out]).toEqual([0, 0, 0, 255, 128, 128, 128, 255, 255, 255, 255, 255]);
});
