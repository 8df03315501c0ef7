/** Effects of an open lab: keep the address and the description current, and poll other runs. */

import { untrack } from 'svelte';
import { getExperiment, getRunExperiment } from '../../lib/api.js';
import { locale } from '../../lib/i18n.svelte.js';
import { limitsIn } from '../../lib/limits.js';
import { paced } from '../../lib/paced.svelte.js';
import { router } from '../../lib/router.svelte.js';
import { isOwnLoop, labAddress } from '../../lib/runs.js';

const ADDRESS_EVERY = 400; // ms between two changes of the address while the timeline is dragged
const AROUND_EVERY = 3000; // ms between two polls of the other training runs, while this run waits for a core
const BESIDE_EVERY = 300; // ms between two updates of the run side by side

/** @typedef {import('../../lib/session.svelte.js').Session} Session */

/** Call while a component is set up. @param {Session} session */
export function attend(session) {
  describe(session);
  followAddress(session);
  lookAround(session);
  lookBeside(session);
  followStory(session);
  $effect(() => () => session.close());
}

/** Load the description in the page's language; after the first one, the run. @param {Session} session */
function describe(session) {
  const asked = router.query.get('run') ?? '';
  $effect(() => {
    const language = locale.language;
    const own = isOwnLoop(session.id) ? (session.run?.id ?? asked) : '';
    void session.run?.declared; // it has declared itself anew
    (own ? getRunExperiment(own, language) : getExperiment(session.id, language)).then(
      (found) => language === locale.language && session.describe(found),
      (error) => (session.refused = error),
    );
  });
  let opened = false;
  $effect(() => {
    if (!session.experiment || opened) return;
    opened = true;
    session.open(router.query);
  });
}

/** @param {Session} session */
function followAddress(session) {
  const { id } = session;
  const left = () =>
    limitsIn(session.limits)
      .map((pair) => `&${new URLSearchParams([pair])}`)
      .join('');
  const addressOf = (step = /** @type {number | null} */ (null)) =>
    session.run
      ? labAddress(
          { experiment: id, id: session.run.id },
          session.others.map((other) => other.id),
          step,
        ) + left()
      : '';
  // Another run is a new history entry, so that Back returns to this one.
  $effect(() => {
    const { run } = session;
    if (!run) return;
    untrack(() => {
      const before = router.query.get('run');
      if (router.experiment !== id || before === run.id) return;
      if (before && !router.query.has('seed')) router.push(addressOf());
      else router.replace(addressOf());
    });
  });
  $effect(() => {
    const asked = router.query.get('run');
    untrack(() => {
      const shown = session.run?.id ?? session.missing?.id;
      if (router.experiment === id && asked && shown && asked !== shown) session.open(router.query);
    });
  });
  // A reload, or the same link on another screen, shows the same step, with the same runs beside it.
  const address = paced(
    () => (session.run ? addressOf(session.run.at) : ''),
    () => ADDRESS_EVERY,
  );
  $effect(() => {
    const url = address.current;
    untrack(() => {
      const known = session.run?.id;
      if (known && url.includes(`?run=${known}`) && router.query.get('run') === known) router.replace(url);
    });
  });
}

/** Poll the other training runs, and whether the server can be reached again. @param {Session} session */
function lookAround(session) {
  $effect(() => {
    const { run } = session;
    if (!run?.status || run.connection !== 'open') return;
    untrack(() => session.lookAround());
    if (run.status !== 'queued') return;
    const timer = setInterval(() => session.lookAround(), AROUND_EVERY);
    return () => clearInterval(timer);
  });
  $effect(() => {
    if (session.run?.connection === 'open') untrack(() => session.reached());
  });
}

/** Keep the run side by side at the same step. @param {Session} session */
function lookBeside(session) {
  const together = paced(
    () => session.run?.now ?? 0,
    () => BESIDE_EVERY,
  );
  $effect(() => {
    session.beside?.seek(together.current);
  });
}

/** Tick off the story's steps as they happen. @param {Session} session */
function followStory(session) {
  const presets = $derived(
    Object.fromEntries(session.experiment?.presets.map(({ id, knobs }) => [id, knobs]) ?? []),
  );
  $effect(() => {
    const { run, story } = session;
    if (!run || !story.step) return;
    void [run.scalarsVersion, run.status, run.knobs, run.diagnoses, run.at, story.noted];
    untrack(() => story.follow(run, presets));
  });
  $effect(() => {
    const { run, ending, experiment } = session;
    if (!run || !experiment?.end) return;
    const { end } = experiment;
    void [run.scalarsVersion, run.status, run.knobs, run.at];
    untrack(() => ending.follow(run, end, presets));
  });
  $effect(() => {
    const { run, challenges } = session;
    if (!run || !challenges.all.length) return;
    void [run.scalarsVersion, run.status, run.knobs];
    untrack(() => challenges.follow(run));
  });
  $effect(() => {
    if (typeof session.run?.at === 'number') untrack(() => session.story.note('look-back'));
  });
}
