import { describe, expect, test } from 'vitest';
import MERGED from '../fixtures/merged_knobs.json';
import {
  changed,
  control,
  fromPosition,
  laidOver,
  range,
  readsOwn,
  relevant,
  snap,
  toPosition,
} from '../../frontend/src/lib/knobs.js';

const base = { title: '', description: '', default: 0 };
const rate = {
  ...base,
  type: 'number',
  minimum: 1e-5,
  maximum: 10,
  'x-log': true,
};
const share = {
  ...base,
  type: 'number',
  minimum: 0,
  maximum: 0.99,
  'x-step': 0.01,
};
const batch = { ...base, type: 'integer', minimum: 1, maximum: 30 };
const penalty = {
  ...base,
  type: 'number',
  minimum: 0,
  maximum: 10,
  'x-log': true,
  'x-typical': [1e-3, 1],
};

test.each([
  [{ ...base, type: 'boolean' }, 'switch'],
  [{ ...base, type: 'string', enum: ['a', 'b'] }, 'choice'],
  [{ ...base, type: 'integer', enum: [16, 32] }, 'choice'],
  [rate, 'slider'],
  [batch, 'slider'],
  [{ ...base, type: 'array', items: { enum: ['x'] } }, 'flags'],
  [{ ...base, type: 'array', items: { type: 'integer' } }, 'sizes'],
  [
    {
      ...base,
      type: 'array',
      prefixItems: [{ type: 'number' }, { type: 'number' }],
    },
    'pair',
  ],
  [{ ...base, type: 'array', items: { oneOf: [] } }, 'layers'],
  [{ ...base, type: 'array', items: { type: 'array' } }, 'points'],
  [
    {
      ...base,
      type: 'array',
      items: { type: 'array' },
      'x-grid': [
        [1, 5],
        [1, 5],
      ],
    },
    'grid',
  ],
  [{ ...base, type: 'string', maxLength: 10 }, 'text'],
  [{ ...base, type: 'string', maxLength: 64, 'x-canvas': [8, 8] }, 'drawing'],
  [{ ...base, type: 'string', maxLength: 32, 'x-recorded': 'cnn-images' }, 'recorded'],
  [{ ...base, type: 'string', maxLength: 32, 'x-own': 'table' }, 'own'],
  [{ ...base, type: 'string', maxLength: 80, 'x-column-of': 'file' }, 'column'],
])('a schema gets the control that fits it', (schema, kind) => {
  expect(control(schema)).toBe(kind);
});

describe('a slider', () => {
  test.each([rate, share, batch, penalty])('reaches both ends of its range', (schema) => {
    expect([fromPosition(schema, 0), fromPosition(schema, 1000)]).toEqual(range(schema));
    expect(toPosition(schema, range(schema)[0])).toBe(0);
    expect(toPosition(schema, range(schema)[1])).toBeCloseTo(1000);
  });

  test('with a logarithmic scale gives every decade the same length', () => {
    const at = [1e-5, 1e-4, 1e-3, 1e-2].map((value) => toPosition(rate, value));
    expect(at[1] - at[0]).toBeCloseTo(at[3] - at[2]);
    expect(fromPosition(rate, at[2])).toBeCloseTo(1e-3, 12);
  });

  test('gives values one would type', () => {
    expect(String(fromPosition(rate, 511))).toMatch(/^\d(\.\d{1,4})?$|^0\.0+\d{1,2}$/);
    expect(fromPosition(share, 501)).toBe(0.5);
    expect(fromPosition(batch, 501)).toBe(16);
  });

  test('of a logarithmic scale from zero keeps zero at its left end', () => {
    expect(fromPosition(penalty, 0)).toBe(0);
    expect(toPosition(penalty, 0)).toBe(0);
    expect(fromPosition(penalty, 1)).toBeGreaterThan(0);
  });
});

test('a typed value is brought onto the grid and into the range', () => {
  expect(snap(batch, 7.4)).toBe(7);
  expect(snap(batch, 99)).toBe(30);
  expect(snap(share, 0.123456)).toBe(0.12);
});

test('a knob matters only with the values of the others that it names', () => {
  const momentum = { ...share, 'x-when': { optimizer: ['momentum', 'nag'] } };
  expect(relevant(momentum, { optimizer: 'nag' })).toBe(true);
  expect(relevant(momentum, { optimizer: 'adam' })).toBe(false);
  expect(relevant(share, {})).toBe(true);
});

test('what changed is told by value, lists included', () => {
  expect(changed({ lr: 1, hidden: [8, 8] }, { lr: 1, hidden: [8, 8] })).toEqual([]);
  expect(changed({ lr: 1, hidden: [8, 8] }, { lr: 2, hidden: [8] })).toEqual(['lr', 'hidden']);
});

test.each(MERGED)('knobs set over others are shown as the server will merge them: $values', (told) => {
  expect(laidOver(told.before, told.values)).toEqual(told.after);
});

test('two changes made one come to the same', () => {
  for (const first of MERGED)
    for (const then of MERGED)
      expect(laidOver(first.before, laidOver(first.values, then.values))).toEqual(
        laidOver(laidOver(first.before, first.values), then.values),
      );
});

test('files of one’s own count where the knobs read them', () => {
  const schemas = /** @type {any} */ ({
    corpus: { enum: ['file', 'prose'] },
    file: { type: 'string', 'x-own': 'text', 'x-when': { corpus: ['file'] } },
  });
  expect(readsOwn(schemas, { corpus: 'file', file: 'abc' })).toBe(true);
  expect(readsOwn(schemas, { corpus: 'file', file: '' })).toBe(false);
  expect(readsOwn(schemas, { corpus: 'prose', file: 'abc' })).toBe(false);
  expect(readsOwn(schemas, { corpus: 'file' })).toBe(false);
});
