import { expect, test } from 'vitest';
import { Charts } from '../../frontend/src/lib/charts.svelte.js';

const ALL = /** @type {[number, number]} */ ([0, 1000]);

test('charts are zoomed about a step, and no further than four steps or the whole run', () => {
  const charts = new Charts('zoom');
  charts.zoom(0.5, 400, ALL);
  expect(charts.stretch).toEqual([200, 700]);
  for (let i = 0; i < 20; i++) charts.zoom(0.5, 400, ALL);
  expect(charts.stretch?.map(Math.round)).toEqual([398, 402]);
  for (let i = 0; i < 20; i++) charts.zoom(2, 400, ALL);
  expect(charts.stretch).toBeNull();
});

test('a stretch is panned within the run', () => {
  const charts = new Charts('pan');
  charts.show(100, 300, ALL);
  charts.pan(-1, ALL);
  expect(charts.stretch).toEqual([0, 200]);
  charts.pan(9, ALL);
  expect(charts.stretch).toEqual([800, 1000]);
});

test('the unit of x, and how each chart was left, are remembered', () => {
  const charts = new Charts('kept');
  charts.turnUnit(['step', 'epoch', 'second']);
  charts.keep('loss', { log: true, weight: 0.5 });
  const later = new Charts('kept');
  expect(later.unit).toBe('epoch');
  expect(later.lookOf('loss', { log: false, weight: 0 })).toEqual({ log: true, weight: 0.5 });
  later.turnUnit(['step', 'epoch', 'second']);
  expect(new Charts('kept').unit).toBe('second');
  later.turnUnit(['step', 'second']);
  expect(later.unit).toBe('step');
  expect(later.lookOf('other', { log: false, weight: 0 })).toEqual({ log: false, weight: 0 });
});
