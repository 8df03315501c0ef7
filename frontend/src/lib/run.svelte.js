/**
 * The page's view of one run. Whatever the message rate, messages are applied once per animation
 * frame, so every panel redraws at most once per frame.
 */

import { SvelteMap } from 'svelte/reactivity';
import { getKept, getMoment, getScalars } from './api.js';
import { touches } from './changes.js';
import { counted } from './epochs.js';
import { kindTitle } from './i18n.svelte.js';
import { changed, laidOver, looksOf, titleOf } from './knobs.js';
import { brief } from './names.js';
import { Pending } from './pending.js';
import { refusal } from './refusal.js';
import { schedulesOf } from './schedules.js';
import { ScalarStore } from './series.js';
import { isOver, isResumable } from './statuses.js';
import { Stream } from './stream.js';

const RATE_WINDOW = 1500; // ms over which steps per second are counted
const MAX_FPS = 30;
const CALM_FPS = 2; // with reduced motion: an unstable picture must not flash

/** @typedef {import('./types.js').Frame} Frame */
/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').Command} Command */
/** @typedef {import('./types.js').Diagnosis} Diagnosis */
/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {import('./types.js').RunInfo} RunInfo */

export class RunView {
  scalars = new ScalarStore();
  scalarsVersion = $state(0);
  /** The frame of each panel at the step shown. @type {SvelteMap<string, Picture>} */
  frames = new SvelteMap();
  /** The step shown; null: the present. @type {number | null} */
  at = $state(null);
  /** The past step whose pictures are all loaded. @type {number | null} */
  shownAt = $state(null);
  /** Before this step, recorded scalars are thinned to minimum, maximum and mean of intervals. */
  exactFrom = $state(0);
  /** Knobs that a branch from the step shown would set. @type {Knobs} */
  wanted = $state.raw({});
  /** Whether its curves are shown among the compared runs. */
  shown = $state(true);
  /** Its place among the compared runs, which decides its colour and dash. */
  place = 0;
  /** @type {import('./types.js').RunStatus} */
  status = $state('queued');
  reason = $state('');
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
  /** The knobs shown: set optimistically, reverted if the server refuses. @type {Knobs} */
  knobs = $state.raw({});
  /** @type {import('./changes.js').Change[]} */
  knobChanges = $state.raw([]);
  /** The step of the last change that affected training; 0 if there was none. */
  touched = $state(0);
  /** @type {Diagnosis[]} */
  diagnoses = $state.raw([]);
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
  resumable = $derived(isResumable(this.status));
  /** The step of the pictures and values shown. */
  now = $derived(this.at ?? this.step);

  /** @type {Frame[]} */
  #arrived = [];
  #scheduled = false;
  /** @type {{time: number, step: number}[]} */
  #progress = [];
  /** @type {Knobs} */
  #confirmed;
  #pending = new Pending();
  #sending = false; // with the next animation frame
  #greeted = false; // over this connection
  /** Commands for when the connection is back. @type {Map<string, Command>} */
  #queued = new Map();
  /** @type {Set<string>} */
  #visible = new Set();
  #watchScheduled = false;
  /** The newest frame of each panel. @type {Map<string, Picture>} */
  #present = new Map();
  #seeking = false;
  /** Scalars fetched for a step that this page holds thinned only. @type {{step: number, values: Record<string, number | null>} | null} */
  #fetched = $state.raw(null);
  #asking = false;
  #heardAll = 0; // events up to this seq are already in `info`
  /** The knobs according to the events applied so far. @type {Knobs} */
  #told;

