/** The link to what a lab shows. */

import { kindOf } from '../../lib/devices.js';
import { looksOf, changed } from '../../lib/knobs.js';
import { addressOf, recipeOf } from '../../lib/link.js';
import { limitsIn } from '../../lib/limits.js';
import { defaultsOf } from '../../lib/presets.js';
import { lineageOf } from '../../lib/session/lineage.js';

/**
 * @typedef {object} Shared
 * @property {string} address
 * @property {'whole' | 'start' | 'here'} holds  the whole run; only how it began, as the rest is too long; nothing that makes it again elsewhere
 * @property {boolean} own  whether it needs a file or a run of this machine
 */

/** @typedef {import('../../lib/session.svelte.js').Session} Session  that shows a run */
/** @typedef {import('../lab/layout.svelte.js').Layout} Layout */
/** @typedef {import('../../lib/i18n.svelte.js').Language} Language */

/** The run and the experiment that a lab shows. @param {Session} session */
function shownIn({ run, experiment }) {
  if (!run || !experiment) throw new Error('no run is shown');
  return { run, experiment };
}

/**
 * What a link says of a lab: the run as it is shown, made with `knobs` and these changes.
 * @param {Session} session
 * @param {Layout} layout
 * @param {Language} lang
 * @param {import('../../lib/types.js').Knobs} knobs
 */
function linkOf(session, layout, lang, knobs) {
  const { run, experiment } = shownIn(session);
  const shown = layout.shown(experiment.panels, run.knobs);
  return {
    run: run.id,
    seed: run.seed,
    device: kindOf(run.device), // another machine counts its GPUs by itself
    knobs: Object.fromEntries(changed(defaultsOf(experiment), knobs).map((name) => [name, knobs[name]])),
    changes: /** @type {import('../../lib/link.js').Change[]} */ ([]),
    step: 0,
    paused: run.halted || run.ended || run.at !== null,
    group: layout.group,
    panels: layout.hidden.length || layout.all ? shown.map(({ name }) => name) : [],
    story: session.story.shown ? (session.story.step?.id ?? '') : '',
    challenge: session.challenges.shown ? (session.challenges.one?.id ?? '') : '',
    question: session.questions.shown ? (session.questions.one?.id ?? '') : '',
    lang,
  };
}

/**
 * The address of a lab where each who opens it begins a run of their own, with the knobs as they are; `here`: the one
 * that shows this run, as those will look.
 * @param {Session} session
 * @param {Layout} layout
 * @param {{lang: Language, paused: boolean, challenge: string, question: string, limits: import('../../lib/limits.js').Limits, here?: boolean}} asked
 * @returns {string | null}  null where it would be too long
 */
export function linkToBegin(session, layout, { lang, paused, challenge, question, limits, here = false }) {
  const { run, experiment } = shownIn(session);
  const asked = experiment.questions.find(({ id }) => id === question);
  const link = {
    ...linkOf(session, layout, lang, asked ? { ...defaultsOf(experiment), ...asked.knobs } : run.knobs),
    run: here ? run.id : '',
    story: '',
    paused: paused || Boolean(asked),
    challenge,
    question,
  };
  const address = addressOf(session.id, link);
  const left = limitsIn(limits);
  return address && left.length ? `${address}&${new URLSearchParams(left)}` : address;
}

/**
 * @param {Session} session
 * @param {Layout} layout
 * @param {Language} lang
 * @returns {Promise<Shared>}
 */
export async function linkHere(session, layout, lang) {
  const { run, experiment } = shownIn(session);
  const step = run.now;
  const lineage = await lineageOf(run).catch(() => null); // an ancestor was deleted
  const recipe = lineage && recipeOf(lineage, step, experiment);
  const now = run.knobsAt(step);
  const looks = Object.fromEntries(looksOf(experiment).map((name) => [name, now[name]]));
  const link = {
    ...linkOf(session, layout, lang, { ...(recipe?.knobs ?? run.began), ...looks }),
    changes: recipe?.changes ?? [],
    step,
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
