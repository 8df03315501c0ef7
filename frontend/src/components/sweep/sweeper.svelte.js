/** A sweep: the form's fields, the frames as they arrive, and the selected curve. No DOM. */

import { add } from '../../messages/index.js';
import texts from '../../messages/sweep.js';
import { sweepRun } from '../../lib/api.js';
import { explain } from '../../lib/errors.js';
import { errorTexts } from '../../lib/errortexts.js';
import { number } from '../../lib/format.js';
import { t } from '../../lib/i18n.svelte.js';
import { isLook } from '../../lib/knobs.js';
import { lostInWords } from '../../lib/lost.js';
import { readNumber } from '../../lib/numbers.js';
import { ApiError } from '../../lib/refusal.js';
import { around, inOrder, read, seriesFor, sweepable } from '../../lib/sweep.js';

add(texts);

const STEPS = [100, 50, 20]; // suggestions: the first that takes at most PATIENCE seconds
const PATIENCE = 30;
const CURVES = 16;
const AGAIN = 1000; // ms between two retries while the server is busy
const MOST = { count: 64, steps: 2000, orders: 8 };

/** @typedef {import('../../lib/sweep.js').Curve} Curve */
/** @typedef {'low' | 'high' | 'count' | 'steps' | 'orders'} Field */
/** @typedef {import('../../lib/types.js').Refusal} Refusal */

/** Whether a field is a whole number. @param {string} field @returns {field is keyof typeof MOST} */
export const isWhole = (field) => field in MOST;

export class Sweeper {
  #run;
  #picked = $state('');
  /** The typed texts, by field. @type {Partial<Record<Field, string>>} */
  typed = $state({});
  /** An additional knob, each of whose values is tried. */
  each = $state('');
  /** Steps per second, as first seen. @type {number | null} */
  #rate = $state(null);
  /** @type {import('../../lib/types.js').SweepFrame | null} */
  frame = $state.raw(null);
  /** The loss shown. */
  loss = $state(0);
  /** @type {AbortController | null} */
  running = $state.raw(null);
  /** The error, and the field it is about. @type {{field: string, text: string} | null} */
  problem = $state.raw(null);
  /** Whether the first frame is still awaited. */
  waiting = $state(false);
  /** Whether the sweep waits for others to end. */
  crowded = $state(false);
  /** The hovered curve, and the index of the step on it. @type {{place: number, index: number} | null} */
  hover = $state.raw(null);
  /** The place of the chosen curve. */
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
  /** Whether it ended before all steps were taken, so that the best value is unknown. */
  early = $derived(
    Boolean(this.frame) && !this.running && (!this.frame?.final || Boolean(this.frame.meta.problem)),
  );
  hovered = $derived(this.hover && this.sweep ? this.sweep.curves[this.hover.place] : null);
  chosen = $derived((this.choice >= 0 && this.sweep?.curves[this.choice]) || null);

  /** @param {() => import('../../lib/run.svelte.js').RunView} run  the run shown, which may change */
  constructor(run) {
    this.#run = run;
  }

  get run() {
    return this.#run();
  }

  /** Record the run's speed; call in an effect. */
  learnRate() {
    if (this.#rate === null && this.run.rate !== null && this.run.pace === null) this.#rate = this.run.rate;
  }

  /** @param {string} name  of the knob to sweep */
  pick(name) {
    this.#picked = name;
    delete this.typed.low;
    delete this.typed.high;
  }

  /** The fields as numbers; null, with `problem` set, if one cannot be parsed. */
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
        final = next.final;
        if (problem) await this.#refuse(problem);
      }
      if (!final) this.problem = { field: '', text: t('sweep.ended') };
    } catch (error) {
      if (!mine.signal.aborted) await this.#refuse(error instanceof ApiError ? error : null);
    } finally {
      if (this.running === mine) this.running = null;
      this.waiting = false;
    }
  }

  stop() {
    this.running?.abort();
  }

  /** Request the sweep and read its frames, retrying while the server is busy. @param {import('../../net/server.js').SweepBody} order @param {AbortSignal} signal */
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

  /** @param {Refusal | null} error  null: the connection broke */
  async #refuse(error) {
    if (!error) {
      this.problem = { field: '', text: t('sweep.ended') };
      return;
    }
    await errorTexts.come();
    const { code, field = '', message, detail = message } = error;
    const shown = Object.entries(error.params ?? {}).map(([name, value]) => [name, inWords(name, value)]);
    const own = { code, field, params: Object.fromEntries(shown), detail };
    this.problem = { field: this.#place(field), text: explain(own, this.run.experiment) };
  }

  /** The form field an error is about. @param {string} field */
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

/** A parameter of an error as it is shown. @param {string} name @param {unknown} value */
function inWords(name, value) {
  if (name === 'cause') return lostInWords(String(value));
  return typeof value === 'number' && !Number.isInteger(value) ? number(value) : value;
}

/** The number of steps with which a sweep takes at most PATIENCE seconds. @param {number | null} rate  per second */
const affordable = (rate) =>
  STEPS.find((steps) => !(steps * CURVES > PATIENCE * (rate ?? Infinity))) ?? STEPS[STEPS.length - 1];
