import { expect, it, vi } from 'vitest';
import { differences, labAddress, mainScalar, moment, tree } from '../../frontend/src/lib/runs.js';

vi.stubGlobal('navigator', { language: 'en' });
const { labelOf } = await import('../../frontend/src/lib/called.js');

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

it('calls a branch by what it changed, unless it was given a name', () => {
  const experiment = {
    knobs: {
      properties: {
        lr: { title: 'Learning rate', 'x-symbol': 'η' },
        activation: { title: 'Activation', 'x-options': { relu: 'ReLU', tanh: 'Tanh' } },
        noise: { title: 'Noise' },
      },
    },
  };
  const named = (/** @type {any} */ branch_changes, name = '') =>
    labelOf({ name, created_at: '2026-01-01T00:00:00Z', branched_at: 1200, branch_changes }, experiment);
  const lr = { before: 0.03, after: 0.3 };
  const activation = { before: 'tanh', after: 'relu' };
  expect(named({ lr })).toBe('η 0.03 → 0.3 at step 1\u202f200');
  expect(named({ lr, activation })).toBe('η 0.03 → 0.3, Activation Tanh → ReLU at step 1\u202f200');
  expect(named({ lr, activation, noise: { before: 0, after: 1 } })).toMatch(/ReLU \+1 at step/);
  expect(named({ schedules: { before: {}, after: { lr: { kind: 'cosine' } } } })).toMatch(/^η → .+ at step/);
  expect(named({ schedules: { before: { lr: { kind: 'cosine' } }, after: {} } })).toMatch(/^η → constant/);
  expect(named({})).toBe('Branch at step 1\u202f200');
  expect(named(null)).toBe('Branch at step 1\u202f200');
  expect(named({ lr }, 'mine')).toBe('mine');
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
