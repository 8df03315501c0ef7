import { describe, expect, it } from 'vitest';
import { SETTINGS, anew, drawnOn, heldUntil, suggest, written } from '../../frontend/src/lib/schedules.js';

describe('schedules', () => {
  it('are suggested with all settings of their kind, within the range of the knob', () => {
    for (const [kind, names] of Object.entries(SETTINGS)) {
      const schedule = suggest(kind, 0.5, [0.1, 1], 1000);
      expect(Object.keys(schedule)).toEqual(['kind', ...names]);
      for (const name of ['low', 'peak']) {
        if (name in schedule) expect(schedule[name]).toBeGreaterThanOrEqual(0.1);
        if (name in schedule) expect(schedule[name]).toBeLessThanOrEqual(1);
      }
    }
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
