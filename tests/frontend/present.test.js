import { beforeEach, describe, expect, it } from 'vitest';
import { chosenOf, keep, toggled } from '../../frontend/src/components/present/choice.js';
import { deedOf } from '../../frontend/src/components/present/keys.js';
import { cursorOf, placeOf } from '../../frontend/src/charts/zoom.js';
import { remember } from '../../frontend/src/lib/storage.js';

const experiment = {
  id: 'lab',
  panels: [
    { name: 'weights', kind: 'heatmap', size: 'normal' },
    { name: 'map', kind: 'field', size: 'hero' },
    { name: 'loss', kind: 'scalars', size: 'normal' },
    { name: 'what_if', kind: 'lines', size: 'wide', group: 'effects' },
  ],
  knobs: {
    properties: {
      momentum: { type: 'number', 'x-live': true },
      lr: { type: 'number', 'x-live': true, 'x-role': 'rate' },
      units: { type: 'integer', 'x-live': false },
      unit: { type: 'integer', 'x-live': true, 'x-role': 'look' },
    },
  },
};

describe('what is presented', () => {
  beforeEach(() => remember('descent.present.lab', ''));

  it('is at first the hero with a chart, and the learning rate', () => {
    expect(chosenOf(experiment)).toEqual({ panels: ['map', 'loss'], knobs: ['lr', 'momentum'] });
  });

  it('is what was chosen last, as far as it is still there', () => {
    keep(experiment, { panels: ['what_if'], knobs: [] });
    expect(chosenOf(experiment)).toEqual({ panels: ['what_if'], knobs: [] });
    keep(experiment, { panels: ['gone', 'loss'], knobs: ['gone', 'unit'] });
    expect(chosenOf(experiment)).toEqual({ panels: ['loss'], knobs: ['unit'] });
    for (const broken of ['{', 'null', '{"panels": 3}', '{"panels": [{}], "knobs": "lr"}']) {
      remember('descent.present.lab', broken);
      expect(chosenOf(experiment).panels).toEqual(['map', 'loss']);
    }
  });

  it('has room for two panels: with a third the oldest gives way', () => {
    expect(toggled(['a', 'b'], 'c', 2)).toEqual(['b', 'c']);
    expect(toggled(['a', 'b'], 'a', 2)).toEqual(['b']);
  });
});

describe('the keys of the presentation', () => {
  /** @param {string} key @param {string} [on] what the focused element is @param {object} [more] */
  const pressed = (key, on = '', more = {}) => {
    const matches = (/** @type {string} */ list) => on !== '' && list.split(', ').includes(on);
    return deedOf({ key, target: { closest: (list) => (matches(list) ? {} : null) }, ...more });
  };

  it.each([
    ['1', 0],
    ['9', 8],
    ['0', null],
    [' ', 'play'],
    ['ArrowLeft', 'back'],
    ['ArrowRight', 'on'],
    ['Escape', 'leave'],
    ['n', 'notes'],
    ['?', 'help'],
    ['r', null],
  ])('%s', (key, deed) => expect(pressed(key)).toBe(deed));

  it('leave to the focused element what is its own', () => {
    expect(pressed(' ', 'button')).toBeNull();
    expect(pressed('ArrowRight', 'input')).toBeNull();
    expect(pressed('1', 'select')).toBeNull();
    expect(pressed('1', 'button')).toBe(0);
    expect(pressed('n', '', { ctrlKey: true })).toBeNull();
    expect(pressed('Escape', 'dialog')).toBeNull();
  });
});

describe('a pointer over what is zoomed', () => {
  const over = {
    currentCSSZoom: 1.5,
    clientWidth: 120,
    getBoundingClientRect: () => ({ left: 30, top: 60 }),
  };

  it('is where the element draws', () => {
    expect(placeOf({ target: over, clientX: 180, clientY: 90 })).toEqual({ x: 100, y: 20 });
  });

  it('is converted once for the cursor of a chart', () => {
    const u = { over, cursor: { event: { clientX: 180, clientY: 90 } } };
    expect(cursorOf(u, 150, 30)).toEqual([100, 20]);
    expect(cursorOf(u, 120, 30)).toEqual([100, 20]); // beyond the width in its own px, so rounded to it
    expect(cursorOf(u, 100, 20)).toEqual([100, 20]);
    expect(cursorOf({ over, cursor: {} }, 150, 30)).toEqual([150, 30]);
  });
});
