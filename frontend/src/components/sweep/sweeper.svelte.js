/** A sweep: what is asked for, its frames as they come, and which of its curves is meant. No DOM. */

import { sweepRun } from '../../lib/api.js';
import { explain } from '../../lib/errors.js';
import { number } from '../../lib/format.js';
import { t } from '../../lib/i18n.svelte.js';
import { isLook } from '../../lib/knobs.js';
import { readNumber } from '../../lib/numbers.js';
import { ApiError } from '../../lib/refusal.js';
import { around, inOrder, read, seriesFor, sweepable } from '../../lib/sweep.js';

const STEPS = [100, 50, 20]; // what is proposed: the most that takes no longer than PATIENCE, in seconds
const PATIENCE = 30;
const CURVES = 16;
const AGAIN = 1000; // ms between two looks for room
const MOST = { count: 64, steps: 2000, orders: 8 };

/** @typedef {import('../../lib/sweep.js').Curve} Curve */
/** @typedef {'low' | 'high' | 'count' | 'steps' | 'orders'} Field */
/** @typedef {import('../../lib/types.js').Refusal} Refusal */

/** Whether a field is a whole number. @param {string} field @returns {field is keyof typeof MOST} */
export const isWhole = (field) => field in MOST;

export class Sweeper {
  #run;
  #picked = $state('');
  /** What was typed, by field. @type {Partial<Record<Field, string>>} */
  typed = $state({});
  /** A knob of which each value is tried. */
  each = $state('');
  /** Steps per second, as first seen. @type {number | null} */
  #rate = $state(null);
  /** @type {import('../../lib/types.js').Frame | null} */
  frame = $state.raw(null);
  /** Which of the losses is looked at. */
  loss = $state(0);
  /** @type {AbortController | null} */
  running = $state.raw(null);
  /** What was refused, and at which field. @type {{field: string, text: string} | null} */
  problem = $state.raw(null);
  /** Nothing of the sweep that was asked for has come yet. */
  waiting = $state(false);
  /** So many others sweep that this one waits for its turn. */
  crowded = $state(false);
  /** The curve that is pointed at, and how many steps along it. @type {{place: number, index: number} | null} */
  hover = $state.raw(null);
  /** The place of the curve that was chosen. */
  choice = $state(-1);

