import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, test } from 'vitest';
import { added, planOf, shapeText } from '../../frontend/src/lib/layers.js';

const cases = JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/layers.json'), 'utf8'));

test('sizes and parameters are those that the server plans, up to the first row that cannot be', () => {
  expect(cases.length).toBeGreaterThan(30);
  expect(cases.some(({ rows, plan }) => plan.length < rows.length)).toBe(true);
  for (const { rows, input, plan } of cases) expect(planOf(rows, input, 10)).toEqual(plan);
});

it('adds what needs a map before the first dense layer, anything else at the end', () => {
  const rows = [{ kind: 'convolution' }, { kind: 'dense' }];
  expect(added(rows, { kind: 'pooling' }).map((row) => row.kind)).toEqual([
    'convolution',
    'pooling',
    'dense',
  ]);
  expect(added(rows, { kind: 'norm' }).map((row) => row.kind)).toEqual(['convolution', 'dense', 'norm']);
  expect(added([], { kind: 'pooling' })).toEqual([{ kind: 'pooling' }]);
});

it('writes a map by its sides, a vector by its length', () => {
  expect([shapeText([8, 28, 28]), shapeText([10, 1, 1])]).toEqual(['8 × 28 × 28', '10']);
});
