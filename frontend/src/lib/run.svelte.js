/** The page's view of one run: what its stream says, and what is set and sent here. Its parts lie in `run/`. */

import { at } from './base.js';
import { counted } from './epochs.js';
import { timed } from './moments.js';
import { titleOf } from './knobs.js';
import { Frames } from './run/frames.js';
import { CommandQueue } from './run/queue.js';
import { RunKnobs } from './run/knobs.svelte.js';
import { Past } from './run/past.svelte.js';
import { Soon } from './run/soon.js';
import { Speed } from './run/speed.js';
import { Watching } from './run/watching.js';
import { isOwnLoop, lastKept } from './runs.js';
import { schedulesOf } from './schedules.js';
import { ScalarStore } from './series.js';
import { isOver, isResumable } from './statuses.js';
import { Stream } from './stream.js';

/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').Command} Command */
/** @typedef {import('./types.js').Diagnosis} Diagnosis */
/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {import('./types.js').RunInfo} RunInfo */

export class RunView {
  scalars = new ScalarStore();
  scalarsVersion = $state(0);
  /** Before this step, recorded scalars are thinned to minimum, maximum and mean of intervals. */
  exactFrom = $state(0);
  /** Called before knobs are set. @type {(values: import('./types.js').Knobs) => void} */
  onset = () => {};
  /** Whether its curves are shown among the compared runs. */
  shown = $state(true);
  /** Whether it is drawn for a film: as it was at the step shown, without what came later, and without delay. */
  still = false;
  /** Its place among the compared runs, which decides its colour and dash. */
  place = 0;
  /** @type {import('./types.js').RunStatus} */
  status = $state('queued');
  reason = $state('');
  /** Its place among the queued ones, as last told. @type {{place: number, seconds?: number | null} | null} */
  waiting = $state.raw(null);
  /** The knob value that made the run fail. @type {{field: string, params: Record<string, unknown>} | null} */
  refused = $state.raw(null);
  step = $state(0);
  /** Steps per second, measured over the last second or so; null while it does not train. @type {number | null} */
  rate = $state(null);
  /** @type {number | null} */
  pace = $state(null);
  /** @type {number | null} */
  stepsPerEpoch = $state(null);
  /** The counts of epochs, one for each change of steps per epoch. @type {import('./epochs.js').Count[]} */
  epochs = $state.raw([]);
  /** When it was where, as far as it has told. @type {import('./moments.js').Moment[]} */
  moments = $state.raw([]);
  /** What it trains on; the CPU until that is chosen. */
  device = $state('cpu');
  /** Why that was chosen, where it was. @type {import('./devices.js').Chosen | null} */
  chosen = $state.raw(null);
  /** @type {Diagnosis[]} */
  diagnoses = $state.raw([]);
  /** How often it has declared itself anew, as a script with a training loop of its own does. */
  declared = $state(0);
  /** The steps whose states its own script keeps. @type {number[]} */
  kept = $state.raw([]);
  /** Where its own script put back an earlier state. @type {{step: number, to: number}[]} */
  backs = $state.raw([]);
  /** Whether the run is being recorded. @type {{ok: boolean, reason: string}} */
  recording = $state.raw({ ok: true, reason: '' });
  /** The last refused command. @type {import('./types.js').Refusal | null} */
  error = $state.raw(null);
  /** @type {'connecting' | 'open' | 'lost' | 'full' | 'gone'} */
  connection = $state('connecting');
  /** A requested pause or resume that has not taken effect yet. @type {'pause' | 'resume' | null} */
  wish = $state(null);
  /** Whether it is paused, or about to be. */
  halted = $derived(this.wish ? this.wish === 'pause' : this.status === 'paused');
  ended = $derived(isOver(this.status));
  resumable = $derived(isResumable(this.status) && !this.ownLoop);
  /** The step of the pictures and values shown. */
  now = $derived(this.at ?? this.step);
  /** The step whose state its own script would go back to from the step shown; null: to none. */
  way = $derived(this.ended ? null : lastKept(this.kept, this.now));

  /**
   * What the pointer is at in a panel that another is linked with: that one, the index of the row or map, −1 for
   * none, and the panel whose map it is.
   * @type {{panel: string, row: number, from?: string, name?: string}}
   */
  pointed = $state.raw({ panel: '', row: -1 });

