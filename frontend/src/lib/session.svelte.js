/** The state of a lab: the main run, the compared runs, and the moves from one run to another. */

import {
  branchRun,
  command,
  createRun,
  deleteRuns,
  getFamily,
  getKnobLog,
  getRun,
  keepState,
  listRuns,
  putBack,
} from './api.js';
import { Challenges } from './challenges.svelte.js';
import { Questions } from './questions.svelte.js';
import { lastMove } from './changes.js';
import { changed, isLook, laidOver } from './knobs.js';
import { NONE, allowed, readLimits } from './limits.js';
import { defaultsOf, knobsOf, presetWith } from './presets.js';
import { refusal } from './refusal.js';
import { RunView } from './run.svelte.js';
import { anew } from './schedules.js';
import { Compared } from './session/compared.svelte.js';
import { lineageOf } from './session/lineage.js';
import { isBusy } from './statuses.js';
import { gestureOf } from './story.js';
import { Undo } from './undo.js';
import { Ending, Story } from './story.svelte.js';

/** @typedef {import('./types.js').Experiment} Experiment */
/** @typedef {import('./types.js').ExperimentSummary} ExperimentSummary */
/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {import('./types.js').Preset} Preset */
/** @typedef {import('./classroom.svelte.js').Guess} Guess */
/** @typedef {import('./types.js').Refusal} Refusal */
/** @typedef {import('./types.js').RunInfo} RunInfo */

const PATIENCE = 5000; // ms in which a beginning can be undone
const LOOKED_AT = 100; // newest runs, searched for those that train

export class Session {
  /** @type {Experiment | null} */
  experiment = $state.raw(null);
  run = $state.raw(/** @type {RunView | null} */ (null));
  /** The tree of branches that the run belongs to. @type {RunInfo[]} */
  family = $state.raw([]);
  /** The run that the current one replaced; `trained`: until then; `stopped`: once it is. @type {{id: string, step: number, trained: boolean, stopped: Promise<unknown>} | null} */
  previous = $state.raw(null);
  /** Whether it did so just now, so that this can be undone. */
  fresh = $state(false);
  /** Other runs on this machine, training or queued. @type {RunInfo[]} */
  crowd = $state.raw([]);
  /** All experiments, for their titles. @type {ExperimentSummary[]} */
  experiments = $state.raw([]);
  /** A request that was refused. @type {Refusal | null} */
  refused = $state.raw(null);
  /**
   * The requested run that cannot be shown, and the reason; `link`: the address asked to make it again.
   * @type {{id: string, experiment: string, error: Refusal | null, link?: URLSearchParams} | null}
   */
  missing = $state.raw(null);
  /** What the link said that was opened. @type {import('./link.js').Link | null} */
  link = $state.raw(null);
  /** What the link leaves out. */
  limits = $state.raw(NONE);
  /** The step to which a run made from a link is trained; 0: none. */
  goal = $state(0);
  /** Knobs of the run being created, while there is no run to show them. */
  wanted = $state.raw(/** @type {Knobs | null} */ (null));
  /** What new runs are to train on. */
  device = $state('auto');
  /** The preset whose knobs are set, if known. */
  preset = $state('');
  /** The preset whose hint is shown, until replaced or dismissed. */
  watched = $state('');

  #undo = new Undo();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #fresh;
  #undoing = false;
  #compared = new Compared();
  #branching = false;
  /** @type {Promise<void> | null} */
  #beginning = null;
  /** The run to create next. @type {{values: Knobs, seed: number, paused: boolean, until: number} | null} */
  #asked = null;
  /** Live knobs set while a run was being created. @type {Knobs} */
  #meanwhile = {};

  branches = $derived(this.family.filter((info) => info.parent === this.run?.id));
  knobs = $derived(this.wanted ?? (this.run && { ...this.run.knobs, ...this.run.followed }));

  /** What is wrong with a knob, or with what was asked. @type {Refusal | null} */
  get error() {
    const { run } = this;
    return this.refused ?? run?.error ?? (run?.refused ? { code: 'bad-knob', ...run.refused } : null);
  }

  /** @param {string} id  of the experiment */
  constructor(id) {
    this.id = id;
    this.story = new Story(id);
    this.challenges = new Challenges(id);
    this.questions = new Questions();
    this.ending = new Ending();
  }

  /** The compared runs, whose curves are drawn, too. */
  get others() {
    return this.#compared.runs;
  }

  /** The compared run whose pictures are shown side by side. */
  get beside() {
    return this.#compared.beside;
  }
  set beside(run) {
    this.#compared.beside = run;
  }

