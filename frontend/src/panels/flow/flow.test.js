import { describe, expect, it } from 'vitest';
import { boxesOf, endsOf } from './flow.js';

describe('boxes', () => {
  const boxes = boxesOf([[0, 0], [1, 0], [1, 1], [2, 0.5]], 300, 100); // prettier-ignore

  it('lie within the area, in their columns and rows', () => {
    for (const { x, y, width, height } of boxes) {
      expect(x).toBeGreaterThanOrEqual(0);
      expect(y).toBeGreaterThanOrEqual(0);
      expect(x + width).toBeLessThanOrEqual(300);
      expect(y + height).toBeLessThanOrEqual(100);
    }
    expect(boxes[1].x).toBe(boxes[2].x);
    expect(boxes[3].y).toBeCloseTo((boxes[1].y + boxes[2].y) / 2);
  });

  it('are joined at their facing sides, and from above where an arrow leads back', () => {
    const [a, b, , d] = boxes;
    const [start, end] = endsOf(a, b);
    expect(start[0]).toBeCloseTo(a.x + a.width);
    expect(end[0]).toBeCloseTo(b.x);
    expect(endsOf(d, a)).toEqual([[d.x + d.width / 2, d.y], [a.x + a.width / 2, a.y]]); // prettier-ignore
  });
});
