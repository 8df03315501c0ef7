/** Changed knobs in words, in the page's language. */

import { kindTitle } from './i18n.svelte.js';
import { titleOf } from './knobs.js';
import { brief } from './names.js';
import { schedulesOf } from './schedules.js';

/**
 * Knobs with their values, and the schedules they follow.
 * @param {import('./types.js').ExperimentSummary} experiment
 * @param {import('./types.js').Knobs} knobs
 */
export const inWords = (experiment, knobs) =>
  Object.entries(knobs)
    .flatMap(([name, value]) =>
      name === 'schedules'
        ? Object.entries(schedulesOf(knobs)).map(
            ([of, { kind }]) => `${titleOf(experiment, of)}: ${kindTitle(kind)}`,
          )
        : [`${titleOf(experiment, name)} ${brief(value, experiment.knobs.properties[name])}`],
    )
    .join(', ');
