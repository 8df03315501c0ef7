/** What a refused request means, in the page's language. */

import { known, t } from './i18n.svelte.js';

/**
 * @param {{code: string, field: string, params: Record<string, unknown>, detail?: string, message?: string}} error
 * @param {(name: string) => string} [nameOf]  the title of a knob
 * @returns {string}
 */
export function explain(error, nameOf = (name) => name) {
  const params = { ...error.params, field: nameOf(error.field) };
  const precise = `error.${error.code}.${error.params.reason}`;
  if (known(precise)) return t(precise, params);
  if (known(`error.${error.code}`))
    return t(`error.${error.code}`, { ...params, detail: error.detail ?? error.message });
  return error.detail ?? error.message ?? error.code;
}
