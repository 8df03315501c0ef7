/** Every text of the page: key → [English, 한국어], one file per area. The experiments bring their own texts. */

import animation from './animation.js';
import app from './app.js';
import happened from './happened.js';
import knobs from './knobs.js';
import lab from './lab.js';
import panels from './panels.js';
import share from './share.js';
import schedule from './schedule.js';
import story from './story.js';

/** @typedef {Record<string, [string, string]>} Texts */
/**
 * Areas that are loaded with what shows them.
 * @typedef {typeof import('./access.js').default & typeof import('./build.js').default & typeof import('./challenges.js').default & typeof import('./classroom.js').default & typeof import('./data.js').default & typeof import('./devices.js').default & typeof import('./errors.js').default & typeof import('./gallery.js').default & typeof import('./health.js').default &
 *   typeof import('./help.js').default & typeof import('./history.js').default & typeof import('./lost.js').default & typeof import('./paper.js').default & typeof import('./sweep.js').default} Later
 */
/** @typedef {keyof typeof FIRST | keyof Later} Key  of a text; a misspelt one fails the type check */
/** The keys of any of these. @template T @typedef {T extends unknown ? keyof T & string : never} KeyOf */

const FIRST = joined(animation, app, happened, knobs, lab, panels, schedule, share, story);

/** All texts that are loaded. */
export const MESSAGES = /** @type {Record<Key, [string, string]>} */ (FIRST);

/** Take in an area that is loaded later. @param {Texts} area */
export const add = (area) => void Object.assign(MESSAGES, area);

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
