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
    const layout = new Layout(false);
    expect(names(layout)).toEqual(['map', 'loss']);
    layout.hide('map');
    expect(names(layout)).toEqual(['loss']);
    layout.showPanels('effects');
    expect(names(layout)).toEqual(['sharpness']);
  });

  it('are enlarged one at a time', () => {
    const layout = new Layout(false);
    layout.enlarge('map');
    layout.enlarge('loss');
    expect(layout.enlarged).toBe('loss');
    layout.enlarge('loss');
    expect(layout.enlarged).toBe('');
  });
});

describe('the lesson', () => {
  it('stays closed once it was closed where it lies beside the panels', () => {
    const layout = new Layout(false);
    expect(layout.lesson).toBe(true);
    layout.toggleLesson();
    expect(new Layout(false).lesson).toBe(false);
  });

  it('lies over the panels only when it is asked for, which is not remembered', () => {
    const layout = new Layout(true);
    expect(layout.lesson).toBe(false);
    layout.toggleLesson();
    expect(layout.lesson).toBe(true);
    layout.toggleLesson();
    expect(new Layout(false).lesson).toBe(true);
  });

  it('follows the width of the window', () => {
    const layout = new Layout(true);
    layout.fit(false);
    expect(layout.lesson).toBe(true);
    layout.fit(true);
    expect(layout.lesson).toBe(false);
  });

  it('takes the place of knobs and panels on a phone', () => {
    const layout = new Layout(true);
    layout.sheet = true;
    layout.showLesson();
    expect([layout.tab, layout.sheet]).toEqual(['lesson', false]);
    layout.showPanels('');
    expect(layout.tab).toBe('panels');
  });
});
