/**
 * One run as the page sees it. Whatever the message rate, what arrives is applied once per animation
 * frame, so every panel redraws at most once per frame.
 */

import { SvelteMap } from 'svelte/reactivity';
import { titleOf } from './knobs.js';
import { ScalarStore } from './series.js';
import { Stream } from './stream.js';

const RATE_WINDOW = 1500; // ms over which steps per second are counted
const MAX_FPS = 30;
const ENDED = ['finished', 'stopped', 'diverged', 'failed', 'interrupted'];

/** @typedef {import('./types.js').Frame} Frame */

export class RunView {
  scalars = new ScalarStore();
  scalarsVersion = $state(0);
  /** The latest frame of each panel. @type {SvelteMap<string, Frame>} */
  frames = new SvelteMap();
  /** @type {import('./types.js').RunStatus} */
  status = $state('queued');
  reason = $state('');
  step = $state(0);
  /** Steps per second, measured over the last second or so; null while it does not train. @type {number | null} */
  rate = $state(null);
  /** @type {number | null} */
  pace = $state(null);
  /** @type {number | null} */
  stepsPerEpoch = $state(null);
  /** What the learner sees: set at once, corrected if the server refuses. @type {Record<string, any>} */
  knobs = $state.raw({});
  /** @type {{step: number, knobs: Record<string, any>}[]} */
  knobChanges = $state.raw([]);
  /** @type {any} */
  diagnosis = $state.raw(null);
  /** The last refused command. @type {{code: string, detail: string, field: string, params: Record<string, unknown>} | null} */
  error = $state.raw(null);
  /** @type {'connecting' | 'open' | 'lost' | 'gone'} */
  connection = $state('connecting');
  ended = $derived(ENDED.includes(this.status));

  /** @type {Frame[]} */
  #arrived = [];
  #scheduled = false;
  /** @type {{time: number, step: number}[]} */
  #progress = [];
  /** @type {Record<string, any>} */
  #confirmed;
  /** @type {Record<string, any>} */
  #unsent = {};
  /** @type {Set<string>} */
  #visible = new Set();
  #watchScheduled = false;

  /**
   * @param {any} info  the run as the server described it
   * @param {any} experiment  its description; replaced when the language changes
   */
  constructor(info, experiment) {
    this.id = info.id;
    this.seed = info.seed;
    this.device = info.device;
    this.experiment = $state.raw(experiment);
    this.#take(info);
    this.knobs = this.#confirmed = info.knobs;
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.stream = new Stream(`${scheme}://${location.host}/api/runs/${info.id}/stream`, {
      event: (event) => this.#hear(event),
      frame: (frame) => this.#arrive(frame),
      connection: (state) => (this.connection = state),
    });
    document.addEventListener('visibilitychange', this.#tellWatched);
  }

  /** @param {any} info */
  #take(info) {
    this.status = info.status;
    this.reason = info.reason;
    this.step = info.step;
    this.pace = info.pace;
    this.stepsPerEpoch = info.steps_per_epoch;
  }

  /** @param {any} event */
  #hear(event) {
    if (event.type === 'hello') {
      this.#take(event.run);
      this.knobs = this.#confirmed = event.run.knobs;
    } else if (event.type === 'state') {
      this.status = event.status;
      this.reason = event.reason;
      this.pace = event.pace;
      this.stepsPerEpoch = event.steps_per_epoch ?? this.stepsPerEpoch;
      this.step = Math.max(this.step, event.step);
      this.#progress = [];
      this.rate = null;
      if (this.status === 'running' || this.status === 'paused') this.#sendKnobs();
    } else if (event.type === 'knobs') {
      this.#confirmed = { ...this.#confirmed, ...event.knobs };
      this.knobs = { ...this.knobs, ...event.knobs, ...this.#unsent };
      this.stepsPerEpoch = event.steps_per_epoch;
      this.knobChanges = [...this.knobChanges, { step: event.step, knobs: event.knobs }];
      this.error = null;
    } else if (event.type === 'diagnosis') {
      this.diagnosis = event;
    } else if (event.type === 'error') {
      this.error = event;
      this.knobs = this.#confirmed;
    }
  }

  /** @param {Frame} frame */
  #arrive(frame) {
    this.#arrived.push(frame);
    if (this.#scheduled) return;
    this.#scheduled = true;
    // A hidden page gets no animation frames, but must not pile up what arrives.
    if (document.hidden) queueMicrotask(this.#apply);
    else requestAnimationFrame(this.#apply);
  }

  #apply = () => {
    this.#scheduled = false;
    const frames = this.#arrived;
    this.#arrived = [];
    /** @type {Map<string, Frame>} */
    const latest = new Map();
    let scalars = false;
    let seq = 0;
    for (const frame of frames) {
      seq = Math.max(seq, frame.seq);
      if (frame.type === 'scalars') {
        this.scalars.append(frame);
        scalars = true;
      } else {
        latest.set(frame.panel, frame);
      }
    }
    if (scalars) {
      this.scalarsVersion++;
      this.step = Math.max(this.step, this.scalars.lastStep + 1);
      this.#measure();
    }
    for (const [panel, frame] of latest) {
      const before = this.frames.get(panel);
      if (!before || before.seq < frame.seq) this.frames.set(panel, frame);
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
   * @param {any} value
   */
  setKnob(name, value) {
    this.setKnobs({ [name]: value });
  }

  /** @param {Record<string, any>} values */
  setKnobs(values) {
    this.knobs = { ...this.knobs, ...values };
    if (this.ended) return;
    const first = Object.keys(this.#unsent).length === 0;
    Object.assign(this.#unsent, values);
    const ready = this.status === 'running' || this.status === 'paused';
    if (first && ready) requestAnimationFrame(this.#sendKnobs);
  }

  #sendKnobs = () => {
    const knobs = this.#unsent;
    if (Object.keys(knobs).length === 0) return;
    this.#unsent = {};
    this.stream.send({ type: 'knobs', knobs });
  };

  /** @param {Record<string, unknown>} command */
  send(command) {
    return this.stream.send(command);
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
    if (this.#watchScheduled) return;
    this.#watchScheduled = true;
    queueMicrotask(this.#tellWatched);
  }

  #tellWatched = () => {
    this.#watchScheduled = false;
    this.stream.watch(document.hidden ? [] : [...this.#visible], MAX_FPS);
  };

  /**
   * A label that travelled in a frame, in the page's language.
   * @param {string} text
   * @returns {string}
   */
  word(text) {
    return this.experiment.words[text] ?? text;
  }

  /**
   * What a knob is called, in the page's language.
   * @param {string} name
   * @returns {string}
   */
  knobTitle(name) {
    return titleOf(this.experiment, name);
  }

  close() {
    document.removeEventListener('visibilitychange', this.#tellWatched);
    this.stream.close();
  }
}
