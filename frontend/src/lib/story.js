/** Stories: which terms hold, as `descent/stories.py` has it; held to it by shared cases. Pure. */

import { same } from './changes.js';

/** @typedef {import('../net/server.js').StoryStep} StoryStep */
/** @typedef {StoryStep['done'][number]} Term */
/** @typedef {import('./types.js').Knobs} Knobs */
/**
 * What terms are held against: the run now, and what has happened since the step of the story began.
 * @typedef {object} Seen
 * @property {Knobs} knobs
 * @property {(name: string) => number} scalar  the last value, NaN if there is none
 * @property {string} status
 * @property {number} steps  of training, since a knob was last set, too
 * @property {Record<string, number>} began  scalars then
 * @property {ReadonlySet<string>} findings
 * @property {ReadonlySet<string>} gestures  `point` as `point:panel`
 * @property {Record<string, Knobs>} presets  their knobs
 */

/** Whether all terms hold at once. @param {Term[]} terms @param {Seen} seen */
export const holds = (terms, seen) => terms.every((term) => one(term, seen));

/** @param {Term} term @param {Seen} seen @returns {boolean} */
function one(term, seen) {
  if ('knob' in term) {
    const value = seen.knobs[term.knob];
    return term.equals === undefined || term.equals === null
      ? bounded(term, Number(value))
      : same(value, term.equals);
  }
  if ('scalar' in term) {
    const value = seen.scalar(term.scalar);
    return bounded(term, term.times ? value / (seen.began[term.scalar] || NaN) : value);
  }
  if ('steps' in term) return seen.steps >= term.steps;
  if ('preset' in term)
    return Object.entries(seen.presets[term.preset]).every(([name, value]) => same(seen.knobs[name], value));
  if ('finding' in term) return seen.findings.has(term.finding);
  if ('status' in term) return seen.status === term.status;
  return seen.gestures.has(term.panel ? `${term.gesture}:${term.panel}` : term.gesture);
}

/** Whether a value lies strictly within bounds. @param {{above?: number | null, below?: number | null}} bounds @param {number} value */
export const bounded = ({ above, below }, value) =>
  !Number.isNaN(value) && (above == null || value > above) && (below == null || value < below);

/** The names of scalars that terms compare with the beginning. @param {StoryStep} step */
export const compared = (step) =>
  [step.done, ...step.answers.map((answer) => answer.when)]
    .flat()
    .flatMap((term) => ('scalar' in term && term.times ? [term.scalar] : []));

/** The gesture that a step asks for, if it does. @param {StoryStep} step */
export const gestureOf = (step) =>
  step.done.flatMap((term) => ('gesture' in term ? [term.gesture] : []))[0] ?? '';
