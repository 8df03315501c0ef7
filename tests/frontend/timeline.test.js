import { describe, expect, it } from 'vitest';
import { keyStep, place, stepAt } from '../../frontend/src/components/lab/timeline.js';

const span = { first: 100, step: 1100 };

it('a step lies between the ends of the timeline', () => {
  expect([0, 100, 600, 1100, 2000].map((step) => place(span, step))).toEqual([0, 0, 0.5, 1, 1]);
  expect(place({ first: 0, step: 0 }, 0)).toBe(0);
});

describe('the pointer', () => {
  it('means the step it is at, or the nearest mark within some pixels', () => {
    expect(stepAt(span, [], 0.25, 500)).toBe(350);
    expect(stepAt(span, [340, 357], 0.25, 500)).toBe(357);
    expect(stepAt(span, [330], 0.25, 500)).toBe(350);
  });

  it('means the present at the right end, and beyond', () => {
    expect(stepAt(span, [], 0.998, 500)).toBe(1100);
    expect(stepAt(span, [], 3, 500)).toBe(1100);
    expect(stepAt(span, [], -3, 500)).toBe(100);
  });
});

describe('a key', () => {
  const to = (/** @type {string} */ key, far = false, now = 500) => keyStep(key, far, span, now, [300, 700]);

  it.each([
    ['ArrowLeft', 495],
    ['ArrowUp', 505],
    ['PageDown', 300],
    ['PageUp', 700],
    ['Home', 100],
    ['End', null],
    ['Escape', null],
    ['x', undefined],
  ])('%s leads to %s', (key, step) => {
    expect(to(key)).toBe(step);
  });

  it('goes ten times as far with Shift, but not before the first step', () => {
    expect(to('ArrowRight', true)).toBe(550);
    expect(to('ArrowLeft', true, 120)).toBe(100);
  });

  it('goes to the ends where there are no more marks', () => {
    expect(to('PageDown', false, 200)).toBe(100);
    expect(to('PageUp', false, 800)).toBe(1100);
  });
});
