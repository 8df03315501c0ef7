/** The glossary, once it has come, and the term explained now. */

import { locale } from './i18n.svelte.js';
import { Later } from './later.svelte.js';
import { finderOf } from './terms.js';

/** @typedef {import('./terms.js').Term} Term */

class Glossary {
  /** @type {Later<Term[]>} */
  #terms = new Later(async () => (await import('../messages/terms.js')).TERMS);
  #find = $derived(this.#terms.value ? finderOf(this.#terms.value, locale.language) : null);
  /** The term explained, and the box of its mention on the page. @type {{term: Term, at: DOMRect} | null} */
  shown = $state.raw(null);

  /** Its texts are no part of the page's first load. */
  come() {
    return this.#terms.come();
  }

  /** A text in parts, some of which are explained. @param {string} text @returns {import('./terms.js').Part[]} */
  parts(text) {
    return this.#find ? this.#find(text) : [{ text, term: null }];
  }

  /** @param {Term} term @param {HTMLElement} mention */
  show(term, mention) {
    this.shown = { term, at: mention.getBoundingClientRect() };
  }

  hide() {
    this.shown = null;
  }
}

export const glossary = new Glossary();
