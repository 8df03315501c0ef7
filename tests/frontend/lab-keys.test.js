import { describe, expect, it } from 'vitest';
import { actionOf } from '../../frontend/src/components/lab/keys.js';

/**
 * A key with the focus on an element of this name or role.
 * @param {string} key
 * @param {string} [focus]
 * @param {Partial<KeyboardEvent>} [more]
 */
const press = (key, focus = 'main', more = {}) =>
  actionOf(
    /** @type {any} */ ({
      key,
      target: {
        closest: (/** @type {string} */ selector) =>
          selector.split(', ').some((one) => one === focus || one === `[role="${focus}"]`) || null,
      },
      ...more,
    }),
  );

describe('the keys of the lab', () => {
  it.each([
    [' ', 'play'],
    ['ArrowRight', 'step'],
    ['r', 'reset'],
    ['R', 'reset'],
    ['l', 'link'],
    ['p', 'present'],
    ['?', 'help'],
    ['Escape', 'shrink'],
    ['x', null],
  ])('%j means %s', (key, action) => {
    expect(press(key)).toBe(action);
  });

  it('leave space and arrow to a control that has the focus', () => {
    for (const control of ['button', 'a', 'application', 'menu', 'slider']) {
      expect(press(' ', control)).toBeNull();
      expect(press('ArrowRight', control)).toBeNull();
    }
  });

  it('mean nothing where text is typed, or in a dialog', () => {
    for (const field of ['input:not([type=range])', 'select', 'textarea', 'dialog'])
      for (const key of [' ', 'ArrowRight', 'r', '?', 'Escape']) expect(press(key, field)).toBeNull();
  });

  it('do not begin anew on a drawing, a slider, or while the key is held', () => {
    expect(press('r', 'application')).toBeNull();
    expect(press('r', 'input')).toBeNull();
    expect(press('r', 'main', { repeat: true })).toBeNull();
  });

  it('belong to the browser with a modifier', () => {
    expect(press('r', 'main', { ctrlKey: true })).toBeNull();
    expect(press('r', 'main', { metaKey: true })).toBeNull();
    expect(press(' ', 'main', { altKey: true })).toBeNull();
  });
});
