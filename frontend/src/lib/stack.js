/** The entries above the panels: errors, then states, then findings, the newest first. No DOM, no texts. */

import { lastKept } from './runs.js';

/** @typedef {import('./types.js').WayBack} Way */
/** @typedef {import('./types.js').Diagnosis} Diagnosis */
/** @typedef {import('./types.js').Refusal} Refusal */
/**
 * One entry of the stack.
 * @typedef {object} Entry
 * @property {string} kind  `finding`, or the name of a state
 * @property {'bad' | 'warn' | 'past' | 'good' | 'quiet'} tone
 * @property {Diagnosis} [found]  its event `diagnosis`
 * @property {Way | null} [back]  the step to branch from, and the knobs to set
 * @property {string} [action]  `undo`, `branch`, `reset`, `resume`, `play`, `cpu`, `leave`: the button offered, beside a finding's own
 */
/**
 * The part of a run it reads; `RunView` has all of it.
 * @typedef {object} Seen
 * @property {import('./types.js').RunStatus} status
 * @property {string} reason
 * @property {string} connection
 * @property {number | null} at
 * @property {Refusal | null} error
 * @property {{ok: boolean, reason: string}} recording
 * @property {Diagnosis[]} diagnoses
 * @property {number} touched  the step of the last change that affected training, or 0
 * @property {string | null} parent
 * @property {boolean} [ownLoop]  whether it trains in a script, whose state only that has
 * @property {number[]} [kept]  the steps whose states such a script keeps
 */

const STATES = ['checkpoint-damaged', 'not-on-cluster', 'non-finite', 'recovered']; // shown otherwise than as a finding
const LASTING = ['not-exact']; // of the device: no change of settings resolves it
const PAUSES = ['unwatched', 'made-room']; // reasons shown to the learner

/**
 * @param {Seen | null} run
 * @param {{
 *   refused?: Refusal | null, dismissed?: Set<unknown>, previous?: boolean, fresh?: boolean, over?: boolean, crowd?: number,
 *   known?: (code: string) => boolean, slow?: boolean,
 * }} [around]  `known`: whether there is a text for a finding; `previous`: whether this run replaced another; `fresh`: just now;
 *   `over`: whether it has come to its end;
 *   `crowd`: how many other runs train on the machine that it trains on; `slow`: whether its start takes longer than usual
 * @returns {{errors: Refusal[], now: Entry[], earlier: Entry[]}}
 */
export function stackOf(run, around = {}) {
  const errors = [around.refused, run?.error].filter((error) => error !== null && error !== undefined);
  if (!run) return { errors, now: [], earlier: [] };
  const { current, earlier } = findings(run, around.dismissed ?? new Set(), around.known ?? (() => true));
  if (run.connection === 'gone')
    return { errors, now: [{ kind: 'gone', tone: 'bad', action: 'leave' }], earlier: [] };
  const now = [...states(run), ...current].map((entry) =>
    run.ownLoop ? offered(entry, run.kept ?? []) : entry,
  );
  if (around.over && run.at === null) {
    const ended = now.findIndex((entry) => entry.kind === 'finished');
    if (ended >= 0) now[ended].kind = 'end';
    else now.push({ kind: 'end', tone: 'good' });
  }
  if (around.previous && around.fresh) {
    // What went wrong comes first, with the way out of it.
    const wrong = now.findLastIndex(
      ({ kind, tone }) => tone === 'bad' || (kind === 'finding' && tone === 'warn'),
    );
    now.splice(wrong + 1, 0, { kind: 'anew', tone: 'quiet' });
  } else if (around.previous) now.push({ kind: 'previous', tone: 'quiet' });
  if (run.parent && run.at === null && !current.length) now.push({ kind: 'branched', tone: 'quiet' });
  if (around.slow && run.status === 'starting' && !run.reason) now.push({ kind: 'starting', tone: 'quiet' });
  if (around.crowd && run.status !== 'queued') now.push({ kind: 'crowd', tone: 'quiet' });
  return { errors: unlike(errors), now, earlier };
}

/**
 * An entry without what needs the state of a run of ours; back is to a step whose state its script keeps.
 * @param {Entry} entry
 * @param {number[]} kept
 * @returns {Entry}
 */
function offered({ action, back, ...entry }, kept) {
  const step = back ? lastKept(kept, back.step) : null;
  return {
    ...entry,
    back: back && step !== null ? { ...back, step } : null,
    ...(action === 'play' ? { action } : {}),
  };
}

/** Errors without duplicates. @param {Refusal[]} errors */
const unlike = (errors) =>
  errors.filter(
    (error, i) =>
      !errors.slice(0, i).some((other) => other.code === error.code && other.field === error.field),
  );

