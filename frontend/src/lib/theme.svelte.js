/** Light or dark: the learner's choice, or the system's. Canvas drawing reads the colours from here. */

import { recall, remember } from './storage.js';

const KEY = 'descent.theme';
const NAMES = /** @type {const} */ (['accent', 'grid', 'line', 'muted', 'panel', 'text', 'warn']);
const dark = window.matchMedia('(prefers-color-scheme: dark)');

class Theme {
  /** @type {'light' | 'dark' | 'system'} */
  choice = $state(initial());
  #systemDark = $state(dark.matches);
  /** @type {'light' | 'dark'} */
  resolved = $derived(this.choice === 'system' ? (this.#systemDark ? 'dark' : 'light') : this.choice);
  /** The colours that `app.css` declares, for drawing on canvases. */
  colours = $derived(coloursOf(this.resolved));

  constructor() {
    dark.addEventListener('change', (event) => (this.#systemDark = event.matches));
  }

  toggle() {
    this.choice = this.resolved === 'dark' ? 'light' : 'dark';
    remember(KEY, this.choice);
  }
}

/** @returns {'light' | 'dark' | 'system'} */
function initial() {
  const kept = recall(KEY);
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

/** @param {'light' | 'dark'} theme @returns {Record<typeof NAMES[number], string>} */
function coloursOf(theme) {
  const probe = document.createElement('i');
  probe.dataset.theme = theme;
  document.documentElement.append(probe);
  const style = getComputedStyle(probe);
  const colours = NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]);
  probe.remove();
  return Object.fromEntries(colours);
}

export const theme = new Theme();
