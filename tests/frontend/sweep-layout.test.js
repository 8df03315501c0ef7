import { expect, test } from 'vitest';
import {
  along,
  fanOf,
  layoutOf,
  ledTo,
  markedOf,
  nearest,
  plotOf,
} from '../../frontend/src/components/sweep/layout.js';

/** @param {number} value @param {number[]} losses @param {Record<string, any>} [more] */
const curve = (value, losses, more = {}) => ({
  ...{ place: 0, knobs: {}, order: 0, rank: 0, group: 0, diverged: false },
  ...{ value, losses: Float32Array.from(losses), taken: losses.length, result: losses.at(-1) ?? NaN },
  ...more,
});

/** @param {any[]} curves @returns {any} */
const sweepOf = (...curves) => ({ step: 40, curves, groups: [{ others: {}, curves }] });

const calm = curve(0.1, [4, 3, 2, 1]);
const wild = curve(1, [4, 8], { diverged: true, result: NaN });
const sweep = sweepOf(calm, wild);

test('a knob with a log slider has a log axis, unless one of its values is 0', () => {
  expect(layoutOf(sweep, { 'x-log': true }).xLog).toBe(true);
  expect(layoutOf(sweepOf(curve(0, [1]), calm), { 'x-log': true }).xLog).toBe(false);
  expect(layoutOf(sweep, {}).xLog).toBe(false);
});

test('the axis of losses reaches a little further than they do', () => {
  const { yRange, yLog } = layoutOf(sweepOf(calm), {});
  expect(yLog).toBe(false);
  expect(yRange[0]).toBeLessThan(1);
  expect(yRange[1]).toBeGreaterThan(4);
});

test('the fan has a column per curve, as long as the longest', () => {
  expect(fanOf(sweep, layoutOf(sweep, {}))).toEqual([
    [40, 41, 42, 43],
    [4, 3, 2, 1],
    [4, 8, null, null],
  ]);
});

test('the plot has room beside its first and last value', () => {
  const { data, xRange } = plotOf(sweep, layoutOf(sweep, {}));
  expect(data).toEqual([[0.1, 1], [1, null]]); // prettier-ignore
  expect(xRange[0]).toBeLessThan(0.1);
  expect(xRange[1]).toBeGreaterThan(1);
  const alone = sweepOf(calm);
  expect(plotOf(alone, layoutOf(alone, {})).xRange).toEqual([-0.4, 0.6]);
});

test('the best value and the first too large one are marked once all steps are taken', () => {
  expect(markedOf(sweep, 0.5, false)).toEqual([
    { kind: 'now', x: 0.5 },
    { kind: 'best', x: 0.1 },
    { kind: 'breaks', x: 1 },
  ]);
  expect(markedOf(sweep, 0.5, true)).toEqual([{ kind: 'now', x: 0.5 }]);
});

test('a curve that diverged led to the top', () => {
  const layout = layoutOf(sweep, {});
  expect(ledTo(layout, calm)).toEqual([0.1, 1]);
  expect(ledTo(layout, wild)).toEqual([1, layout.yRange[1]]);
  expect(along(sweep, layout, wild, 3)).toEqual([41, 8]);
  expect(along(sweep, layout, curve(2, []), 3)).toEqual([40, layout.yRange[1]]);
});

test('the pointer means the nearest curve, if any is near', () => {
  const place = (/** @type {any} */ one) => /** @type {[number, number]} */ ([one.value, 0]);
  const from = (/** @type {number} */ x) => (/** @type {[number, number]} */ at) => 100 * Math.abs(at[0] - x);
  expect(nearest([calm, wild], place, from(0.8))?.curve).toBe(wild);
  expect(nearest([calm, wild], place, from(0.3))?.curve).toBe(calm);
  expect(nearest([calm, wild], place, from(2))).toBeNull();
});
