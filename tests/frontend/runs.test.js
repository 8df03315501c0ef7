import { expect, it } from 'vitest';
import {
  differences,
  families,
  labAddress,
  labelOf,
  mainScalar,
  moment,
  tree,
} from '../../frontend/src/lib/runs.js';

const run = (/** @type {string} */ id, /** @type {string | null} */ parent = null) => ({
  id,
  parent,
  branched_at: parent ? 1 : null,
});

it('lists a tree of runs, each after its parent', () => {
  const rows = tree([run('a'), run('b'), run('a1', 'a'), run('b1', 'b'), run('a11', 'a1'), run('a2', 'a')]);
  expect(rows.map(({ run, depth }) => `${depth}${run.id}`)).toEqual([
    '0a',
    '1a1',
    '2a11',
    '1a2',
    '0b',
    '1b1',
  ]);
});

it('makes a root of a run whose parent is not there', () => {
  expect(tree([run('a1', 'deleted')])).toEqual([{ run: run('a1', 'deleted'), depth: 0 }]);
});

it('calls a run by its name, else by when it began', () => {
  const began = new Date(2024, 2, 5, 14, 3, 9);
  expect(labelOf({ created_at: began.toISOString(), name: 'mine' })).toBe('mine');
  expect(labelOf({ created_at: began.toISOString(), name: '' })).toBe('2024-03-05 14:03:09');
  expect(moment(began, new Date(2024, 2, 5, 18))).toBe('14:03:09');
});

it('names the knobs that differ, by their symbols where they have one', () => {
  const experiment = {
    knobs: { properties: { lr: { title: 'Learning rate', 'x-symbol': 'η' }, noise: { title: 'Noise' } } },
  };
  const between = (/** @type {any} */ before, /** @type {any} */ after) =>
    differences(experiment, before, after, (kind) => kind.toUpperCase());
  expect(between({ lr: 0.1, noise: 0 }, { lr: 3e-4, noise: 0 })).toEqual(['η 3e-4']);
  expect(between({ lr: 0.1, noise: 0 }, { lr: 0.1, noise: 2 })).toEqual(['Noise 2']);
  expect(between({ schedules: {} }, { schedules: { lr: { kind: 'cosine' } } })).toEqual(['η: COSINE']);
});

it('lists the family with the newest run first', () => {
  const dated = (
    /** @type {string} */ id,
    /** @type {number} */ day,
    /** @type {string | null} */ parent = null,
  ) => ({
    ...run(id, parent),
    created_at: `2026-01-0${day}`,
  });
  const rows = families([dated('a1', 4, 'a'), dated('c', 3), dated('b', 2), dated('a', 1)]);
  expect(rows.map(({ run, depth }) => `${depth}${run.id}`)).toEqual(['0a', '1a1', '0c', '0b']);
});

it('says what a run came to by its loss, or by what it measures first', () => {
  expect(mainScalar({ accuracy: 1, 'loss/test': 2, 'loss/train': 3 })).toBe('loss/train');
  expect(mainScalar({ accuracy: 1, 'loss/g': 2 })).toBe('loss/g');
  expect(mainScalar({ accuracy: 1 })).toBe('accuracy');
  expect(mainScalar({})).toBeUndefined();
});

it('finds a run again by its address, with its step and its comparison', () => {
  const run = { id: 'a', experiment: 'dcgan' };
  expect(labAddress(run)).toBe('/lab/dcgan?run=a');
  expect(labAddress(run, ['b', 'c'], 40)).toBe('/lab/dcgan?run=a&step=40&with=b,c');
});
