/**
 * The address: `/` is the gallery, `/chapter/ID` a chapter of it, `/lab/ID?run=RUN` an experiment with its run,
 * `/history` all runs, `/enter#KEY` the way in and `/people` who came by it, on a server that asks for keys.
 */

import { at, placeOf } from './base.js';

class Router {
  path = $state(placeOf(location.pathname));
  query = $state.raw(new URLSearchParams(location.search));
  /** The experiment's id, or '' in the gallery. */
  experiment = $derived(this.path.startsWith('/lab/') ? decodeURIComponent(this.path.slice(5)) : '');

  /** The chapter's id, or ''. */
  chapter = $derived(this.path.startsWith('/chapter/') ? decodeURIComponent(this.path.slice(9)) : '');

  constructor() {
    window.addEventListener('popstate', () => this.#read());
  }

  #read() {
    this.path = placeOf(location.pathname);
    this.query = new URLSearchParams(location.search);
  }

  /** @param {string} url */
  go(url) {
    this.push(url);
    window.scrollTo(0, 0);
  }

  /** Another place in the same view. @param {string} url */
  push(url) {
    history.pushState(null, '', at(url));
    this.#read();
  }

  /** @param {string} url */
  replace(url) {
    history.replaceState(null, '', at(url));
    this.#read();
  }
}

export const router = new Router();

/**
 * Let a plain click on a link change the view without reloading the page.
 * @param {MouseEvent} event
 */
export function follow(event) {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
  const link = /** @type {HTMLAnchorElement} */ (event.currentTarget);
  event.preventDefault();
  router.go(placeOf(link.getAttribute('href') ?? '/'));
}
