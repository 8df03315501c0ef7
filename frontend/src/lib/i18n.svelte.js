/** The page's language, and its texts in it. */

import { MESSAGES } from '../messages/index.js';
import { particles } from './particles.js';
import { recall, remember } from './storage.js';

const KEY = 'descent.language';

/** @typedef {'en' | 'ko'} Language */
/** @typedef {import('../messages/index.js').Key} Key */

class Locale {
  /** @type {Language} */
  language = $state(initial());

  /** @param {Language} language */
  set(language) {
    this.language = language;
    remember(KEY, language);
  }
}

/** @returns {Language} */
function initial() {
  const asked = new URLSearchParams(globalThis.location?.search).get('lang');
  if (asked === 'en' || asked === 'ko') return asked; // of a link, for as long as the page is open
  const kept = recall(KEY);
  if (kept === 'en' || kept === 'ko') return kept;
  return navigator.language.startsWith('ko') ? 'ko' : 'en';
}

export const locale = new Locale();

/**
 * The text for `key` in the page's language, with `{name}` replaced by `params.name`. Reactive.
 * @param {Key} key
 * @param {Record<string, unknown>} [params]
 * @returns {string}
 */
export const t = (key, params = {}) => fill(MESSAGES[key]?.[locale.language === 'ko' ? 1 : 0] ?? key, params);

/**
 * `{name}` in a text replaced by `params.name`, with the Korean particles that fit.
 * @param {string} text
 * @param {Record<string, unknown>} params
 */
export const fill = (text, params) =>
  particles(text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole)));

/**
 * Whether there is a text for a key made from a server's code; the server may be newer than this page.
 * @param {string} key
 * @returns {key is Key}
 */
export const known = (key) => Object.hasOwn(MESSAGES, key);

/**
 * The text for a key made from a server's code, or `otherwise` if there is none.
 * @param {string} key
 * @param {string} otherwise
 * @param {Record<string, unknown>} [params]
 */
export const tOr = (key, otherwise, params) => (known(key) ? t(key, params) : otherwise);

/** The name of a kind of schedule. @param {string} kind */
export const kindTitle = (kind) => tOr(`schedule.${kind}`, kind);
