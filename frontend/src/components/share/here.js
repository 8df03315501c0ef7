/** The link to what a lab shows. */

import { looksOf, changed } from '../../lib/knobs.js';
import { addressOf, recipeOf } from '../../lib/link.js';
import { defaultsOf } from '../../lib/presets.js';
import { lineageOf } from '../../lib/session/lineage.js';

/**
 * @typedef {object} Shared
 * @property {string} address
 * @property {'whole' | 'start' | 'here'} holds  the whole run; only how it began, as the rest is too long; nothing that makes it again elsewhere
 * @property {boolean} own  whether it needs a file or a run of this machine
 */

/**
 * @param {import('../../lib/session.svelte.js').Session} session  that shows a run
 * @param {import('../lab/layout.svelte.js').Layout} layout
 * @param {import('../../lib/i18n.svelte.js').Language} lang
 * @returns {Promise<Shared>}
 */
export async function linkHere(session, layout, lang) {
  const { run, experiment } = session;
  if (!run || !experiment) throw new Error('no run is shown');
  const step = run.now;
  const lineage = await lineageOf(run).catch(() => null); // an ancestor was deleted
  const recipe = lineage && recipeOf(lineage, step, experiment);
  const shown = layout.shown(experiment.panels, run.knobs);
  const begin = recipe?.knobs ?? run.began;
  const now = run.knobsAt(step);
  const looks = Object.fromEntries(looksOf(experiment).map((name) => [name, now[name]]));
  const knobs = { ...begin, ...looks };
  const link = {
    run: run.id,
    seed: run.seed,
    device: /** @type {'cpu' | 'cuda'} */ (run.device),
    knobs: Object.fromEntries(changed(defaultsOf(experiment), knobs).map((name) => [name, knobs[name]])),
    changes: recipe?.changes ?? [],
    step,
    paused: run.halted || run.ended || run.at !== null,
    group: layout.group,
    panels: layout.hidden.length || layout.all ? shown.map(({ name }) => name) : [],
    story: session.story.shown ? (session.story.step?.id ?? '') : '',
    lang,
  };
  const properties = experiment.knobs.properties;
  const own = Object.keys(link.knobs).some(
    (name) => (properties[name]?.['x-own'] || properties[name]?.['x-recorded']) && link.knobs[name],
  );
  const whole = recipe && addressOf(session.id, link);
  if (whole) return { address: whole, holds: 'whole', own };
  const start = recipe && addressOf(session.id, { ...link, changes: [], step: 0, paused: true });
  if (start) return { address: start, holds: 'start', own };
  const query = new URLSearchParams({ run: run.id, step: String(step), lang });
  return { address: `/lab/${session.id}?${query}`, holds: 'here', own };
}
