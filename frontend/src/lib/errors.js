/** Error messages of refused requests, in the page's language. */

import { errorTexts } from './errortexts.js';
import { fill, known, t, tOr } from './i18n.svelte.js';
import { titleOf } from './knobs.js';

/** @typedef {import('./types.js').ExperimentSummary} ExperimentSummary */
/** @typedef {import('./types.js').Refusal} Refusal */

/** Those that are told of a server that cannot be asked for texts. @type {Record<string, import('./i18n.svelte.js').Key>} */
const WITHOUT = { offline: 'connection.none', unexpected: 'connection.unexpected' };

/**
 * Reactive: empty until the texts have come.
 * @param {Refusal} error
 * @param {ExperimentSummary | null} [experiment]  the experiment concerned: has the titles of its knobs, and its own messages in this language
 * @returns {string}
 */
export function explain(error, experiment = null) {
  const field = titleOf(experiment, error.field ?? '');
  /** @type {Record<string, unknown>} */
  const params = { ...error.params, field };
  const own = experiment?.words[String(params.message)];
  if (own) return `${field}: ${fill(own, params)}`;
  if (error.code in WITHOUT) return t(WITHOUT[error.code], params);
  if (errorTexts.value === undefined) {
    errorTexts.come();
    return '';
  }
  const precise = `error.${error.code}.${params.reason}`;
  if (known(precise)) return t(precise, params);
  const ofTable = `error.file.${params.message}`;
  if (known(ofTable)) return t(ofTable, params);
  const detail = error.detail ?? error.message;
  return tOr(`error.${error.code}`, detail ?? error.code, { ...params, detail });
}
