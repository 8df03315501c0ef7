import { expect, it } from 'vitest';
import { brief, differences, labelOf, tree } from '../../frontend/src/lib/runs.js';

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

it('calls a run by its name, else by its number', () => {
  expect(labelOf({ id: '0123456789ab', name: '' })).toBe('#012345');
  expect(labelOf({ id: '0123456789ab', name: 'mine' })).toBe('mine');
});

it('names the knobs that differ, by their symbols where they have one', () => {
  const experiment = {
    knobs: { properties: { lr: { title: 'Learning rate', 'x-symbol': 'η' }, noise: { title: 'Noise' } } },
  };
  expect(differences(experiment, { lr: 0.1, noise: 0 }, { lr: 3e-4, noise: 0 })).toEqual(['η 3e-4']);
  expect(differences(experiment, { lr: 0.1, noise: 0 }, { lr: 0.1, noise: 2 })).toEqual(['Noise 2']);
});

it('writes values briefly', () => {
  expect([brief(0.5), brief([8, 8]), brief(true), brief('a'.repeat(30))]).toEqual([
    '0.5',
    '8×8',
    '✓',
    `${'a'.repeat(17)}…`,
  ]);
});