  properties = $derived(this.run.experiment.knobs.properties);
  names = $derived(sweepable(this.properties));
  choices = $derived(
    Object.keys(this.properties).filter((name) => {
      const schema = this.properties[name];
      return schema['x-live'] && schema.enum && !isLook(schema);
    }),
  );
  knob = $derived(this.names.includes(this.#picked) ? this.#picked : this.names[0]);
  #range = $derived(
    around(this.properties[this.knob], this.run.followed[this.knob] ?? Number(this.run.knobs[this.knob])),
  );
  /** @type {Record<Field, string>} */
  fields = $derived({
    low: this.typed.low ?? number(this.#range[0]),
    high: this.typed.high ?? number(this.#range[1]),
    count: this.typed.count ?? String(CURVES),
    steps: this.typed.steps ?? String(affordable(this.#rate)),
    orders: this.typed.orders ?? '1',
  });
  sweep = $derived(this.frame && read(this.frame, this.loss));
  /** It ended before all steps were taken: what is best is not known. */
  early = $derived(
    Boolean(this.frame) && !this.running && (!this.frame?.final || Boolean(this.frame.meta.problem)),
  );
  hovered = $derived(this.hover && this.sweep ? this.sweep.curves[this.hover.place] : null);
  chosen = $derived((this.choice >= 0 && this.sweep?.curves[this.choice]) || null);

  /** @param {() => import('../../lib/run.svelte.js').RunView} run  the one looked at, which may become another */
  constructor(run) {
    this.#run = run;
  }

  get run() {
    return this.#run();
  }

  /** Take in how fast the run goes; for an effect. */
  learnRate() {
    if (this.#rate === null && this.run.rate !== null && this.run.pace === null) this.#rate = this.run.rate;
  }

  /** @param {string} name  of the knob to sweep */
  pick(name) {
    this.#picked = name;
    delete this.typed.low;
    delete this.typed.high;
  }

  /** The fields as numbers; null, and a problem, where one is none. */
  #told() {
    /** @type {Record<string, number>} */
    const told = {};
    for (const field of /** @type {Field[]} */ (Object.keys(this.fields))) {
      const text = this.fields[field];
      const { value, reason } = readNumber(text, { whole: isWhole(field) });
      if (reason) {
        this.problem = { field, text: `${t(`sweep.${field}`)}: ${t(`number.${reason}`, { text })}` };
        return null;
      }
      told[field] = value;
      if (!isWhole(field)) continue;
      told[field] = Math.min(MOST[field], Math.max(1, Math.round(value)));
      if (this.typed[field] !== undefined) this.typed[field] = String(told[field]);
    }
    return told;
  }

  async start() {
    const told = this.#told();
    if (!told) return;
    const { knob, each } = this;
    const vary = each ? { [each]: this.properties[each].enum ?? [] } : {};
    const mine = new AbortController();
    this.running = mine;
    this.waiting = true;
    this.problem = this.hover = null;
    this.choice = -1;
    try {
      let final = false;
      for await (const next of this.#inTurn({ ...told, knob, vary, step: this.run.at }, mine.signal)) {
        const { series, knob: swept, problem } = next.meta;
        if (this.waiting || this.loss >= series.length) this.loss = seriesFor(series, swept);
        this.frame = next;
        this.waiting = false;
        final = next.final ?? false;
        if (problem) this.#refuse(problem);
      }
      if (!final) this.problem = { field: '', text: t('sweep.ended') };
    } catch (error) {
      if (!mine.signal.aborted) this.#refuse(error instanceof ApiError ? error : null);
    } finally {
      if (this.running === mine) this.running = null;
      this.waiting = false;
    }
  }

  stop() {
    this.running?.abort();
  }

  /** Its frames, once there is room for it. @param {import('../../net/server.js').SweepBody} order @param {AbortSignal} signal */
  async *#inTurn(order, signal) {
    try {
      for (this.crowded = false; ; this.crowded = true) {
        try {
          yield* sweepRun(this.run.id, order, signal);
          return;
        } catch (error) {
          if (!(error instanceof ApiError && error.code === 'too-many-sweeps')) throw error;
        }
        await new Promise((done) => setTimeout(done, AGAIN));
        signal.throwIfAborted();
      }
    } finally {
      this.crowded = false;
    }
  }

  /** @param {Refusal | null} error  null: it broke off */
  #refuse(error) {
    if (!error) {
      this.problem = { field: '', text: t('sweep.ended') };
      return;
    }
    const { code, field = '', message, detail = message } = error;
    const shown = Object.entries(error.params ?? {}).map(([name, value]) => [
      name,
      typeof value === 'number' && !Number.isInteger(value) ? number(value) : value,
    ]);
    const own = { code, field, params: Object.fromEntries(shown), detail };
    this.problem = { field: this.#place(field), text: explain(own, this.run.experiment) };
  }

  /** Which field of the form an error is about. @param {string} field */
  #place(field) {
    if (field in this.fields) return field;
    if (field === 'values' || field === this.knob) return 'low';
    return field === this.each || field === 'vary' ? 'each' : '';
  }

  /** Point at the next curve, by value. @param {number} by */
  move(by) {
    if (!this.sweep) return;
    const order = inOrder(this.sweep);
    const from = order.findIndex((curve) => curve.place === (this.hover?.place ?? this.choice));
    const last = order.length - 1;
    const to = order[Math.max(0, Math.min(last, from < 0 && by < 0 ? last : from + by))];
    this.hover = { place: to.place, index: to.taken - 1 };
  }
}

/** Steps of a sweep that take no longer than one likes to wait. @param {number | null} rate  per second */
const affordable = (rate) =>
  STEPS.find((steps) => !(steps * CURVES > PATIENCE * (rate ?? Infinity))) ?? STEPS[STEPS.length - 1];
