/**
 * Links that hold how a run was made, so that it can be made again where it is not recorded. Pure.
 *
 * `?run=ID&seed=0&device=cpu&k.lr=0.3&log=120*lr*0.1*5**0.2&step=500&paused=1&group=…&panels=…&lang=…&story=…`: the knobs
 * that differ from the defaults, the changes made since, the step shown. A change in `log` is the steps since the one
 * before, the knob and its value; no steps: it was made together with the one before; no knob: the same one again. An address without a seed is no link.
 */

import { isDevice } from './devices.js';
import { changed } from './knobs.js';
import { ApiError } from './refusal.js';

export const LONGEST = 6000; // characters of a link: servers, chats and proxies refuse or cut longer ones
export const FARTHEST = 1_000_000; // step, as the server allows
export const MOST_CHANGES = 1000; // as the server allows

/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {import('./types.js').Experiment} Experiment */
/** @typedef {{step: number, knobs: Knobs}} Change */
/** @typedef {{knobs: Knobs, changes: Change[]}} Recipe  `knobs`: those it begins with */
/**
 * What a link says.
 * @typedef {object} Link
 * @property {string} run  its id where it was made
 * @property {number} seed
 * @property {string} device  `auto`, or the name of one
 * @property {Knobs} knobs  those that differ from the defaults
 * @property {Change[]} changes
 * @property {number} step
 * @property {boolean} paused
 * @property {string} group  of panels
 * @property {string[]} panels  of the group, where not just the first are shown
 * @property {string} story  the id of the story's step
 * @property {string} challenge  the id of the one to try
 * @property {string} question  the id of the one to predict
 */

/**
 * How a run was made, up to a step. Null where it cannot be made again in one go: a fixed knob was changed on the way, or
 * its beginning is not known.
 * @param {import('./changes.js').Stretch[]} lineage  the oldest first
 * @param {number} step
 * @param {Experiment} experiment
 * @returns {Recipe | null}
 */
export function recipeOf(lineage, step, experiment) {
  if (lineage[0].first > 0) return null;
  const { began: knobs } = lineage[0];
  const now = { ...knobs };
  /** @type {Change[]} */
  const changes = [];
  for (const [i, stretch] of lineage.entries()) {
    const begins = i > 0 ? [{ step: stretch.first, knobs: difference(now, stretch.began) }] : [];
    const until = Math.min(step, lineage[i + 1]?.first ?? Infinity);
    for (const change of [...begins, ...stretch.changes]) {
      const names = Object.keys(change.knobs);
      if (change.step > until) break;
      if (names.some((name) => experiment.knobs.properties[name]?.['x-live'] === false)) return null;
      if (names.length) changes.push({ step: change.step, knobs: change.knobs });
      Object.assign(now, change.knobs);
    }
  }
  return { knobs, changes };
}

/** @param {Knobs} before @param {Knobs} after */
function difference(before, after) {
  const found = Object.fromEntries(changed(before, after).map((name) => [name, after[name]]));
  return before.schedules && !after.schedules ? { ...found, schedules: {} } : found;
}

/**
 * The link's address without its origin; null where it would be too long.
 * @param {string} experiment
 * @param {Link & {lang: string}} link
 * @returns {string | null}
 */
export function addressOf(experiment, link) {
  const query = new URLSearchParams(link.run ? { run: link.run } : {});
  query.set('seed', String(link.seed));
  if (link.device !== 'auto') query.set('device', link.device);
  for (const [name, value] of Object.entries(link.knobs)) query.set(`k.${name}`, written(value));
  if (link.changes.length) query.set('log', packed(link.changes));
  if (link.step) query.set('step', String(link.step));
  if (link.paused) query.set('paused', '1');
  if (link.group) query.set('group', link.group);
  if (link.panels.length) query.set('panels', link.panels.join('*'));
  query.set('lang', link.lang);
  if (link.story) query.set('story', link.story);
  if (link.challenge) query.set('challenge', link.challenge);
  if (link.question) query.set('question', link.question);
  const address = `/lab/${experiment}?${query}`;
  return address.length > LONGEST || link.changes.length > MOST_CHANGES ? null : address;
}

/**
 * What a link says; the server checks the knobs.
 * @param {URLSearchParams} query
 * @returns {Link}
 * @throws {ApiError}
 */
export function readLink(query) {
  const length = String(query).length;
  if (length > 2 * LONGEST) throw bad('long', { n: length, most: 2 * LONGEST });
  const knobs = [...query].filter(([name]) => name.startsWith('k.'));
  const device = query.get('device') ?? 'auto';
  if (!isDevice(device)) throw bad('device', { given: device.slice(0, 40) });
  return {
    run: query.get('run') ?? '',
    seed: whole(query, 'seed', 2 ** 32 - 1),
    device,
    knobs: Object.fromEntries(knobs.map(([name, text]) => [name.slice(2), read(text)])),
    changes: unpacked(query.get('log') ?? ''),
    step: whole(query, 'step', FARTHEST),
    paused: query.get('paused') === '1',
    group: query.get('group') ?? '',
    panels: query.get('panels')?.split('*') ?? [],
    story: query.get('story') ?? '',
    challenge: query.get('challenge') ?? '',
    question: query.get('question') ?? '',
  };
}

/** @param {URLSearchParams} query @param {'seed' | 'step'} name @param {number} most */
function whole(query, name, most) {
  const text = query.get(name) ?? '0';
  if (!/^\d{1,16}$/.test(text) || Number(text) > most) throw bad(name, { given: text.slice(0, 40), most });
  return Number(text);
}

/** @param {Change[]} changes */
function packed(changes) {
  /** @type {string[]} */
  const parts = [];
  let step = 0;
  let last = '';
  for (const change of changes) {
    for (const [i, [name, value]] of Object.entries(change.knobs).entries()) {
      parts.push(i ? '' : String(change.step - step), name === last ? '' : name, written(value));
      last = name;
    }
    step = change.step;
  }
  return parts.join('*');
}

/** @param {string} text @returns {Change[]} */
function unpacked(text) {
  const parts = text ? text.split('*') : [];
  if (parts.length % 3) throw bad('changes');
  /** @type {Change[]} */
  const changes = [];
  let name = '';
  for (let i = 0; i < parts.length; i += 3) {
    const [steps, knob, value] = parts.slice(i, i + 3);
    name = knob || name;
    let change = changes.at(-1);
    if (steps || !change) {
      if (!name || !/^\d{1,7}$/.test(steps)) throw bad('changes');
      change = { step: (change?.step ?? 0) + Number(steps), knobs: {} };
      changes.push(change);
    }
    change.knobs = { ...change.knobs, [name]: read(value) };
  }
  if (changes.length > MOST_CHANGES) throw bad('changes');
  return changes;
}

/**
 * A knob's value as text without `*`: JSON, or a bare word.
 * @param {import('./types.js').KnobValue} value
 */
export function written(value) {
  if (typeof value === 'string' && /^[a-z][\w-]*$/i.test(value) && read(value) === value) return value;
  return JSON.stringify(value).replaceAll('*', '\\u002a');
}

/** @param {string} text @returns {import('./types.js').KnobValue} */
function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** @param {string} reason @param {Record<string, unknown>} [params] */
const bad = (reason, params = {}) => new ApiError({ code: 'bad-link', params: { reason, ...params } });