  /** The experiment; set before any run is shown. */
  get #described() {
    return /** @type {Experiment} */ (this.experiment);
  }

  /** Its description, again when the language changes. @param {Experiment} found */
  describe(found) {
    this.experiment = found;
    this.story.tell(found.story);
    this.challenges.tell(found.challenges);
    this.questions.all = found.questions;
    for (const view of [this.run, ...this.others]) if (view) view.experiment = found;
  }

  /**
   * Show the run in an address, or start a new one.
   * @param {URLSearchParams} query
   */
  async open(query) {
    this.limits = readLimits(query);
    if (query.has('seed')) return this.#follow(query);
    const known = query.get('run');
    if (!known) {
      await this.begin({}, 0, false);
      return;
    }
    const step = query.get('step');
    await this.show(known, query.get('with')?.split(',') ?? null);
    if (step !== null && Number.isFinite(Number(step))) this.run?.seek(Number(step));
  }

  /** Show the run that a link was copied from, or make it again where it is not recorded. @param {URLSearchParams} query */
  async #follow(query) {
    this.missing = null;
    try {
      const { readLink } = await import('./link.js');
      const link = readLink(query);
      this.link = link;
      this.device = link.device;
      this.story.show(link.story);
      if (link.challenge) this.challenges.show(link.challenge);
      if (link.question) this.questions.show(link.question);
      const found = link.run ? await getRun(link.run).catch(() => null) : null;
      if (found?.experiment === this.id) {
        await this.show(link.run);
        if (link.step) this.run?.seek(link.step);
        return;
      }
      const { knobs, seed, device, changes, paused, step: until } = link;
      const asked = { experiment: this.id, knobs, seed, device, changes, paused, until, viewed: true };
      const info = await createRun(asked);
      this.#attach(info, info.knobs);
      this.goal = until;
      if (this.experiment && !changes.length)
        this.preset = this.watched = presetWith(this.experiment, info.knobs);
    } catch (error) {
      this.close();
      this.run = null;
      this.missing = { id: '', experiment: '', error: refusal(error), link: query };
    }
  }

  /**
   * Show a recorded run together with the compared runs: by default its parent.
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
    const began = this.run?.parent ? null : this.run?.began;
    this.preset = began && this.experiment ? presetWith(this.experiment, began) : '';
    this.watched ||= this.preset;
    this.story.aside ||= this.watched !== '' && !this.story.asksFor(this.watched);
    this.#compared.keep(this.others.filter((other) => compared?.includes(other.id)));
    for (const other of compared ?? (this.run?.parent ? [this.run.parent] : [])) await this.add(other);
  }

  /** @param {string} id @param {string} experiment @param {Refusal | null} error */
  #miss(id, experiment, error) {
    this.close();
    this.run = null;
    this.missing = { id, experiment, error };
  }

  /** @param {RunInfo} info @param {Knobs} [began] */
  #attach(info, began) {
    this.run?.close();
    this.run = new RunView(info, this.#described, began);
    this.run.onset = this.#noteSetting;
    this.beside = this.wanted = this.refused = this.missing = this.previous = null;
    this.goal = 0;
    this.fresh = false;
    this.learnFamily();
  }

  /** Refetch the tree of branches: it may have grown in another window. */
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
    if (known === this.run?.id || this.#compared.full || this.#compared.ids.includes(known)) return;
    try {
      const info = await getRun(known);
      if (info.experiment === this.id) this.#compared.add(new RunView(info, this.#described));
    } catch {
      // The run was deleted: nothing to compare with.
    }
  }

  /** @param {RunView} other */
  remove(other) {
    this.#compared.remove(other);
  }

  /** Switch to another run of the tree; the current one stays as a compared run. @param {string} known */
  async change(known) {
    if (!this.run || known === this.run.id) return;
    const beside = [this.run.id, ...this.#compared.ids];
    await this.show(
      known,
      beside.filter((other) => other !== known),
    );
  }

  /** Return to the run that the current one replaced. */
  async goBack() {
    if (this.previous) await this.show(this.previous.id);
  }

  /** Branch a new run from the step shown; the current one pauses, and stays as a compared run. */
  branch = () => this.branchAt(this.run?.now ?? 0, { ...this.run?.wishes, ...this.run?.wanted });

  /** Have the run's own script keep the state it has now. */
  keep = () => {
    if (this.run)
      keepState(this.run.id).then(
        () => (this.refused = null),
        (error) => (this.refused = refusal(error)),
      );
  };

  /**
   * A new run from a step of a run; of one whose own script trains, go back in place.
   * @param {number} step
   * @param {Knobs} values  the knobs it changes
   * @param {string} [from]  the run to branch from, by default the current one
   */
  branchAt = async (step, values, from = this.run?.id) => {
    const before = this.run;
    if (!before || !from || this.#branching) return;
    this.#branching = true;
    try {
      if (before.ownLoop) {
        await putBack(from, step, values);
        before.seek(null);
        this.refused = null;
        return;
      }
      const info = await branchRun(from, step, values);
      this.story.note('branch');
      if (before.status === 'running') command(before.id, 'pause').catch(() => {});
      this.run = null;
      before.seek(null);
      if (this.#compared.full) this.remove(this.others[0]);
      this.#compared.add(before);
      this.#attach(info);
    } catch (error) {
      this.refused = refusal(error);
    } finally {
      this.#branching = false;
    }
  };

  /** Branch from before the last change that affected training, in this run or an ancestor. */
  async undo() {
    try {
      const properties = this.experiment?.knobs.properties ?? {};
      const lineage = this.run ? await lineageOf(this.run) : [];
      const move = lastMove(lineage, (name) => isLook(properties[name]));
      if (move) await this.branchAt(move.step, move.before, move.run);
    } catch (error) {
      this.refused = refusal(error);
    }
  }

  /**
   * Create a new run; the previous one is stopped, and can be reopened. One at a time: of requests made meanwhile only
   * the last is carried out.
   * @param {Knobs} values
   * @param {number} seed
   * @param {boolean} paused
   * @param {number} [until]  the step to which it trains at once
   */
  async begin(values, seed, paused, until = 0) {
    this.#asked = { values, seed, paused, until };
    if (this.run) this.wanted = laidOver(this.run.knobs, values);
    this.#beginning ??= this.#beginAsked().finally(() => (this.#beginning = null));
    await this.#beginning;
  }

  async #beginAsked() {
    const first = this.run;
    const trained = first?.status === 'running';
    /** @type {Promise<unknown>} */
    let stopped = Promise.resolve();
    while (this.#asked) {
      const { values, seed, paused, until } = this.#asked;
      this.#asked = null;
      const before = this.run;
      try {
        const info = await createRun({
          experiment: this.id,
          knobs: anew(values),
          seed,
          paused,
          ...(this.device !== 'auto' && { device: this.device }),
          ...(until && { until }),
          viewed: true,
        });
        if (before && !before.ended) {
          const stopping = command(before.id, 'stop').catch(() => {});
          if (before === first) stopped = stopping;
        }
        this.#compared.keep([]);
        const wanted = this.#asked && this.wanted;
        this.#attach(info, info.knobs);
        this.wanted = wanted;
        this.previous = first && { id: first.id, step: first.step, trained, stopped };
        this.#begun();
      } catch (error) {
        this.refused = refusal(error);
        this.wanted = laidOver(before?.knobs ?? {}, values);
      }
    }
    if (!this.refused) this.run?.setKnobs(this.#meanwhile);
    this.#meanwhile = {};
  }

  /** For a while, beginning anew can be undone. */
  #begun() {
    clearTimeout(this.#fresh);
    this.fresh = this.previous !== null;
    this.#fresh = setTimeout(() => (this.fresh = false), PATIENCE);
  }

  /** Undo a beginning: the run before it goes on, and the new one is deleted. */
  async unbegin() {
    const { previous, run: begun } = this;
    this.fresh = false;
    if (!previous || !begun) return;
    await previous.stopped; // a run that is still ending does not go on
    await this.show(previous.id);
    if (this.run?.id !== previous.id) return;
    if (previous.trained && this.run.resumable) this.play();
    deleteRuns([begun.id], false).catch((error) => (this.refused = refusal(error)));
  }

  /** Live knobs go to the run; a fixed one, or any after a refusal, starts a new run. @param {Knobs} values */
  setKnobs = (values) => {
    const { run, experiment } = this;
    const may = allowed(this.limits, values);
    if (!run || !experiment || !Object.keys(may).length) return;
    this.#noteSetting(may);
    this.#set(may);
  };

  /** @param {Knobs} values */
  #noteSetting = (values) => {
    const before = { ...this.run?.knobs, ...this.wanted };
    if (!this.#undoing) this.#undo.note(before, values, Date.now());
  };

  /** Set the knobs as they were before they were last set by hand; the run itself goes on. */
  undoKnobs() {
    this.#setAgain(this.#undo.undo());
  }

  redoKnobs() {
    this.#setAgain(this.#undo.redo());
  }

  /** @param {Knobs | null} values */
  #setAgain(values) {
    this.#undoing = true;
    if (values) this.#set(values);
    this.#undoing = false;
  }

  /** @param {Knobs} values */
  #set(values) {
    const { run, experiment, wanted } = this;
    if (!run || !experiment) return;
    const names = changed(wanted ?? run.knobs, values);
    if (names.some((name) => !isLook(experiment.knobs.properties[name]))) this.preset = '';
    const again = run.refused && run.refused.field in values; // a run that failed by it is begun again
    const fixed = again || names.some((name) => experiment.knobs.properties[name]?.['x-live'] === false);
    if (run.at !== null) run.setKnobs(values);
    else if (this.#beginning && !fixed) {
      this.wanted = laidOver(wanted ?? {}, values);
      this.#meanwhile = laidOver(this.#meanwhile, values);
    } else if (fixed || wanted)
      this.begin(laidOver(wanted ?? run.knobs, values), run.seed, run.status === 'paused');
    else run.setKnobs(values);
  }

  /** Begin a run for the challenge shown. */
  tryChallenge() {
    const { experiment, challenges } = this;
    if (experiment) this.begin(challenges.startOf(experiment), 0, true);
  }

  /** Take a guess at the question shown, and let a run go to the step where it decides. @param {Guess} guess */
  async predict(guess) {
    const { experiment, questions } = this;
    const { one } = questions;
    if (!experiment || !one) return;
    questions.mine = guess;
    await this.begin({ ...defaultsOf(experiment), ...one.knobs }, this.run?.seed ?? 0, true, one.until);
    if (this.refused) questions.problem = this.refused;
    questions.run = this.run?.id ?? '';
  }

  /** @param {Preset} choice */
  usePreset(choice) {
    if (!this.run || !this.experiment) return;
    this.preset = this.watched = choice.id;
    this.story.aside = !this.story.asksFor(choice.id);
    this.#noteSetting(knobsOf(this.experiment, choice));
    this.begin(knobsOf(this.experiment, choice), this.run.seed, false);
  }

  /** What new runs train on, from a new one on. @param {string} device */
  async trainOn(device) {
    const { run } = this;
    this.device = device;
    if (run) await this.begin(run.knobs, run.seed, run.status === 'paused');
  }

  play() {
    const { run } = this;
    if (!run || (run.ownLoop && run.ended)) return;
    if (run.at !== null) run.seek(null);
    if (run.resumable)
      command(run.id, 'resume').then(
        () => (this.refused = null),
        (error) => (this.refused = refusal(error)),
      );
    else if (run.ended) this.reset();
    else {
      if (!run.halted) this.story.note('pause');
      run.send({ type: run.halted ? 'resume' : 'pause' });
    }
  }

  step() {
    const { run } = this;
    if (!run || run.ended) return;
    if (!run.halted) run.send({ type: 'pause' });
    this.story.note('step');
    run.send({ type: 'step', steps: 1 });
  }

  /** Start over with the same settings but for these knobs. @param {Knobs} values */
  reset(values = {}) {
    const { run } = this;
    if (run && !run.ownLoop) this.begin(laidOver(run.knobs, values), run.seed, run.status === 'paused');
  }

  /** Do what the step of the story asks for. */
  demonstrate() {
    const { run, experiment, story } = this;
    if (!run || !story.step) return;
    const { act } = story.step;
    const preset = experiment?.presets.find(({ id }) => id === act?.preset);
    if (preset) this.usePreset(preset);
    else if (act) this.setKnobs(/** @type {Knobs} */ (act.knobs ?? {}));
    const moves = {
      pause: () => run.halted || this.play(),
      step: () => this.step(),
      branch: this.branch,
      'look-back': () => run.seek(Math.floor((run.first + run.step) / 2)),
    };
    const gesture = gestureOf(story.step);
    if (gesture in moves) moves[/** @type {keyof typeof moves} */ (gesture)]();
  }

  /** Update the list of other training runs. */
  async lookAround() {
    try {
      const newest = await listRuns({ limit: LOOKED_AT });
      this.crowd = newest.filter((one) => isBusy(one.status) && one.id !== this.run?.id);
    } catch {
      this.crowd = []; // an unreachable server is reported elsewhere
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

  /** Call when the server is reachable again: clear the offline error, and the knobs of the run that could not be created. */
  reached() {
    if (this.refused?.code !== 'offline') return;
    this.refused = null;
    if (this.run) this.wanted = null;
  }

  close() {
    this.run?.close();
    this.#compared.keep([]);
  }
}
