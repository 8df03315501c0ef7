import { beforeEach, describe, expect, it } from 'vitest';
import { Layout } from '../../frontend/src/components/lab/layout.svelte.js';
import { remember } from '../../frontend/src/lib/storage.js';

const panels = /** @type {any[]} */ ([
  { name: 'loss', size: 'wide' },
  { name: 'map', size: 'hero' },
  { name: 'sharpness', size: 'hero', group: 'effects' },
]);
const names = (/** @type {Layout} */ layout) => layout.shown(panels).map((panel) => panel.name);

beforeEach(() => remember('descent.lesson', 'open'));

describe('the panels', () => {
  it('are those of a group, the largest first, without the hidden ones', () => {
    const layout = new Layout(false, 'mlp-digits');
    expect(names(layout)).toEqual(['map', 'loss']);
    layout.hide('map');
    expect(names(layout)).toEqual(['loss']);
    layout.showPanels('effects');
    expect(names(layout)).toEqual(['sharpness']);
  });

  it('are four at first, the widest beside the hero, until all are asked for, which is remembered', () => {
    const many = /** @type {any[]} */ ([
      ...['a', 'b'].map((name) => ({ name, size: 'small' })),
      ...panels.slice(0, 2),
      ...['c', 'd'].map((name) => ({ name, size: 'small' })),
    ]);
    const layout = new Layout(false, 'optimizers');
    expect(layout.shown(many).map((panel) => panel.name)).toEqual(['map', 'loss', 'a', 'b']);
    expect(layout.further(many)).toBe(2);
    layout.hide('b');
    expect(layout.shown(many).map((panel) => panel.name)).toEqual(['map', 'loss', 'a', 'c']);
    layout.toggleAll();
    expect(layout.shown(many).map((panel) => panel.name)).toEqual(['map', 'a', 'loss', 'c', 'd']);
    expect(new Layout(false, 'optimizers').all).toBe(true);
    expect(new Layout(false, 'schedules').all).toBe(false);
    layout.toggleAll();
    expect(new Layout(false, 'optimizers').all).toBe(false);
  });

  it('are there only with knobs for which they have something to show', () => {
    const layout = new Layout(false, 'regularisation');
    const some = /** @type {any[]} */ ([
      panels[1],
      { name: 'masks', size: 'wide', options: { above: { dropout: 0 } } },
      { name: 'drawn', size: 'small', options: { when: { data: ['own', 'drawn'] } } },
    ]);
    const shown = (/** @type {any} */ knobs) => layout.shown(some, knobs).map((panel) => panel.name);
    expect(shown({ dropout: 0, data: 'digits' })).toEqual(['map']);
    expect(shown({ dropout: 0.1, data: 'drawn' })).toEqual(['map', 'masks', 'drawn']);
  });

  it('are enlarged one at a time', () => {
    const layout = new Layout(false, 'mlp-digits');
    layout.enlarge('map');
    layout.enlarge('loss');
    expect(layout.enlarged).toBe('loss');
    layout.enlarge('loss');
    expect(layout.enlarged).toBe('');
  });
});

describe('the lesson', () => {
  it('stays closed once it was closed where it lies beside the panels', () => {
    const layout = new Layout(false, 'mlp-digits');
    expect(layout.lesson).toBe(true);
    layout.toggleLesson();
    expect(new Layout(false, 'mlp-digits').lesson).toBe(false);
  });

  it('lies over the panels only when it is asked for, which is not remembered', () => {
    const layout = new Layout(true, 'mlp-digits');
    expect(layout.lesson).toBe(false);
    layout.toggleLesson();
    expect(layout.lesson).toBe(true);
    layout.toggleLesson();
    expect(new Layout(false, 'mlp-digits').lesson).toBe(true);
  });

  it('follows the width of the window', () => {
    const layout = new Layout(true, 'mlp-digits');
    layout.fit(false);
    expect(layout.lesson).toBe(true);
    layout.fit(true);
    expect(layout.lesson).toBe(false);
  });

  it('takes the place of knobs and panels on a phone', () => {
    const layout = new Layout(true, 'mlp-digits');
    layout.sheet = true;
    layout.showLesson();
    expect([layout.tab, layout.sheet]).toEqual(['lesson', false]);
    layout.showPanels('');
    expect(layout.tab).toBe('panels');
  });
});

it('shows the panels that a link names', () => {
  const layout = new Layout(false, 'link');
  const experiment = {
    groups: { effects: '' },
    panels: ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => ({
      name,
      size: 'normal',
      group: name < 'f' ? '' : 'effects',
    })),
  };
  const shown = () => layout.shown(experiment.panels).map(({ name }) => name);
  layout.restore({ group: '', panels: ['b', 'd'] }, experiment);
  expect(shown()).toEqual(['b', 'd']);
  layout.restore({ group: '', panels: ['nothing'] }, experiment);
  expect(shown()).toEqual(['b', 'd']);
  layout.restore({ group: '', panels: ['a', 'b', 'c', 'd', 'e'] }, experiment);
  expect(shown()).toHaveLength(5);
  layout.restore({ group: 'constructor', panels: [] }, experiment);
  expect(layout.group).toBe('');
  layout.restore({ group: 'effects', panels: [] }, experiment);
  expect(shown()).toEqual(['f']);
});
