/** A schedule while it is edited, and the plan of its values from the server. No DOM. */

import { untrack } from 'svelte';
import { planSchedule } from '../../lib/api.js';
import { isRate, liveNumbers, range } from '../../lib/knobs.js';
import { readLine } from '../../lib/numbers.js';
import { refusal } from '../../lib/refusal.js';
import { drawnOn, heldUntil, pastOf, schedulesOf, suggest } from '../../lib/schedules.js';

const ASKED_AFTER = 120; // ms after the last change until the server is asked
const SPELL = 30; // seconds of the run to look ahead
const LEAST = 200; // steps to look ahead

/** @typedef {[number, number]} Point  step, value */

export class Draft {
  /** The knob that the learner chose, if any. */
  #wished = $state('');
  kind = $state('cosine');
  /** The settings the learner changed. @type {Record<string, number>} */
  settings = $state.raw({});
  /** Problems with the fields' texts. @type {Record<string, string>} */
  problems = $state({});
  /** The typed line, if it cannot be parsed. */
  unread = $state('');
  /** Steps and values, the steps counted from `from`. @type {Point[]} */
  line = $state.raw([]);
  /** The step at which the line begins. */
  from = $state(0);
  drawing = $state(false);
  /** Whether an edit is shown instead of the schedule in use. */
  editing = $state(false);
  /** The steps to look ahead that the learner asked for; 0: none. */
  wishedAhead = $state(0);
  #spell = $state(1000);
  /** @type {{step: number[], value: number[]} | null} */
  plan = $state.raw(null);
  /** @type {import('../../lib/types.js').Refusal | null} */
  refused = $state.raw(null);
  #asked = 0;
  /** Restores the state before the stroke, if it is cancelled. @type {() => void} */
  #takeBack = () => {};

