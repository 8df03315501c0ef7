/** What goes on in a lab: the run looked at, those beside it, and how one leads to another. */

import { branchRun, command, createRun, getFamily, getKnobLog, getRun, listRuns } from './api.js';
import { lastMove } from './changes.js';
import { changed, isLook } from './knobs.js';
import { refusal } from './refusal.js';
import { RunView } from './run.svelte.js';
import { MOST } from './runs.js';
import { anew } from './schedules.js';
import { isBusy } from './statuses.js';

/** @typedef {import('./types.js').Experiment} Experiment */
/** @typedef {import('./types.js').ExperimentSummary} ExperimentSummary */
/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {import('./types.js').Preset} Preset */
/** @typedef {import('./types.js').Refusal} Refusal */
/** @typedef {import('./types.js').RunInfo} RunInfo */

const LOOKED_AT = 100; // newest runs, among which those that train are looked for

export class Session {
  /** @type {Experiment | null} */
  experiment = $state.raw(null);
  run = $state.raw(/** @type {RunView | null} */ (null));
  /** Runs whose curves are drawn beside. @type {RunView[]} */
  others = $state.raw([]);
  /** The one among them whose pictures are shown beside. */
  beside = $state.raw(/** @type {RunView | null} */ (null));
  /** The tree of branches that the run belongs to. @type {RunInfo[]} */
  family = $state.raw([]);
  /** The run that the present one took the place of. @type {{id: string, step: number} | null} */
  previous = $state.raw(null);
  /** Other runs that train on this machine, or wait to. @type {RunInfo[]} */
  crowd = $state.raw([]);
  /** All experiments, for their titles. @type {ExperimentSummary[]} */
  experiments = $state.raw([]);
  /** A request that was refused. @type {Refusal | null} */
  refused = $state.raw(null);
  /** A run that was asked for and cannot be shown: why. @type {{id: string, experiment: string, error: Refusal | null} | null} */
  missing = $state.raw(null);
  /** What a new run would begin with, while there is no run to show it. */
  wanted = $state.raw(/** @type {Knobs | null} */ (null));
  /** The preset whose knobs are set, as far as is known. */
  preset = $state('');
  /** The preset that says what to watch: until another one does, or it is dismissed. */
  watched = $state('');

  #branching = false;
  /** @type {Promise<void> | null} */
  #beginning = null;
  /** What is to begin next. @type {{values: Knobs, seed: number, paused: boolean} | null} */
  #asked = null;
  /** Live knobs that were set while a run began. @type {Knobs} */
  #meanwhile = {};

  branches = $derived(this.family.filter((info) => info.parent === this.run?.id));
  knobs = $derived(this.wanted ?? (this.run && { ...this.run.knobs, ...this.run.followed }));

  /** @param {string} id  of the experiment */
  constructor(id) {
    this.id = id;
  }

