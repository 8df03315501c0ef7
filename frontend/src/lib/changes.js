/** The changes of knobs in a run and its ancestors, and which of them affected training. No DOM. */

import { isLook } from './knobs.js';

/** @typedef {import('./types.js').ExperimentSummary} ExperimentSummary */
/** @typedef {import('./types.js').Knobs} Knobs */

/**
 * A segment of a run's lineage: the run itself, or an ancestor up to the branch point.
 * @typedef {object} Stretch
 * @property {string} id
 * @property {number} first  the step it begins at
 * @property {Knobs} began  its knobs there
 * @property {Change[]} changes  in the order they were made
 */
/** @typedef {{step: number, knobs: Knobs, time?: number}} Change  `time`: ms; missing for recorded changes */
/** @typedef {{run: string, step: number, before: Knobs, time?: number}} Move  `before`: values before it */

export const ONE_PULL = 1500; // ms between two changes of a slider that is being dragged
const CLOSE = 50; // steps, for recorded changes, which have no times
const CLOSE_SHARE = 0.02; // of the step

/**
 * Whether a change of knobs affects training: of a knob that is not a look, and to a different value.
 * @param {ExperimentSummary} experiment
 * @param {Knobs} before
 * @param {Knobs} values
 */
export const touches = (experiment, before, values) =>
  Object.entries(values).some(
    ([name, value]) => !isLook(experiment?.knobs.properties[name]) && !same(before[name], value),
  );

/**
 * The change to undo first: the last move that affected training and was not undone since, over all stretches.
 * A slider that was dragged is one move.
 * @param {Stretch[]} stretches  the oldest first
 * @param {(name: string) => boolean} looks  whether a knob does not affect training
 * @returns {Move | null}
 */
export function lastMove(stretches, looks) {
  const all = moves(stretches, looks);
  let at = all.length - 1;
  while (at > 0 && onePull(all[at - 1], all[at])) at--;
  if (at < 0) return null;
  return {
    ...all[at],
    before: Object.assign(
      {},
      ...all
        .slice(at)
        .map((move) => move.before)
        .reverse(),
    ),
  };
}

/** @param {Stretch[]} stretches @param {(name: string) => boolean} looks @returns {Move[]} */
function moves(stretches, looks) {
  /** @type {Move[]} */
  const all = [];
  const now = { ...stretches[0]?.began };
  stretches.forEach((stretch, i) => {
    const until = stretches[i + 1]?.first ?? Infinity;
    const owner = i > 0 ? stretches[i - 1].id : stretch.id; // of a branch's initial changes
    /** @type {Change[]} */
    const begin = i > 0 ? [{ step: stretch.first, knobs: stretch.began }] : [];
    for (const change of [...begin, ...stretch.changes]) {
      if (change.step > until) break;
      const names = Object.keys(change.knobs).filter(
        (name) => !looks(name) && !same(now[name], change.knobs[name]),
      );
      if (names.length) {
        const before = Object.fromEntries(names.map((name) => [name, now[name] ?? none(name)]));
        const run = change.step === stretch.first ? owner : stretch.id;
        fold(all, { run, step: change.step, before, time: change.time }, { ...now, ...change.knobs });
      }
      Object.assign(now, change.knobs);
    }
  });
  return all;
}

/** No schedules are an empty object. @param {string} name */
const none = (name) => (name === 'schedules' ? {} : null);

/** Add a move; drop it if it was undone at the same step. @param {Move[]} all @param {Move} move @param {Knobs} after */
function fold(all, move, after) {
  const last = all.at(-1);
  if (last?.step !== move.step) {
    all.push(move);
    return;
  }
  const before = { ...move.before, ...last.before };
  for (const name of Object.keys(before))
    if (same(before[name], after[name] ?? none(name))) delete before[name];
  all.pop();
  if (Object.keys(before).length) all.push({ ...last, before, time: move.time });
}

/** Whether two moves belong to one drag of the same knob. @param {Move} one @param {Move} next */
function onePull(one, next) {
  if (one.run !== next.run || Object.keys(one.before).join() !== Object.keys(next.before).join())
    return false;
  if (one.time !== undefined && next.time !== undefined) return next.time - one.time <= ONE_PULL;
  return next.step - one.step <= Math.max(CLOSE, CLOSE_SHARE * next.step);
}

/** Whether two values of knobs are equal. @param {unknown} one @param {unknown} other */
export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
