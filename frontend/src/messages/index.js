/** Every text of the page: key → [English, 한국어], one file per area. The experiments bring their own texts. */

import animation from './animation.js';
import app from './app.js';
import data from './data.js';
import errors from './errors.js';
import gallery from './gallery.js';
import health from './health.js';
import help from './help.js';
import history from './history.js';
import knobs from './knobs.js';
import lab from './lab.js';
import panels from './panels.js';
import share from './share.js';
import schedule from './schedule.js';
import story from './story.js';
import sweep from './sweep.js';

/** @typedef {Record<string, [string, string]>} Texts */
/** @typedef {keyof typeof MESSAGES} Key  of a text; a misspelt one fails the type check */
/** The keys of any of these. @template T @typedef {T extends unknown ? keyof T & string : never} KeyOf */

export const MESSAGES = joined(
  animation,
  app,
  data,
  errors,
  gallery,
  health,
  help,
  history,
  knobs,
  lab,
  panels,
  schedule,
  share,
  story,
  sweep,
);

/**
 * All areas as one. Throws where two of them have the same key.
 * @template {Texts[]} T
 * @param {T} areas
 * @returns {Record<KeyOf<T[number]>, [string, string]>}
 */
export function joined(...areas) {
  /** @type {Texts} */
  const all = {};
  for (const [key, texts] of areas.flatMap((area) => Object.entries(area))) {
    if (key in all) throw new Error(`the message ${key} is there twice`);
    all[key] = texts;
  }
  return /** @type {Record<KeyOf<T[number]>, [string, string]>} */ (all);
}
