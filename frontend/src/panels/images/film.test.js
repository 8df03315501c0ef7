import { expect, test } from 'vitest';
import { Film, filmOf } from './film.js';

/** @param {number} step @returns {import('../../lib/types.js').PanelFrame<'images'>} */
const frame = (step, pixels = { shape: [0], data: new Uint8Array() }) => ({
  type: 'panel',
  run: 'r',
  seq: step,
  panel: 'samples',
  kind: 'images',
  meta: { columns: null, captions: [] },
  step,
  tensors: { pixels },
});
const steps = (/** @type {Film} */ film) => film.frames.map(({ step }) => step);

/**
 * @param {number} last
 * @param {number} every
 */
function filmed(last, every) {
  const film = new Film();
  for (let step = 0; step <= last; step += every) film.add(frame(step));
  return film;
}

test('keeps every frame while there is room', () => {
  expect(steps(filmed(40, 10))).toEqual([0, 10, 20, 30, 40]);
});

test.each([100, 5_000, 100_000])(
  'after %i steps it holds 24 frames, the first and the newest among them',
  (last) => {
    const kept = steps(filmed(last, 1));
    expect(kept).toHaveLength(24);
    expect(kept[0]).toBe(0);
    expect(kept.at(-1)).toBe(last);
    expect(kept).toEqual([...kept].sort((a, b) => a - b));
  },
);

test('distances between neighbours grow in proportion to the distance from the nearer end', () => {
  const last = 20_000;
  const kept = steps(filmed(last, 1));
  for (let i = 1; i < kept.length - 1; i++) {
    const hole = kept[i + 1] - kept[i - 1];
    expect(hole).toBeLessThanOrEqual(3 + 1.5 * Math.min(kept[i + 1], last - kept[i - 1]));
  }
  expect(kept[1]).toBeLessThan(10);
  expect(last - kept[22]).toBeLessThan(10);
});

test('the same step again takes the place of its frame', () => {
  const film = filmed(20, 10);
  const again = frame(20, { shape: [0], data: new Uint8Array() });
  film.add(again);
  expect(steps(film)).toEqual([0, 10, 20]);
  expect(film.at(20)).toBe(again);
});

test('an earlier frame, replayed after a reconnect, changes nothing', () => {
  const film = filmed(20, 10);
  film.add(frame(10));
  expect(steps(film)).toEqual([0, 10, 20]);
});

test('a frame is found by its step, and only by it', () => {
  expect(filmed(20, 10).at(10)?.step).toBe(10);
  expect(filmed(20, 10).at(11)).toBeNull();
});

test('what was read before stays as it was when a frame is added', () => {
  const film = filmed(20, 10);
  const before = film.frames;
  film.add(frame(30));
  expect(before).toHaveLength(3);
});

test('each panel of each run has one film', () => {
  const run = {};
  expect(filmOf(run, 'samples')).toBe(filmOf(run, 'samples'));
  expect(filmOf(run, 'samples')).not.toBe(filmOf(run, 'walk'));
  expect(filmOf(run, 'samples')).not.toBe(filmOf({}, 'samples'));
});

test('recorded frames come before those that were seen', () => {
  const film = new Film();
  film.add(frame(50));
  film.precede([frame(0), frame(20), frame(50), frame(60)]);
  expect(steps(film)).toEqual([0, 20, 50]);
});

test('too many recorded frames are thinned like those that were seen', () => {
  const film = new Film(8);
  film.add(frame(1000));
  film.precede(Array.from({ length: 30 }, (_, i) => frame(i * 10)));
  expect(steps(film)).toHaveLength(8);
  expect([steps(film)[0], steps(film).at(-1)]).toEqual([0, 1000]);
});