  /**
   * @param {RunInfo} info  the run as the server described it
   * @param {import('./types.js').Experiment} experiment  its description; replaced when the language changes
   * @param {Knobs} [began]  the knobs it began with
   */
  constructor(info, experiment, began = info.knobs) {
    this.id = info.id;
    this.seed = info.seed;
    this.device = info.device;
    this.parent = info.parent;
    this.first = info.branched_at ?? 0;
    this.name = $state(info.name);
    this.created_at = info.created_at;
    this.began = this.#told = began;
    this.experiment = $state.raw(experiment);
    this.#take(info);
    this.knobs = this.#confirmed = info.knobs;
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.stream = new Stream(`${scheme}://${location.host}/api/runs/${info.id}/stream`, {
      event: (event) => this.#hear(event),
      frame: (frame) => this.#arrive(frame),
      connection: (state) => this.#connect(state),
    });
    document.addEventListener('visibilitychange', this.#turn);
  }

  /** @param {RunInfo} info */
  #take(info) {
    this.status = info.status;
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
        this.#confirmed = event.run.knobs;
        this.#pending.renew(this.#confirmed);
        this.#showKnobs();
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
        this.#progress = [];
        this.rate = this.wish = null;
        if (this.error?.code === 'wrong-state') this.error = null;
        this.#sendKnobs();
        break;
      case 'knobs':
        this.#note(event, known);
        this.epochs = counted(this.epochs, event);
        if (!known) {
          this.#confirmed = event.now ?? { ...this.#confirmed, ...event.knobs };
          this.stepsPerEpoch = event.steps_per_epoch ?? null;
        }
        this.#showKnobs();
        break;
      case 'look':
        this.#confirmed = { ...this.#confirmed, ...event.knobs };
        this.#showKnobs();
        break;
      case 'diagnosis':
        this.diagnoses = [...this.diagnoses, event];
        break;
      case 'done':
        this.#pending.answered(event.tag);
        if (!this.error?.tag || Number(event.tag) > Number(this.error.tag)) this.error = null; // success comes after
        this.#showKnobs();
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
    if (early) this.#pending.postpone(tag);
    else this.#pending.answered(tag);
    if (!early) this.error = event;
    if (!tag) this.wish = null;
    this.#showKnobs();
    this.#sendKnobs();
  }

