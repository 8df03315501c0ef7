import { expect, it } from 'vitest';
import { brief, scalarTitle, symbolOf } from '../../frontend/src/lib/names.js';

const experiment = {
  knobs: { properties: { lr: { title: 'Learning rate', 'x-symbol': 'η' }, noise: { title: 'Noise' } } },
  panels: [
    { title: 'Samples', options: {} },
    { title: 'Loss', options: { series: { 'loss/train': 'training', 'loss/test': 'test' } } },
    { title: 'Gradient norm', options: { series: { 'gradient/norm': '‖g‖' } } },
  ],
};

it('names a scalar by its chart, and by its curve where the chart has several', () => {
  expect(scalarTitle(experiment, 'loss/train')).toBe('Loss (training)');
  expect(scalarTitle(experiment, 'gradient/norm')).toBe('Gradient norm');
  expect(scalarTitle(experiment, 'knob/lr')).toBe('Learning rate');
  expect(scalarTitle(experiment, 'other')).toBe('other');
  expect(scalarTitle(undefined, 'loss/train')).toBe('loss/train');
});

it('names a knob by its symbol, else by its title', () => {
  expect([symbolOf(experiment, 'lr'), symbolOf(experiment, 'noise')]).toEqual(['η', 'Noise']);
});

it('writes a matrix row by row', () => {
  /** @type {any} */
  const schema = { 'x-grid': [1, 5].map(() => [1, 5]) };
  expect(brief([[1, 1, 1]], schema)).toBe('1 1 1');
  const rows = [-1, 2].map((first) => [first, 0.5]);
  expect(brief(rows, schema)).toBe('−1 0.5; 2 0.5');
});

it('writes values briefly, and options by their titles', () => {
  expect([brief(0.5), brief([8, 8]), brief(true), brief('a'.repeat(30)), brief(null)]).toEqual([
    '0.5',
    '8×8',
    '✓',
    `${'a'.repeat(17)}…`,
    '–',
  ]);
  const layers = [{ kind: 'convolution', filters: 8 }, { kind: 'activation' }, { kind: 'dense', units: 32 }];
  expect(brief(layers)).toBe('8–32');
  const schema = { 'x-options': { adamw: 'AdamW', 16: '16 × 16' } };
  expect([brief('adamw', schema), brief(16, schema), brief(['adamw', 'sgd'], schema)]).toEqual([
    'AdamW',
    '16 × 16',
    'AdamW×sgd',
  ]);
});
