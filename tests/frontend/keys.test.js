import { expect, test, vi } from 'vitest';
import { movedBy } from '../../frontend/src/charts/keys.js';

/** @param {string} key */
const press = (key, shiftKey = false) => {
  const event = { key, shiftKey, preventDefault: vi.fn(), stopPropagation: vi.fn() };
  return { event: /** @type {any} */ (event), taken: () => event.stopPropagation.mock.calls.length > 0 };
};

test.each([
  ['ArrowRight', false, 6],
  ['ArrowLeft', false, 4],
  ['ArrowRight', true, 15],
  ['ArrowLeft', true, 0],
  ['Home', false, 0],
  ['End', false, 19],
])('%s, shift %s, moves the cursor from row 5 to row %i', (key, shift, row) => {
  const { event, taken } = press(key, shift);
  expect(movedBy(event, 5, 20)).toBe(row);
  expect(taken()).toBe(true);
});

test('other keys, and keys on a chart without rows, are left to the page', () => {
  for (const [key, rows] of /** @type {const} */ ([['r', 20], ['ArrowRight', 0]])) {
    const { event, taken } = press(key);
    expect(movedBy(event, 5, rows)).toBeNull();
    expect(taken()).toBe(false);
  }
}); // prettier-ignore
