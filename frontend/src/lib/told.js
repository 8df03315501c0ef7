/** Texts of a run's entries above its panels, in the page's language. */

import { explain } from './errors.js';
import { count, number } from './format.js';
import { t, tOr } from './i18n.svelte.js';
import { inWords } from './inwords.js';
import { lostInWords } from './lost.js';
import { brief, scalarTitle } from './names.js';
import { add } from '../messages/index.js';
import texts from '../messages/health.js';

add(texts);

/** @typedef {import('./run.svelte.js').RunView} RunView */
/** @typedef {import('./stack.js').Entry} Entry */
/** @typedef {import('./types.js').Diagnosis} Diagnosis */

/**
 * @param {Entry} entry
 * @param {RunView} run
 * @param {{crowd: unknown[]}} around
 * @returns {string}
 */
export function tell(entry, run, around) {
  switch (entry.kind) {
    case 'crowd':
      return t(around.crowd.length === 1 ? 'reason.crowd.one' : 'reason.crowd', { n: around.crowd.length });
    case 'finding':
      return entry.found ? finding(entry.found, run) : '';
    case 'diverged':
      return diverged(entry.found, run);
    case 'past':
      return past(run);
    case 'branched':
      return branched(run);
    case 'failed':
      return t('reason.failed', { reason: whyFailed(run) });
    case 'finished':
      return finished(run);
    case 'end':
      return `${run.status === 'finished' ? finished(run) : ''} ${run.experiment.end?.say ?? ''}`.trim();
    case 'interrupted':
      return interrupted(run);
    case 'unplaced':
      return tOr(`reason.cluster.${run.reason}`, run.reason);
    case 'damaged':
      return t('reason.damaged', { used: count(entry.found?.params.used ?? 0) });
    case 'off-cluster':
      return t('reason.off-cluster', { step: count(entry.found?.step ?? 0) });
    case 'queued':
      return queued(run);
    case 'unrecorded':
      return tOr(`recording.${run.recording.reason}`, run.recording.reason);
    case 'gone':
    case 'lost':
    case 'full':
      return t(`connection.${entry.kind}`);
    default:
      return tOr(`reason.${entry.kind}`, entry.kind);
  }
}

/** The store gives an interrupted run a word for a reason, a lost cluster a sentence. @param {RunView} run */
function interrupted(run) {
  const told = run.reason.includes(' ') ? 'reason.interrupted.cluster' : 'reason.interrupted';
  return t(told, { step: count(run.step), reason: lostInWords(run.reason) });
}

/** @param {RunView} run */
function queued(run) {
  const { place, seconds } = run.waiting ?? {};
  if (!place || (seconds ?? null) === null) return t('reason.queued');
  const when = t('reason.queued.place', { place, seconds: count(seconds ?? 0) });
  return run.reason === 'turn' ? `${t('reason.queued.turn')} ${when}` : when;
}

/** @param {Diagnosis} found @param {RunView} run */
function finding(found, run) {
  const { params } = found;
  const shown = {
    ...Object.fromEntries(
      Object.entries(params).map(([name, value]) => [
        name,
        typeof value === 'number' ? number(value) : value,
      ]),
    ),
    step: count(found.step),
    steps: count(Number(params.steps ?? 0)),
    since: count(params.since ?? 0),
    at: count(params.at ?? 0),
    percent: Math.round(100 * (params.value ?? 0)),
    layer: run.word(params.layer ?? ''),
    racer: (params.racers ?? [params.racer ?? ''])
      .map((/** @type {string} */ name) => run.word(name))
      .join(', '),
    operations: (params.operations ?? []).join(', '),
    scalar: scalarTitle(run.experiment, params.scalar ?? ''),
    changes: changesInWords(params.changes ?? {}, run),
    of: (params.of ?? [])
      .map((/** @type {string} */ code) => tOr(`finding.${code}`, ''))
      .filter(Boolean)
      .join(', '),
  };
  const plain = tOr(`health.${found.code}`, found.code, shown);
  return tOr(`health.${found.code}.${params.cause}`, plain, shown); // the text for its cause, if there is one
}

/** @param {Diagnosis | undefined} found @param {RunView} run */
function diverged(found, run) {
  if (!found) return t('reason.diverged', { step: count(run.step), scalars: '–', rates: '–' });
  const rates = Object.entries(found.params.rates ?? {}).map(
    ([name, value]) => `${run.knobTitle(name)} ${number(value)}`,
  );
  const { penalty = 0, rate = 0, below = 0 } = found.params;
  const shown = {
    penalty: number(penalty),
    rate: number(rate),
    below: number(below),
    step: count(found.step),
    scalars: Object.keys(found.params.scalars ?? {})
      .map((name) => scalarTitle(run.experiment, name))
      .join(', '),
    rates: rates.join(', '),
  };
  return tOr(`reason.diverged.${found.params.cause}`, t('reason.diverged', shown), shown);
}

/** @param {RunView} run */
function whyFailed({ refused, reason, experiment }) {
  const last = lastLine(reason);
  const detail = tOr(`reason.${last}`, lostInWords(last));
  return refused ? explain({ code: 'bad-knob', ...refused, detail }, experiment) : detail;
}

/** @param {RunView} run */
function finished(run) {
  const told = { step: count(run.step), reason: run.word(run.reason) };
  if (!run.stepsPerEpoch) return t('reason.finished', told);
  return t('reason.finished.epoch', { ...told, epoch: count(Math.floor(run.step / run.stepsPerEpoch)) });
}

/** @param {RunView} run */
function past(run) {
  const step = count(run.at ?? 0);
  const knobs = inWords(run.experiment, run.wanted);
  if (run.ownLoop && run.ended) return t('past.over', { step });
  if (run.ownLoop && run.way === null) return t('past.unkept', { step });
  if (run.ownLoop)
    return t(knobs ? 'past.kept.wanted' : 'past.kept', { step, knobs, kept: count(run.way ?? 0) });
  return knobs ? t('past.wanted', { step, knobs }) : t('past.at', { step });
}

/** @param {RunView} run */
function branched(run) {
  const first = run.knobChanges.filter((change) => change.step === run.first).map((change) => change.knobs);
  const knobs = inWords(run.experiment, Object.assign({}, ...first));
  return t(knobs ? 'branch.differs' : 'branch.same', { step: count(run.first), knobs });
}

/** Changed knobs with their values before and after. @param {NonNullable<Diagnosis['params']['changes']>} changes @param {RunView} run */
const changesInWords = (changes, run) =>
  Object.entries(changes)
    .map(([name, [before, after]]) => {
      const schema = run.experiment.knobs.properties[name];
      return `${run.knobTitle(name)} ${brief(before, schema)} → ${brief(after, schema)}`;
    })
    .join(', ');

/** @param {string} text */
const lastLine = (text) => text.trim().split('\n').at(-1) ?? '';
