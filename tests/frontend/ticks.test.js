import { describe, expect, it, test } from 'vitest';
import { logSplits } from '../../frontend/src/charts/ticks.js';
import { valueLabels } from '../../frontend/src/charts/uplot.js';

test('a few decades get a tick each', () => {
  expect(logSplits(0.005, 200)).toEqual([0.01, 0.1, 1, 10, 100].map((tick) => expect.closeTo(tick, 10)));
});

test('a range within two decades gets twos and fives, too', () => {
  expect(logSplits(0.15, 7)).toEqual([0.2, 0.5, 1, 2, 5].map((tick) => expect.closeTo(tick, 10)));
  expect(logSplits(0.21, 0.55)).toEqual([expect.closeTo(0.5, 10)]);
});

test('many decades are thinned evenly', () => {
  const ticks = logSplits(1e-21, 100);
  expect(ticks.length).toBeLessThanOrEqual(7);
  const strides = ticks.slice(1).map((tick, i) => Math.round(Math.log10(tick / ticks[i])));
  expect(new Set(strides).size).toBe(1);
});

describe('labels of a linear axis', () => {
  it.each([
    [[1, 1.25, 1.5, 1.75, 2], 0.25, ['1', '1.25', '1.5', '1.75', '2']],
    [[0.0205, 0.02075, 0.021], 0.00025, ['0.0205', '0.02075', '0.021']],
    [[0, 0.5, 1], 0.5, ['0', '0.5', '1']],
    [[0, 20, 40], 20, ['0', '20', '40']],
    [[-4, -2, 0], 2, ['−4', '−2', '0']],
  ])('say the ticks %j exactly', (splits, increment, labels) => {
    expect(valueLabels(splits, increment)).toEqual(labels);
  });
});
