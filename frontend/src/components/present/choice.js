/** What is presented of an experiment: one or two panels and a few knobs, as chosen last. No DOM. */

import { isLook, isRate, liveNumbers } from '../../lib/knobs.js';
import { recall, remember } from '../../lib/storage.js';

export const MOST = { panels: 2, knobs: 3 };

/** @typedef {{panels: string[], knobs: string[]}} Choice  their names */
/** @typedef {import('../../lib/types.js').Experiment} Experiment */

/** @param {string} id  of the experiment */
const keyOf = (id) => `descent.present.${id}`;

/**
 * What was chosen last; by default the hero with the first chart, and the learning rate with the next live number.
 * @param {Experiment} experiment
 * @returns {Choice}
 */
export function chosenOf(experiment) {
  const { panels, knobs } = read(experiment.id);
  const shown = panels.filter((name) => experiment.panels.some((panel) => panel.name === name));
  const set = knobs?.filter((name) => name in experiment.knobs.properties);
  return {
    panels: (shown.length ? shown : firstPanels(experiment)).slice(0, MOST.panels),
    knobs: (set ?? firstKnobs(experiment)).slice(0, MOST.knobs),
  };
}

/** @param {Experiment} experiment @param {Choice} choice */
export const keep = (experiment, choice) => remember(keyOf(experiment.id), JSON.stringify(choice));

/**
 * A choice with one name more, or less: beyond the most, the oldest gives way. @param {string[]} names @param {string} name
 * @param {number} most
 */
export const toggled = (names, name, most) =>
  names.includes(name) ? names.filter((other) => other !== name) : [...names, name].slice(-most);

/** @param {string} id @returns {{panels: string[], knobs: string[] | null}} */
function read(id) {
  try {
    const { panels, knobs } = JSON.parse(recall(keyOf(id)) ?? '');
    return { panels: names(panels), knobs: names(knobs) };
  } catch {
    return { panels: [], knobs: null };
  }
}

/** @param {unknown} found @returns {string[]} */
const names = (found) => (Array.isArray(found) ? found.filter((name) => typeof name === 'string') : []);

/** @param {Experiment} experiment */
function firstPanels(experiment) {
  const own = experiment.panels.filter((panel) => !panel.group);
  const hero = own.find((panel) => panel.size === 'hero') ?? own[0];
  const chart =
    own.find((panel) => panel !== hero && panel.kind === 'scalars') ?? own.find((one) => one !== hero);
  return [hero, chart].flatMap((panel) => (panel ? [panel.name] : []));
}

/** @param {Experiment} experiment */
function firstKnobs({ knobs: { properties } }) {
  const live = liveNumbers(properties).sort(
    (a, b) => Number(isRate(properties[b])) - Number(isRate(properties[a])),
  );
  const others = Object.keys(properties).filter((name) => isLook(properties[name]));
  return (live.length ? live : others).slice(0, 2);
}
