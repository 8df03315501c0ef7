import { describe, expect, it } from 'vitest';
import { Network, classes, riseAt } from './network.js';

const MARGIN = { left: 30, right: 60, top: 4, bottom: 18 };

describe('Network', () => {
  it('keeps every tile within the card, however many units there are', () => {
    for (const [width, height] of [[900, 600], [640, 260], [300, 180]]) {
      const layers = [7, 32, 32, 32, 32, 32, 32, 1];
      const network = new Network(layers, width, height, MARGIN);
      layers.forEach((units, layer) => {
        const half = network.sizes[layer] / 2;
        expect(network.y(layer, 0) - half).toBeGreaterThanOrEqual(MARGIN.top - 0.5);
        expect(network.y(layer, units - 1) + half).toBeLessThanOrEqual(height - MARGIN.bottom + 0.5);
        expect(network.xs[layer] - half).toBeGreaterThanOrEqual(MARGIN.left - 0.5);
        expect(network.xs[layer] + half).toBeLessThanOrEqual(width - MARGIN.right + 0.5);
      });
    }
  }); // prettier-ignore

  it('finds the unit under the pointer, and none between tiles', () => {
    const network = new Network([2, 8, 1], 640, 300, MARGIN);
    for (const unit of [{ layer: 0, index: 1 }, { layer: 1, index: 7 }, { layer: 2, index: 0 }]) {
      expect(network.unitAt(network.xs[unit.layer], network.y(unit.layer, unit.index))).toEqual(unit);
    }
    expect(network.unitAt((network.xs[0] + network.xs[1]) / 2, 100)).toBeNull();
    expect(network.unitAt(network.xs[0], 5)).toBeNull();
  }); // prettier-ignore

  it('numbers units and weights as the frame does: layer by layer, each matrix (out, in) row-major', () => {
    const network = new Network([2, 3, 1], 640, 300, MARGIN);
    expect(network.edges).toBe(9);
    expect(network.number({ layer: 2, index: 0 })).toBe(5);
    expect(network.weight({ layer: 0, from: 1, to: 2 })).toBe(5);
    expect(network.weight({ layer: 1, from: 2, to: 0 })).toBe(8);
    expect(network.edgesOf({ layer: 1, index: 1 })).toEqual([2, 3, 7]);
  });

  it('finds an edge where its curve is drawn', () => {
    const network = new Network([3, 4, 2], 640, 300, MARGIN);
    const edge = { layer: 1, from: 3, to: 0 };
    const [x0, y0, x1, y1] = network.curves.subarray(4 * network.weight(edge));
    for (const t of [0.2, 0.45, 0.6]) {
      const x = x0 + (x1 - x0) * (1.5 * t - 1.5 * t * t + t ** 3);
      const y = y0 + (y1 - y0) * (3 * t * t - 2 * t ** 3);
      expect(network.edgeAt(x, y)).toEqual(edge);
    }
    expect(network.edgeAt((x0 + x1) / 2, 5)).toBeNull();
  });

  it('walks by arrow keys, to a unit at about the same height, and stops at the ends', () => {
    const network = new Network([2, 8, 1], 640, 300, MARGIN);
    expect(network.neighbour({ layer: 1, index: 7 }, 0, 1)).toEqual({
      layer: 1,
      index: 7,
    });
    expect(network.neighbour({ layer: 1, index: 7 }, 1, 0)).toEqual({
      layer: 2,
      index: 0,
    });
    expect(network.neighbour({ layer: 2, index: 0 }, 1, 0)).toEqual({
      layer: 2,
      index: 0,
    });
    const back = network.neighbour({ layer: 2, index: 0 }, -1, 0);
    expect([3, 4]).toContain(back.index);
  });

  it('knows which units a smaller network no longer has', () => {
    const network = new Network([2, 4, 1], 640, 300, MARGIN);
    expect(network.has({ layer: 1, index: 4 })).toBe(false);
    expect(network.has({ layer: 3, index: 0 })).toBe(false);
    expect(network.hasEdge({ layer: 1, from: 3, to: 0 })).toBe(true);
  });
});

describe('riseAt', () => {
  it('goes from 0 to 1 and is symmetric about the middle', () => {
    expect(riseAt(0)).toBeCloseTo(0);
    expect(riseAt(0.5)).toBeCloseTo(0.5);
    expect(riseAt(1)).toBeCloseTo(1);
    expect(riseAt(0.2) + riseAt(0.8)).toBeCloseTo(1);
  });
});

describe('classes', () => {
  it('holds every edge once, by sign and size, and leaves out NaN', () => {
    const weights = [0.1, -0.9, 1, NaN, -0.1, 0];
    const { starts, order } = classes(weights, [0, 1, 2, 3, 4, 5], 1, 2);
    const of = (/** @type {number} */ k) => [...order.subarray(starts[k], starts[k + 1])];
    expect([of(0), of(1), of(2), of(3)]).toEqual([[4], [1], [0, 5], [2]]);
  });

  it('takes only the edges asked for, and no weights but zeros', () => {
    const { starts, order } = classes([0, 0, 0], [2], 0, 4);
    expect([...order.subarray(0, starts[8])]).toEqual([2]);
  });
});
