import { expect, test } from 'vitest';
import { faster, slower, wordOf } from '../../frontend/src/lib/pace.js';
import { stepAt } from '../../frontend/src/lib/replay.svelte.js';
import { Undo } from '../../frontend/src/lib/undo.js';

test('slower than the fastest is slower than it trains', () => {
  expect(slower(null, 4800)).toBe(1000);
  expect(slower(null, 40)).toBe(30);
  expect(slower(30, 30)).toBe(15);
  expect(slower(1, 1)).toBe(1);
});

test('faster ends at as fast as it goes', () => {
  expect(faster(15)).toBe(30);
  expect(faster(20)).toBe(30);
  expect(faster(1000)).toBe(null);
  expect(faster(null)).toBe(null);
});

test('a pace has a word', () => {
  expect([1, 5, 30, 250, null].map(wordOf)).toEqual(['single', 'slow', 'steady', 'quick', 'fastest']);
});

test('a film takes most of its time for the beginning, and ends now', () => {
  const run = { first: 100, step: 1100 };
  expect([0, 0.5, 1].map((share) => stepAt(run, share))).toEqual([100, 350, 1100]);
});

test('settings are undone and redone, a slider that was dragged at once', () => {
  const undo = new Undo();
  undo.note({ lr: 1, kind: 'a' }, { lr: 2 }, 0);
  undo.note({ lr: 2, kind: 'a' }, { lr: 3 }, 500);
  undo.note({ lr: 3, kind: 'a' }, { lr: 3 }, 900); // nothing new
  undo.note({ lr: 3, kind: 'a' }, { kind: 'b' }, 9000);
  expect(undo.undo()).toEqual({ kind: 'a' });
  expect(undo.undo()).toEqual({ lr: 1 });
  expect(undo.undo()).toBeNull();
  expect(undo.redo()).toEqual({ lr: 3 });
  undo.note({ lr: 3, kind: 'a' }, { lr: 4 }, 9500);
  expect(undo.redo()).toBeNull(); // what was undone is gone once something else is set
  expect(undo.undo()).toEqual({ lr: 3 });
});