/** The states of a run, the most pressing first. @param {Seen} run @returns {Entry[]} */
function states(run) {
  /** @type {Entry[]} */
  const found = [];
  if (run.connection === 'lost' || run.connection === 'full')
    found.push({ kind: run.connection, tone: 'warn' });
  if (run.at !== null) found.push({ kind: 'past', tone: 'past' });
  if (run.status === 'diverged') found.push(diverged(run));
  if (run.status === 'failed') found.push({ kind: 'failed', tone: 'bad', action: 'resume' });
  if (run.status === 'interrupted') found.push({ kind: 'interrupted', tone: 'warn', action: 'resume' });
  if (run.status === 'finished' && run.reason)
    found.push({ kind: 'finished', tone: 'good', action: 'branch' });
  if (run.status === 'starting' && run.reason)
    found.push({ kind: 'unplaced', tone: 'warn', action: run.reason.includes('gpu') ? 'cpu' : '' });
  if (run.status === 'queued') found.push({ kind: 'queued', tone: 'warn' });
  if (run.status === 'paused' && PAUSES.includes(run.reason))
    found.push({ kind: run.reason, tone: 'warn', action: 'play' });
  if (run.recording.reason) found.push({ kind: 'unrecorded', tone: 'warn' });
  const damaged = run.diagnoses.findLast((one) => one.code === 'checkpoint-damaged');
  if (damaged) found.push({ kind: 'damaged', tone: 'warn', found: damaged });
  const alone = run.diagnoses.findLast((one) => one.code === 'not-on-cluster');
  if (alone) found.push({ kind: 'off-cluster', tone: 'warn', found: alone });
  return found;
}

/** @param {Seen} run @returns {Entry} */
function diverged(run) {
  const found = run.diagnoses.findLast((one) => one.code === 'non-finite');
  const told = earliest(standing(run)?.params.back, found?.params.back);
  const undo = !told && (run.touched || run.parent);
  const back = undo ? null : (told ?? wayBack(found));
  return { kind: 'diverged', tone: 'bad', found, back, action: undo ? 'undo' : back ? '' : 'reset' };
}

/** The last `worse` finding, unless recovered since: the trouble began there. @param {Seen} run */
function standing(run) {
  const last = run.diagnoses.findLast((one) => one.code === 'worse' || one.code === 'recovered');
  return last?.code === 'worse' ? last : null;
}

/** @param {Way | null | undefined} one @param {Way | null | undefined} other */
const earliest = (one, other) => (one && (!other || one.step <= other.step) ? one : (other ?? null));

/**
 * Findings that hold, each code once, the newest first; and those from before training was last changed, or of what has
 * recovered since.
 * @param {Seen} run
 * @param {Set<unknown>} dismissed
 * @param {(code: string) => boolean} known
 */
function findings(run, dismissed, known) {
  /** @type {Entry[]} */
  const current = [];
  /** @type {Entry[]} */
  const earlier = [];
  /** @type {Entry[]} */
  const lastly = [];
  const seen = new Set();
  const broke = standing(run)?.params.back;
  for (const found of run.diagnoses.toReversed()) {
    if (found.code === 'recovered') for (const code of found.params.of ?? []) seen.add(code);
    const said = found.code === 'recovered' ? found.params.of?.some(known) : known(found.code);
    const state = STATES.includes(found.code) && !(run.ownLoop && found.code === 'non-finite');
    if (!said || (state && found.code !== 'recovered')) continue;
    const lasting = LASTING.includes(found.code);
    const holds = (lasting || found.step >= run.touched) && !seen.has(found.code);
    if (lasting && !holds) continue; // the newest has all of it
    seen.add(found.code);
    if (dismissed.has(found)) continue;
    if (lasting) {
      lastly.push({ kind: 'finding', tone: 'quiet', found, back: null });
      continue;
    }
    const good = found.code === 'recovered';
    const back = good ? null : earliest(broke, wayBack(found));
    (holds ? current : earlier).push({ kind: 'finding', tone: good ? 'good' : 'warn', found, back });
  }
  return { current: [...current, ...lastly], earlier };
}

/**
 * The step and knobs that a finding offers to branch from.
 * @param {Diagnosis | null | undefined} found
 * @returns {Way | null}
 */
export function wayBack(found) {
  const params = found?.params;
  if (params?.back) return params.back;
  if (params?.healthy !== undefined) return { step: params.healthy, knobs: params.remedy ?? {} };
  return null;
}

/**
 * A text as its first sentence and the rest.
 * @param {string} text
 * @returns {[string, string]}
 */
export function firstSentence(text) {
  const end = text.search(/[.!?](?=\s)/);
  return end < 0 ? [text, ''] : [text.slice(0, end + 1), text.slice(end + 1).trim()];
}