  /** @param {{step: number, knobs: Knobs}} event @param {boolean} old  from before this page connected */
  #note(event, old) {
    const { step, knobs } = event;
    this.knobChanges = [...this.knobChanges, { step, knobs, time: old ? undefined : performance.now() }];
    if (touches(this.experiment, this.#told, knobs)) this.touched = step;
    this.#told = { ...this.#told, ...knobs };
  }

  /** The latest finding with this code. @param {string} code */
  diagnosis(code) {
    return this.diagnoses.findLast((found) => found.code === code) ?? null;
  }

  /**
   * Recorded pictures of a panel, spread evenly over the run, the oldest first.
   * @param {string} panel
   * @param {number} most
   * @returns {Promise<Picture[]>}
   */
  async recorded(panel, most) {
    const steps = (await getKept(this.id)).frames[panel] ?? [];
    const spread = Math.min(most, steps.length);
    const chosen = Array.from({ length: spread }, (_, i) => steps[Math.floor((i * steps.length) / spread)]);
    return (await Promise.all(chosen.map((step) => getMoment(this.id, step, [panel])))).flat();
  }

  /** The value of a scalar at the step shown. @param {string} name */
  valueOf(name) {
    void this.scalarsVersion;
    if (this.at === null) return this.scalars.latest(name);
    const step = this.at - 1;
    const exact = this.#fetched?.step === step ? this.#fetched.values[name] : null;
    return exact ?? this.scalars.valueAt(name, step);
  }

  /** The values of the scheduled knobs at the step shown. @returns {Record<string, number>} */
  get followed() {
    const names = Object.keys(schedulesOf(this.knobs));
    const found = names.map((name) => [name, this.valueOf(`knob/${name}`)]);
    return Object.fromEntries(found.filter(([, value]) => Number.isFinite(value)));
  }

  /** The knobs at a step; look knobs, which do not affect training, with their current values. @param {number} step */
  knobsAt(step) {
    const looks = looksOf(this.experiment).map((name) => [name, this.#confirmed[name]]);
    const knobs = { ...this.began, ...Object.fromEntries(looks) };
    for (const change of this.knobChanges) if (change.step <= step) Object.assign(knobs, change.knobs);
    return knobs;
  }

  #showKnobs() {
    this.knobs =
      this.at === null ? this.#pending.over(this.#confirmed) : laidOver(this.knobsAt(this.at), this.wanted);
  }

  /**
   * Show the run at a past step, or at the present (null).
   * @param {number | null} step
   */
  seek(step) {
    const at = step === null || step >= this.step ? null : Math.max(this.first, Math.round(step));
    if (at === this.at && at !== null) return;
    this.at = at;
    this.shownAt = null;
    this.wanted = {};
    this.error = null;
    this.#showKnobs();
    this.#tellWatched();
    if (at === null) for (const [panel, frame] of this.#present) this.frames.set(panel, frame);
    else this.#fetch();
    this.#fetchScalars();
  }

  /** Fetch the scalars of the step shown, if this page holds it thinned only. */
  async #fetchScalars() {
    if (this.#asking) return;
    this.#asking = true;
    try {
      while (
        this.at !== null &&
        this.at > this.first && // before that nothing was measured
        !this.scalars.has(this.at - 1) &&
        this.#fetched?.step !== this.at - 1
      ) {
        const step = this.at - 1;
        const table = await getScalars(this.id, step, step);
        const values = Object.entries(table).map(([name, column]) => [name, column[0] ?? null]);
        this.#fetched = { step, values: Object.fromEntries(values) };
      }
    } catch (error) {
      this.error = refusal(error);
    } finally {
      this.#asking = false;
    }
  }

  /** Fetch the pictures of the step shown; during a request only the latest step is remembered. */
  async #fetch() {
    if (this.#seeking) return;
    this.#seeking = true;
    try {
      let wish = '';
      while (this.at !== null && this.#visible.size && wish !== `${this.at} ${[...this.#visible]}`) {
        const at = this.at;
        wish = `${at} ${[...this.#visible]}`;
        const frames = await getMoment(this.id, at, [...this.#visible]);
        if (this.at === null) break;
        for (const frame of frames) {
          if (this.frames.get(frame.panel)?.seq !== frame.seq) this.frames.set(frame.panel, frame);
        }
        this.shownAt = at;
        this.error = null;
      }
    } catch (error) {
      this.error = refusal(error);
    } finally {
      this.#seeking = false;
    }
  }

  /** @param {Frame} frame */
  #arrive(frame) {
    this.#arrived.push(frame);
    if (this.#scheduled) return;
    this.#scheduled = true;
    // A hidden page gets no animation frames, but must not pile up messages.
    if (document.hidden) queueMicrotask(this.#apply);
    else requestAnimationFrame(this.#apply);
  }

  #apply = () => {
    this.#scheduled = false;
    const frames = this.#arrived;
    if (!frames.length) return;
    this.#arrived = [];
    /** @type {Map<string, Picture>} */
    const latest = new Map();
    let scalars = false;
    let seq = 0;
    for (const frame of frames) {
      seq = Math.max(seq, frame.seq);
      if (frame.type === 'scalars') {
        this.scalars.append(frame);
        scalars = true;
      } else if (frame.type === 'panel') {
        latest.set(frame.panel, frame);
      }
    }
    if (scalars) {
      this.scalarsVersion++;
      this.step = Math.max(this.step, this.scalars.lastStep + 1);
      this.#measure();
    }
    for (const [panel, frame] of latest) {
      const before = this.#present.get(panel);
      if (before && before.seq >= frame.seq) continue;
      this.#present.set(panel, frame);
      if (this.at === null) this.frames.set(panel, frame);
    }
    this.stream.send({ type: 'ack', seq });
  };

  #measure() {
    const now = performance.now();
    this.#progress.push({ time: now, step: this.step });
    while (this.#progress.length > 2 && now - this.#progress[0].time > RATE_WINDOW) this.#progress.shift();
    const first = this.#progress[0];
    if (now - first.time > 250) this.rate = ((this.step - first.step) / (now - first.time)) * 1000;
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
    const differ = changed(this.knobs, values);
    const held = Object.keys(values).filter((name) => schedulesOf(this.knobs)[name]);
    if (!differ.length && !held.length) return;
    if (this.at !== null) this.wanted = laidOver(this.wanted, values);
    else this.#pending.set(values);
    this.#showKnobs();
    if (this.#sending || this.#pending.empty) return;
    this.#sending = true;
    if (document.hidden) queueMicrotask(this.#sendKnobs);
    else requestAnimationFrame(this.#sendKnobs);
  }

  /** Knobs set after the end, for the next run. @returns {Knobs} */
  get wishes() {
    return this.ended ? this.#pending.over({}) : {};
  }

  /** Send the next pending knobs, if the run accepts them now. */
  #sendKnobs = () => {
    this.#sending = false;
    if (!this.#greeted || (this.status !== 'running' && this.status !== 'paused')) return;
    const wish = this.#pending.next();
    if (wish) this.stream.send({ type: 'knobs', knobs: wish.knobs, tag: wish.tag });
  };

  /**
   * Send a command; while the connection is lost, the last one of each kind is queued.
   * @param {Command} command
   */
  send(command) {
    const goes = command.type === 'pause' || command.type === 'resume';
    if (goes) this.wish = command.type;
    if (this.#greeted && this.stream.send(command)) return;
    if (command.type !== 'step') {
      this.#queued.set(goes ? 'go' : command.type, command);
      return;
    }
    const waiting = this.#queued.get('step');
    const before = waiting?.type === 'step' ? (waiting.steps ?? 1) : 0;
    this.#queued.set('step', { ...command, steps: before + (command.steps ?? 1) });
  }

  #sendQueued() {
    const waiting = ['pace', 'go', 'step'].flatMap((kind) => this.#queued.get(kind) ?? []);
    this.#queued.clear();
    this.wish = null;
    if (!this.ended) for (const command of waiting) this.send(command);
  }

  /**
   * A panel came on screen, or left it.
   * @param {string} panel
   * @param {boolean} visible
   */
  setVisible(panel, visible) {
    if (visible === this.#visible.has(panel)) return;
    if (visible) this.#visible.add(panel);
    else this.#visible.delete(panel);
    if (visible && this.at !== null) {
      this.shownAt = null;
      queueMicrotask(() => this.#fetch());
    }
    if (this.#watchScheduled) return;
    this.#watchScheduled = true;
    queueMicrotask(this.#tellWatched);
  }

  /** The page was hidden or shown. A hidden page gets no animation frames, so apply pending work now. */
  #turn = () => {
    if (document.hidden && this.#scheduled) this.#apply();
    if (document.hidden && this.#sending) this.#sendKnobs();
    this.#tellWatched();
  };

  #tellWatched = () => {
    this.#watchScheduled = false;
    const fps = matchMedia('(prefers-reduced-motion: reduce)').matches ? CALM_FPS : MAX_FPS;
    this.stream.watch(document.hidden || this.at !== null ? [] : [...this.#visible], fps);
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

  /** Knobs with their values, in the page's language. @param {Knobs} knobs */
  inWords(knobs) {
    return Object.entries(knobs)
      .flatMap(([name, value]) =>
        name === 'schedules'
          ? Object.entries(schedulesOf(knobs)).map(
              ([of, { kind }]) => `${this.knobTitle(of)}: ${kindTitle(kind)}`,
            )
          : [`${this.knobTitle(name)} ${brief(value, this.experiment.knobs.properties[name])}`],
      )
      .join(', ');
  }

  close() {
    document.removeEventListener('visibilitychange', this.#turn);
    this.stream.close();
  }
}
