/** The page's language, and its texts in it. */

import { MESSAGES } from './messages.js';
import { particles } from './particles.js';
import { recall, remember } from './storage.js';

const KEY = 'descent.language';

/** @typedef {'en' | 'ko'} Language */

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
  const kept = recall(KEY);
  if (kept === 'en' || kept === 'ko') return kept;
  return navigator.language.startsWith('ko') ? 'ko' : 'en';
}

export const locale = new Locale();

/**
 * The text for `key` in the page's language, with `{name}` replaced by `params.name`. Reactive.
 * @param {string} key
 * @param {Record<string, unknown>} [params]
 * @returns {string}
 */
export function t(key, params = {}) {
  const text = MESSAGES[key]?.[locale.language === 'ko' ? 1 : 0] ?? key;
  return fill(text, params);
}

/**
 * `{name}` in a text replaced by `params.name`, with the Korean particles that fit.
 * @param {string} text
 * @param {Record<string, unknown>} params
 */
export const fill = (text, params) =>
  particles(text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? String(params[name]) : whole)));

/** @param {string} key */
export const known = (key) => key in MESSAGES;

/** What a kind of schedule is called. @param {string} kind */
export const kindTitle = (kind) => t(`schedule.${kind}`);
