import { expect, test } from 'vitest';
import { crowded } from '../../frontend/src/charts/legend.js';

const panel = { width: 300, height: 180 }; // of which the chart keeps 120: three rows are left

test('what fits in the rows above a chart is not crowded', () => {
  expect(crowded([140, 140, 140, 140, 140, 140], panel)).toBe(false);
});

test('a row more leaves the chart too little', () => {
  expect(crowded([140, 140, 140, 140, 140, 140, 140], panel)).toBe(true);
  expect(crowded([160, 160, 160, 160], panel)).toBe(true);
});

test('what is wider than the panel takes a row, not two', () => {
  expect(crowded([400, 400, 400], panel)).toBe(false);
});

test('a panel that has not been laid out is not crowded', () => {
  expect(crowded([400, 400, 400, 400], { width: 0, height: 0 })).toBe(false);
});