  properties = $derived(this.run.experiment.knobs.properties);
  names = $derived(liveNumbers(this.properties));
  knob = $derived(
    this.names.find((name) => name === this.#wished) ??
      this.names.find((name) => isRate(this.properties[name])) ??
      this.names[0] ??
      '',
  );
  schema = $derived(this.properties[this.knob]);
  ends = $derived(range(this.schema));
  followed = $derived(schedulesOf(this.run.knobs)[this.knob] ?? null);
  value = $derived(this.run.followed[this.knob] ?? Number(this.run.knobs[this.knob]));
  /** Steps to look ahead: half a minute of this run, unless the learner sets another number. */
  ahead = $derived(this.wishedAhead || Math.max(LEAST, Number(this.#spell.toPrecision(1))));
  kinds = $derived(Object.keys(this.run.experiment.schedules));
  /** The settings of the kind, as the server declares them. */
  offered = $derived(this.run.experiment.schedules[this.kind]);
  suggested = $derived(suggest(this.offered, this.value, this.ends, this.ahead));
  schedule = $derived(
    this.kind === 'drawn'
      ? { kind: this.kind, points: this.line, log: Boolean(this.schema['x-log']) }
      : { kind: this.kind, ...this.suggested, ...this.settings },
  );
  #shown = $derived(this.followed && !this.editing ? this.followed : this.schedule);
  #begins = $derived(
    this.#shown === this.followed
      ? (this.followed.start ?? 0)
      : this.kind === 'drawn' && this.line.length
        ? this.from
        : this.run.now,
  );
  /** The request to the server, as JSON; it changes with each step if the schedule begins from the current value. */
  wish = $derived(
    JSON.stringify({
      knob: this.knob,
      schedule: this.#shown,
      value: this.#shown === this.followed || this.kind === 'drawn' ? this.run.knobs[this.knob] : this.value,
      steps:
        this.#shown === this.followed
          ? Math.max(1, Math.ceil((this.run.now - this.#begins) / this.ahead) + 1) * this.ahead
          : this.ahead,
    }),
  );
  /** The knob's past values. @type {Point[]} */
  past = $derived.by(() => {
    const { run, knob, value } = this;
    void run.scalarsVersion;
    const { steps, values } = run.scalars.columns([`knob/${knob}`]);
    const changes = run.knobChanges
      .filter((change) => knob in change.knobs)
      .map((change) => ({ step: change.step, value: Number(change.knobs[knob]) }));
    const told = [{ step: run.first, value: Number(run.knobsAt(run.first)[knob]) }, ...changes];
    return pastOf({ steps, values: values[0] }, told, run.first, { step: run.now, value });
  });
  /** The knob's planned values. @type {Point[]} */
  future = $derived.by(() => {
    const { step = [], value = [] } = this.plan ?? {};
    const points = step.map((n, i) => /** @type {Point} */ ([this.#begins + n, value[i]]));
    return points.filter(([at]) => at >= this.run.now);
  });

  /** @param {import('../../lib/run.svelte.js').RunView} run */
  constructor(run) {
    this.run = run;
  }

  /** @param {string} name */
  chooseKnob(name) {
    this.#wished = name;
    this.line = [];
    this.editing = false;
  }

  /** @param {string} kind */
  chooseKind(kind) {
    this.kind = kind;
    this.settings = {};
    this.problems = {};
    this.unread = '';
    this.editing = true;
  }

  /** @param {string} name @param {number} told */
  set(name, told) {
    this.settings = { ...this.settings, [name]: told };
    this.editing = true;
  }

  /** A line as text; like a drawn one, it leaves the value alone until its first step. @param {string} text */
  write(text) {
    const found = readLine(text);
    this.unread = found ? '' : text;
    if (!found) return;
    this.line = heldUntil(found, this.value);
    this.from = this.run.now;
    this.editing = true;
  }

  /** The pen goes down. */
  begin() {
    const { kind, editing, from, line } = this;
    this.#takeBack = () => Object.assign(this, { kind, editing, from, line });
    this.kind = 'drawn';
    this.editing = true;
    this.from = this.run.now;
    this.line = [];
    this.drawing = true;
  }

  /** The pen is at a step and a value. @param {number} step @param {number} value */
  draw(step, value) {
    const [low, high] = this.ends;
    this.line = drawnOn(this.line, Math.max(0, step - this.from), Math.min(high, Math.max(low, value)));
  }

  /** The pen goes up. @param {boolean} done  false: the system cancelled the pointer, to scroll */
  end(done) {
    if (!this.drawing) return;
    this.drawing = false;
    if (done && this.line.length > 1) {
      this.line = heldUntil(this.line, this.value);
      this.follow();
    } else this.#takeBack();
  }

  /** Apply the schedule to the knob. */
  follow() {
    this.editing = false;
    const start = this.kind === 'drawn' && this.line.length ? { start: this.from } : {};
    if (this.kind === 'constant') this.hold();
    else
      this.run.setKnobs({
        schedules: { ...schedulesOf(this.run.knobs), [this.knob]: { ...this.schedule, ...start } },
      });
  }

  /** Stop the schedule: the knob keeps its current value. */
  hold() {
    this.run.setKnobs({ [this.knob]: this.value });
  }

  /** Update the estimate of the run's speed; call in an effect. */
  adjust() {
    const steps = (this.run.rate ?? 0) * SPELL;
    untrack(() => {
      if (steps > 2 * this.#spell || (steps > 0 && steps < this.#spell / 3)) this.#spell = steps;
    });
  }

  /** Ask the server for the planned values, since it is what applies them; call in an effect. */
  ask() {
    const wish = JSON.parse(this.wish);
    if (!this.knob || (wish.schedule.kind === 'drawn' && !wish.schedule.points.length)) {
      this.plan = null;
      this.refused = null;
      return;
    }
    const mine = ++this.#asked;
    const later = setTimeout(async () => {
      try {
        const found = await planSchedule(this.run.id, wish);
        if (mine === this.#asked) [this.plan, this.refused] = [found, null];
      } catch (error) {
        if (mine === this.#asked) [this.plan, this.refused] = [null, refusal(error)];
      }
    }, ASKED_AFTER);
    return () => clearTimeout(later);
  }
}