  /** No run is shown before that is here. */
  get #described() {
    return /** @type {Experiment} */ (this.experiment);
  }

  /** Its description, again when the language changes. @param {Experiment} found */
  describe(found) {
    this.experiment = found;
    for (const view of [this.run, ...this.others]) if (view) view.experiment = found;
  }

  /**
   * The run in an address, or a new one that plays at once.
   * @param {URLSearchParams} query
   */
  async open(query) {
    const known = query.get('run');
    if (!known) {
      await this.begin({}, 0, false);
      return;
    }
    const step = query.get('step');
    await this.show(known, query.get('with')?.split(',') ?? null);
    if (step !== null && Number.isFinite(Number(step))) this.run?.seek(Number(step));
  }

  /**
   * A run as it is recorded, together with those it is compared with: by default the one it was branched from.
   * @param {string} known
   * @param {string[] | null} compared
   */
  async show(known, compared = null) {
    this.missing = null;
    try {
      const [info, log] = await Promise.all([getRun(known), getKnobLog(known)]);
      if (info.experiment !== this.id) return this.#miss(known, info.experiment, null);
      this.#attach(info, log[0].knobs);
    } catch (error) {
      return this.#miss(known, '', refusal(error));
    }
    this.preset = this.experiment ? presetOf(this.experiment, this.run) : '';
    this.watched ||= this.preset;
    const kept = this.others.filter((other) => compared?.includes(other.id));
    for (const other of this.others) if (!kept.includes(other)) other.close();
    this.others = kept;
    for (const other of compared ?? (this.run?.parent ? [this.run.parent] : [])) await this.add(other);
  }

  /** @param {string} id @param {string} experiment @param {Refusal | null} error */
  #miss(id, experiment, error) {
    this.close();
    this.run = this.beside = null;
    this.others = [];
    this.missing = { id, experiment, error };
  }

  /** @param {RunInfo} info @param {Knobs} [began] */
  #attach(info, began) {
    this.run?.close();
    this.run = new RunView(info, this.#described, began);
    this.beside = this.wanted = this.refused = this.missing = this.previous = null;
    this.learnFamily();
  }

  /** The tree may have grown in another window, so it is asked for. */
  learnFamily() {
    const view = this.run;
    if (!view) return;
    getFamily(view.id).then(
      (found) => {
        if (this.run === view) this.family = found;
      },
      () => (this.family = []),
    );
  }

  /** Draw the curves of another run, too. @param {string} known */
  async add(known) {
    if (known === this.run?.id || this.others.length >= MOST || this.others.some((one) => one.id === known))
      return;
    try {
      const info = await getRun(known);
      if (info.experiment === this.id) this.#adopt(new RunView(info, this.#described));
    } catch {
      // It is deleted: there is nothing to compare with.
    }
  }

  /** @param {RunView} view */
  #adopt(view) {
    const places = this.others.map((other) => other.place);
    view.place = [1, 2, 3, 4].find((place) => !places.includes(place)) ?? 1;
    view.shown = true;
    this.others = [...this.others, view];
  }

  /** @param {RunView} other */
  remove(other) {
    if (this.beside === other) this.beside = null;
    this.others = this.others.filter((view) => view !== other);
    other.close();
  }

  /** Look at another run of the tree; this one stays beside it. @param {string} known */
  async change(known) {
    if (!this.run || known === this.run.id) return;
    const beside = [this.run.id, ...this.others.map((other) => other.id)];
    await this.show(
      known,
      beside.filter((other) => other !== known),
    );
  }

  /** Look again at the run that the present one took the place of. */
  async goBack() {
    if (this.previous) await this.show(this.previous.id);
  }

  /** Go on from the step looked at, as a new run; this one pauses, and stays beside it. */
  branch = () => this.branchAt(this.run?.now ?? 0, { ...this.run?.wishes, ...this.run?.wanted });

  /**
   * @param {number} step
   * @param {Knobs} values  what it does differently
   * @param {string} [from]  the run to branch from, if not the one looked at
   */
  branchAt = async (step, values, from = this.run?.id) => {
    const before = this.run;
    if (!before || !from || this.#branching) return;
    this.#branching = true;
    try {
      const info = await branchRun(from, step, values);
      if (before.status === 'running') command(before.id, 'pause').catch(() => {});
      this.run = null;
      before.seek(null);
      if (this.others.length >= MOST) this.remove(this.others[0]);
      this.#adopt(before);
      this.#attach(info);
    } catch (error) {
      this.refused = refusal(error);
    } finally {
      this.#branching = false;
    }
  };

  /** Go on from before training was last changed, in this run or in one it was branched from. */
  async undo() {
    try {
      const properties = this.experiment?.knobs.properties ?? {};
      const move = lastMove(await this.#stretches(), (name) => isLook(properties[name]));
      if (move) await this.branchAt(move.step, move.before, move.run);
    } catch (error) {
      this.refused = refusal(error);
    }
  }

  /** The way to what the run is, the oldest run first. @returns {Promise<import('./changes.js').Stretch[]>} */
  async #stretches() {
    const { run } = this;
    if (!run) return [];
    const stretches = [{ id: run.id, first: run.first, began: run.began, changes: run.knobChanges }];
    for (let parent = run.parent; parent;) {
      const [info, log] = await Promise.all([getRun(parent), getKnobLog(parent)]);
      const first = info.branched_at ?? 0;
      stretches.unshift({ id: info.id, first, began: log[0].knobs, changes: log.slice(1) });
      parent = info.parent;
    }
    return stretches;
  }

  /**
   * A new run; the one before is stopped, and can be looked at again. One at a time: of those asked for meanwhile only
   * the last begins.
   * @param {Knobs} values
   * @param {number} seed
   * @param {boolean} paused
   */
  async begin(values, seed, paused) {
    this.#asked = { values, seed, paused };
    if (this.run) this.wanted = { ...this.run.knobs, ...values };
    this.#beginning ??= this.#beginAsked().finally(() => (this.#beginning = null));
    await this.#beginning;
  }

  async #beginAsked() {
    const first = this.run;
    while (this.#asked) {
      const { values, seed, paused } = this.#asked;
      this.#asked = null;
      const before = this.run;
      try {
        const info = await createRun({
          experiment: this.id,
          knobs: anew(values),
          seed,
          paused,
          viewed: true,
        });
        if (before && !before.ended) command(before.id, 'stop').catch(() => {});
        for (const other of this.others) other.close();
        this.others = [];
        const wanted = this.#asked && this.wanted;
        this.#attach(info, info.knobs);
        this.wanted = wanted;
        this.previous = first && { id: first.id, step: first.step };
      } catch (error) {
        this.refused = refusal(error);
        this.wanted = { ...(before?.knobs ?? {}), ...values };
      }
    }
    if (!this.refused) this.run?.setKnobs(this.#meanwhile);
    this.#meanwhile = {};
  }

  /** Live knobs go to the run; a fixed one, or any after a refusal, starts a new run. @param {Knobs} values */
  setKnobs = (values) => {
    const { run, experiment, wanted } = this;
    if (!run || !experiment) return;
    const names = changed(wanted ?? run.knobs, values);
    if (names.some((name) => !isLook(experiment.knobs.properties[name]))) this.preset = '';
    const fixed = names.some((name) => experiment.knobs.properties[name]?.['x-live'] === false);
    if (run.at !== null) run.setKnobs(values);
    else if (this.#beginning && !fixed) {
      this.wanted = { ...wanted, ...values };
      Object.assign(this.#meanwhile, values);
    } else if (fixed || wanted)
      this.begin({ ...(wanted ?? run.knobs), ...values }, run.seed, run.status === 'paused');
    else run.setKnobs(values);
  };

  /** @param {Preset} choice */
  usePreset(choice) {
    if (!this.run || !this.experiment) return;
    this.preset = this.watched = choice.id;
    this.begin({ ...defaultsOf(this.experiment), ...choice.knobs }, this.run.seed, false);
  }

  play() {
    const { run } = this;
    if (!run) return;
    if (run.at !== null) run.seek(null);
    if (run.resumable)
      command(run.id, 'resume').then(
        () => (this.refused = null),
        (error) => (this.refused = refusal(error)),
      );
    else if (run.ended) this.reset();
    else run.send({ type: run.halted ? 'resume' : 'pause' });
  }

  step() {
    const { run } = this;
    if (!run || run.ended) return;
    if (!run.halted) run.send({ type: 'pause' });
    run.send({ type: 'step', steps: 1 });
  }

  /** The same anew, but for these knobs. @param {Knobs} values */
  reset(values = {}) {
    const { run } = this;
    if (run) this.begin({ ...run.knobs, ...values }, run.seed, run.status === 'paused');
  }

  /** Which other runs train now. */
  async lookAround() {
    try {
      const newest = await listRuns({ limit: LOOKED_AT });
      this.crowd = newest.filter((one) => isBusy(one.status) && one.id !== this.run?.id);
    } catch {
      this.crowd = []; // that it does not answer is said elsewhere
    }
  }

  /** @param {string} id */
  async pauseOther(id) {
    try {
      await command(id, 'pause');
    } catch (error) {
      this.refused = refusal(error);
    }
    await this.lookAround();
  }

  /** @param {string} id  of an experiment */
  titleOf = (id) => this.experiments.find((one) => one.id === id)?.title ?? id;

  /** The connection is back: what failed for want of one is over, and what was wished then is not to be. */
  reached() {
    if (this.refused?.code !== 'offline') return;
    this.refused = null;
    if (this.run) this.wanted = null;
  }

  close() {
    this.run?.close();
    for (const other of this.others) other.close();
  }
}

/** @param {Experiment} experiment @returns {Knobs} */
const defaultsOf = (experiment) =>
  Object.fromEntries(
    Object.entries(experiment.knobs.properties).map(([name, schema]) => [name, schema.default]),
  );

/**
 * The preset that a run began with, or ''.
 * @param {Experiment} experiment
 * @param {RunView | null} run
 * @returns {string}
 */
function presetOf(experiment, run) {
  const began = run?.parent ? null : run?.began;
  if (!began) return '';
  const fits = (/** @type {Preset} */ preset) =>
    !changed(began, { ...defaultsOf(experiment), ...preset.knobs }).length;
  return experiment.presets.find(fits)?.id ?? '';
}
