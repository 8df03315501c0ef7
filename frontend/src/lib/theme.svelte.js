/** Light or dark: the learner's choice, or the system's. Canvas drawing reads the colours from here. */

import { recall, remember } from './storage.js';

const KEY = 'descent.theme';
const dark = window.matchMedia('(prefers-color-scheme: dark)');

class Theme {
  /** @type {'light' | 'dark' | 'system'} */
  choice = $state(/** @type {any} */ (recall(KEY)) ?? 'system');
  #systemDark = $state(dark.matches);
  /** @type {'light' | 'dark'} */
  resolved = $derived(this.choice === 'system' ? (this.#systemDark ? 'dark' : 'light') : this.choice);
  /** The neutral colours of the page, as `app.css` sets them, for drawing on canvases. */
  colours = $derived(COLOURS[this.resolved]);

  constructor() {
    dark.addEventListener('change', (event) => (this.#systemDark = event.matches));
  }

  toggle() {
    this.choice = this.resolved === 'dark' ? 'light' : 'dark';
    remember(KEY, this.choice);
  }
}

export const COLOURS = {
  light: {
    background: '#fbfcfd', panel: '#ffffff', text: '#1b2430', muted: '#586474', line: '#dde3ea', grid: '#edf0f4',
    accent: '#2f6fed', skeleton: '#eef1f5', warn: '#9a4b00',
  },
  dark: {
    background: '#0f1318', panel: '#171c23', text: '#e4e9f0', muted: '#9aa6b5', line: '#2b333e', grid: '#222932',
    accent: '#6ea0ff', skeleton: '#20272f', warn: '#f0b26b',
  },
}; // prettier-ignore

export const theme = new Theme();
