import { describe, expect, it } from 'vitest';
import SCHEDULES from '../fixtures/schedules.json';
import { anew, drawnOn, heldUntil, pastOf, suggest, written } from '../../frontend/src/lib/schedules.js';

describe('schedules', () => {
  it('are suggested with all settings of their kind, within the range of the knob', () => {
    for (const settings of Object.values(SCHEDULES)) {
      const suggested = suggest(settings, 0.5, [0.1, 1], 1000);
      expect(Object.keys(suggested)).toEqual(settings.map(({ name }) => name));
      for (const { name, of, whole } of settings) {
        if (of === 'value') expect(suggested[name]).toBeGreaterThanOrEqual(0.1);
        if (of === 'value') expect(suggested[name]).toBeLessThanOrEqual(1);
        if (whole) expect(Number.isInteger(suggested[name])).toBe(true);
      }
    }
    expect(suggest(SCHEDULES['one-cycle'], 0.1, [0.01, 1], 1000)).toEqual({
      steps: 900,
      peak: 0.3,
      low: 0.01,
      rise: 0.3,
    });
  });

  it('begin with the first step of a new run, having heard nothing', () => {
    const schedules = { lr: { kind: 'plateau', start: 500, window: 5, state: [1, 2, 3, 4] } };
    expect(anew({ lr: 1, schedules })).toEqual({
      lr: 1,
      schedules: { lr: { kind: 'plateau', start: null, window: 5 } },
    });
    expect(anew({ lr: 1 })).toEqual({ lr: 1 });
  });
});

describe('a line drawn by hand', () => {
  it('goes to the right, and is drawn over from where the pen returns to', () => {
    let line = drawnOn([], 0, 1);
    for (const n of [10, 20, 30]) line = drawnOn(line, n, n);
    expect(drawnOn(line, 15, 5)).toEqual([
      [0, 1],
      [10, 10],
      [15, 5],
    ]);
  });

  it('keeps a bounded number of points, the last among them', () => {
    let line = /** @type {[number, number][]} */ ([]);
    for (let n = 0; n < 5000; n++) line = drawnOn(line, n, n);
    expect(line.length).toBeLessThanOrEqual(256);
    expect(line.at(-1)).toEqual([4999, 4999]);
  });

  it('leaves the value as it is until the pen begins', () => {
    expect(heldUntil([[40, 0.1], [50, 0.2]], 3)).toEqual([[0, 3], [39, 3], [40, 0.1], [50, 0.2]]); // prettier-ignore
    expect(heldUntil([[0, 0.1], [50, 0.2]], 3)).toEqual([[0, 0.1], [50, 0.2]]); // prettier-ignore
  });

  it('can be written', () => {
    expect(written([[0, 0.1], [500, 0.0123456]])).toBe('0 0.1, 500 0.0123'); // prettier-ignore
  });
});

describe('what a knob was', () => {
  const none = { steps: [], values: [] };

  it('is what it was set to, where nothing was measured', () => {
    const changes = [
      { step: 0, value: 1 },
      { step: 3, value: 2 },
    ];
    expect(pastOf(none, changes, 0, { step: 5, value: 2 })).toEqual([
      ...[0, 1, 2].map((step) => [step, 1]),
      ...[3, 4, 5].map((step) => [step, 2]),
      [5, 2],
    ]);
  });

  it('is what was measured while it followed a schedule', () => {
    const measured = { steps: [0, 1, 2, 3], values: [NaN, 0.5, 0.25, NaN] };
    const values = pastOf(measured, [{ step: 0, value: 1 }], 0, { step: 3, value: 0.125 });
    expect(values.map(([, value]) => value)).toEqual([1, 0.5, 0.25, 1, 0.125]);
  });

  it('has some hundred points, however long the run', () => {
    const points = pastOf(none, [{ step: 500, value: 1 }], 500, { step: 100_000, value: 1 });
    expect(points.length).toBeLessThanOrEqual(202);
    expect(points[0]).toEqual([500, 1]);
    expect(points.at(-1)).toEqual([100_000, 1]);
  });
});
