import { expect, test } from 'vitest';
import { allowed, limitsIn, NONE, readLimits } from '../../frontend/src/lib/limits.js';

test('limits come back from an address', () => {
  const limits = { hidden: new Set(['lr', 'a_b']), locked: new Set(['seed']), without: new Set(['lesson']) };
  expect(readLimits(new URLSearchParams(limitsIn(limits)))).toEqual(limits);
  expect(limitsIn(NONE)).toEqual([]);
  expect(readLimits(new URLSearchParams('hide=&lock=**'))).toEqual(NONE);
});

test('what is hidden or locked is not set', () => {
  const limits = { ...NONE, hidden: new Set(['a']), locked: new Set(['b']) };
  expect(allowed(limits, { a: 1, b: 2, c: 3 })).toEqual({ c: 3 });
});
