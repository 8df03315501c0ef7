/** What runs are called, in the page's language. */

import { count } from './format.js';
import { kindTitle, t } from './i18n.svelte.js';
import { brief, symbolOf } from './names.js';
import { moment } from './runs.js';

/** @typedef {import('./types.js').ExperimentSummary} ExperimentSummary */
/** @typedef {import('./types.js').RunInfo} RunInfo */

const NAMED = 2; // changes in the name of a branch

/** @typedef {{name: string, created_at: string, branched_at?: number | null, branch_changes?: RunInfo['branch_changes']}} Called  what a run is called by */

/**
 * The title of a run: the name it was given, else what it changed as a branch, else the time it began.
 * @param {Called} run
 * @param {ExperimentSummary | null} [experiment]
 */
export const labelOf = (run, experiment = null) => run.name || unnamed(run, experiment);

/**
 * The title of a run without a name. Reactive: in the page's language.
 * @param {Called} run
 * @param {ExperimentSummary | null} [experiment]
 */
export function unnamed({ created_at, branched_at, branch_changes }, experiment = null) {
  if (branched_at === null || branched_at === undefined) return moment(new Date(created_at), new Date());
  const texts = Object.entries(branch_changes ?? {}).flatMap(([name, change]) =>
    movesOf(experiment, name, change),
  );
  const step = count(branched_at);
  if (!texts.length) return t('runs.branch', { step });
  const rest = texts.length > NAMED ? ` +${texts.length - NAMED}` : '';
  return t('runs.changed', { step, what: texts.slice(0, NAMED).join(', ') + rest });
}

/**
 * A changed knob as "symbol before → after"; each changed schedule by its kind.
 * @param {ExperimentSummary | null} experiment
 * @param {string} name
 * @param {{before: unknown, after: unknown}} change
 * @returns {string[]}
 */
function movesOf(experiment, name, { before, after }) {
  if (name !== 'schedules') {
    const [from, to] = [before, after].map((value) =>
      brief(/** @type {import('./types.js').KnobValue} */ (value), experiment?.knobs.properties[name]),
    );
    return [`${symbolOf(experiment, name)} ${from} → ${to}`];
  }
  const [old, young] = [before, after].map(
    (schedules) => /** @type {Record<string, {kind: string}>} */ (schedules ?? {}),
  );
  return Object.keys({ ...old, ...young })
    .filter((of) => JSON.stringify(old[of]) !== JSON.stringify(young[of]))
    .map(
      (of) => `${symbolOf(experiment, of)} → ${young[of] ? kindTitle(young[of].kind) : t('runs.constant')}`,
    );
}