  /** @type {Frames} */
  #frames = new Frames(
    () => this.at !== null,
    (scalars, seq) => this.#apply(scalars, seq),
  );
  #sending = new Soon(() => this.#sendKnobs());
  /** @type {Past} */
  #past = new Past(this);
  #knobs;
  #greeted = false; // over this connection
  #queue = new CommandQueue();
  #speed = new Speed();
  #heardAll = 0; // events up to this seq are already in `info`

  /**
   * @param {RunInfo} info  the run as the server described it
   * @param {import('./types.js').Experiment} experiment  its description; replaced when the language changes
   * @param {Knobs} [began]  the knobs it began with
   */
  constructor(info, experiment, began = info.knobs) {
    this.id = info.id;
    this.ownLoop = isOwnLoop(info.experiment);
    this.owner = info.owner;
    this.seed = info.seed;
    this.parent = info.parent;
    this.branched_at = info.branched_at;
    this.branch_changes = info.branch_changes;
    this.first = info.branched_at ?? 0;
    this.name = $state(info.name);
    this.created_at = info.created_at;
    this.experiment = $state.raw(experiment);
    this.#take(info);
    this.#knobs = new RunKnobs(began, info.knobs, this);
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.stream = new Stream(`${scheme}://${location.host}${at(`/api/runs/${info.id}/stream`)}`, {
      event: (event) => this.#hear(event),
      frame: (frame) => this.#frames.arrive(frame),
      connection: (state) => this.#connect(state),
    });
    this.watching = new Watching(this.stream, () => this.at !== null);
    document.addEventListener('visibilitychange', this.#turn);
  }

  /** The frame of each panel at the step shown. */
  get frames() {
    return this.#frames.shown;
  }

  /** The step shown; null: the present. @returns {number | null} */
  get at() {
    return this.#past.at;
  }

  /** The past step whose pictures are all loaded. */
  get shownAt() {
    return this.#past.shownAt;
  }

  /** The knobs shown: set optimistically, reverted if the server refuses. */
  get knobs() {
    return this.#knobs.shown;
  }

  /** The knobs that it began with. */
  get began() {
    return this.#knobs.began;
  }

  /** Knobs that a branch from the step shown would set. */
  get wanted() {
    return this.#knobs.wanted;
  }

  /** Knobs set after the end, for the next run. @returns {Knobs} */
  get wishes() {
    return this.ended ? this.#knobs.wishes : {};
  }

  get knobChanges() {
    return this.#knobs.changes;
  }

  /** The step of the last change that affected training; 0 if there was none. */
  get touched() {
    return this.#knobs.touched;
  }

  /** @param {RunInfo} info */
  #take(info) {
    this.status = info.status;
    this.device = info.device;
    this.reason = info.reason;
    this.step = info.step;
    this.pace = info.pace;
    this.stepsPerEpoch = info.steps_per_epoch;
    this.exactFrom = info.scalars_exact_from;
  }

  /** @param {RunView['connection']} state */
  #connect(state) {
    this.#greeted = false;
    if (state !== 'connecting') this.connection = state; // while retrying, it still counts as lost
    if (state !== 'open') this.rate = null;
  }

  /** @param {import('./types.js').StreamEvent} event */
  #hear(event) {
    const known = 'seq' in event && event.seq <= this.#heardAll;
    switch (event.type) {
      case 'hello':
        this.#heardAll = event.seq;
        this.#take(event.run);
        this.#greeted = true;
        if (this.error?.code === 'offline') this.error = null;
        this.#knobs.renew(event.run.knobs);
        this.#sendQueued();
        this.#sendKnobs();
        break;
      case 'recording':
        this.recording = { ok: event.ok, reason: event.reason ?? '' };
        break;
      case 'state':
        this.epochs = counted(this.epochs, event);
        this.refused = event.field ? { field: event.field, params: event.params ?? {} } : null;
        if (known) return;
        this.status = event.status;
        this.reason = event.reason ?? '';
        this.pace = event.pace ?? null;
        this.stepsPerEpoch = event.steps_per_epoch ?? this.stepsPerEpoch;
        this.step = Math.max(this.step, event.step);
        this.#speed.reset();
        this.rate = this.wish = null;
        if (this.error?.code === 'wrong-state') this.error = null;
        this.#sendKnobs();
        break;
      case 'knobs':
        this.#knobs.note(event, known);
        this.epochs = counted(this.epochs, event);
        if (!known) this.stepsPerEpoch = event.steps_per_epoch ?? null;
        if (!known) this.#knobs.confirm(event.knobs, event.now);
        else this.#knobs.show();
        break;
      case 'clock':
        this.moments = timed(this.moments, event);
        break;
      case 'device':
        this.device = event.device;
        this.chosen = event;
        break;
      case 'declared':
        if (!known) this.declared++;
        break;
      case 'kept':
        this.kept = event.steps;
        break;
      case 'back':
        this.backs = [...this.backs, event];
        this.#knobs.touch(event.step);
        break;
      case 'look':
        this.#knobs.confirm(event.knobs);
        break;
      case 'waiting':
        this.waiting = event;
        break;
      case 'diagnosis':
        this.diagnoses = [...this.diagnoses, event];
        break;
      case 'done':
        this.#knobs.answered(event.tag);
        if (!this.error?.tag || Number(event.tag) > Number(this.error.tag)) this.error = null; // success comes after
        this.#sendKnobs();
        break;
      case 'error':
        this.#refuse(event);
    }
  }

  /** A command was refused; a knob for which it is not the time waits. @param {import('./types.js').Refusal} event */
  #refuse(event) {
    const { code, tag = '' } = event;
    const early = code === 'wrong-state' && tag;
    if (early) this.#knobs.postpone(tag);
    else this.#knobs.answered(tag);
    if (!early) this.error = event;
    if (!tag) this.wish = null;
    this.#sendKnobs();
  }

  /** The latest finding with this code. @param {string} code */
  diagnosis(code) {
    return this.diagnoses.findLast((found) => found.code === code) ?? null;
  }

  /** The value of a scalar at the step shown. @param {string} name */
  valueOf(name) {
    void this.scalarsVersion;
    return this.at === null ? this.scalars.latest(name) : this.#past.valueOf(name);
  }

  /** The values of the scheduled knobs at the step shown. @returns {Record<string, number>} */
  get followed() {
    const names = Object.keys(schedulesOf(this.knobs));
    const found = names.map((name) => [name, this.valueOf(`knob/${name}`)]);
    return Object.fromEntries(found.filter(([, value]) => Number.isFinite(value)));
  }

  /** The knobs at a step; look knobs, which do not affect training, with their current values. @param {number} step */
  knobsAt(step) {
    return this.#knobs.at(step);
  }

  /**
   * Show the run at a past step, or at the present (null).
   * @param {number | null} step
   */
  seek(step) {
    const at = step === null || step >= this.step ? null : Math.max(this.first, Math.round(step));
    if (at === this.at && at !== null) return;
    this.error = null;
    this.#past.show(at);
    this.#knobs.moved();
    this.watching.send();
    if (at === null) this.#frames.showPresent();
  }

  /** @param {import('./types.js').ScalarsFrame[]} scalars @param {number} seq */
  #apply(scalars, seq) {
    for (const frame of scalars) this.scalars.append(frame);
    if (scalars.length) {
      this.scalarsVersion++;
      this.step = Math.max(this.step, this.scalars.lastStep + 1);
      this.rate = this.#speed.at(this.step, performance.now()) ?? this.rate;
    }
    this.stream.send({ type: 'ack', seq });
  }

  /**
   * Set a live knob: shown at once, sent once per animation frame.
   * @param {string} name
   * @param {import('./types.js').KnobValue} value
   */
  setKnob(name, value) {
    this.setKnobs({ [name]: value });
  }

  /**
   * Set knobs. Shown at once, even offline; at a past step they wait for a branch, after the end for a new run.
   * @param {Knobs} values
   */
  setKnobs(values) {
    this.onset(values);
    if (this.#knobs.set(values)) this.#sending.ask();
  }

  /** Send the next pending knobs, if the run accepts them now. */
  #sendKnobs() {
    if (!this.#greeted || (this.status !== 'running' && this.status !== 'paused')) return;
    const wish = this.#knobs.next();
    if (wish) this.stream.send({ type: 'knobs', knobs: wish.knobs, tag: wish.tag });
  }

  /**
   * Send a command; while the connection is lost, the last one of each kind is queued.
   * @param {Command} command
   */
  send(command) {
    if (command.type === 'pause' || command.type === 'resume') this.wish = command.type;
    if (!this.#greeted || !this.stream.send(command)) this.#queue.add(command);
  }

  /** @param {number | null} pace  steps per second, null for as many as there can be */
  setPace(pace) {
    if (!this.ended) this.send({ type: 'pace', steps_per_second: pace });
  }

  #sendQueued() {
    const waiting = this.#queue.take();
    this.wish = null;
    if (!this.ended) for (const command of waiting) this.send(command);
  }

  /**
   * A panel came on screen, or left it.
   * @param {string} panel
   * @param {boolean} visible
   */
  setVisible(panel, visible) {
    if (this.watching.set(panel, visible) && visible) this.#past.miss();
  }

  /** The page was hidden or shown. A hidden page gets no animation frames, so apply pending work now. */
  #turn = () => {
    if (document.hidden) this.#frames.hurry();
    if (document.hidden) this.#sending.now();
    this.watching.send();
  };

  /**
   * A label from a frame, translated to the page's language.
   * @param {string} text
   * @returns {string}
   */
  word(text) {
    return this.experiment.words[text] ?? text;
  }

  /**
   * The title of a knob, in the page's language.
   * @param {string} name
   * @returns {string}
   */
  knobTitle(name) {
    return titleOf(this.experiment, name);
  }

  close() {
    document.removeEventListener('visibilitychange', this.#turn);
    this.stream.close();
  }
}
