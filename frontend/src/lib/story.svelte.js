/** A learner on their way through a story: the step they are at, what they answered, what was ticked off. No DOM. */

import { recall, remember } from './storage.js';
import { compared, holds } from './story.js';

/** @typedef {import('./story.js').StoryStep} StoryStep */
/** @typedef {import('./run.svelte.js').RunView} RunView */
/**
 * What is kept of a learner's way through a story.
 * @typedef {object} Progress
 * @property {string[]} done  ids of the steps that were ticked off
 * @property {number} of  how many steps there are
 * @property {boolean} closed  whether the learner put the story aside
 */

/** @param {string} id  of an experiment */
const keyOf = (id) => `descent.story.${id}`;

/** A learner's way through the story of an experiment; null if it was never begun. @param {string} id @returns {Progress | null} */
export function progressOf(id) {
  try {
    const { done, of, closed } = JSON.parse(recall(keyOf(id)) ?? '');
    return Array.isArray(done) && Number.isFinite(of)
      ? { done: done.map(String), of, closed: !!closed }
      : null;
  } catch {
    return null;
  }
}

export class Story {
  /** @type {StoryStep[]} */
  steps = $state.raw([]);
  /** Ids of the steps that were ticked off. @type {string[]} */
  done = $state.raw([]);
  /** The step shown. */
  at = $state(0);
  /** By step, the answer given. @type {Record<string, string>} */
  answers = $state.raw({});
  /** By step, the answer that the run gave; empty if none of them was right. @type {Record<string, string>} */
  right = $state.raw({});
  closed = $state(false);
  /** Gestures so far. */
  noted = $state(0);
  /** Whether a preset chosen by the learner is shown instead. */
  aside = $state(false);

  step = $derived(this.steps.at(this.at) ?? null);
  ticked = $derived(this.step !== null && this.done.includes(this.step.id));
  over = $derived(this.steps.length > 0 && this.at >= this.steps.length);
  shown = $derived(this.steps.length > 0 && !this.closed && !this.aside);

  #id;
  /** @type {RunView | null} */
  #run = null;
  #first = 0; // step of the run when the story's step began
  #told = 0; // findings then
  /** @type {Record<string, number>} */
  #began = {};
  /** @type {Set<string>} */
  #gestures = new Set();

  /** @param {string} id  of the experiment */
  constructor(id) {
    this.#id = id;
  }

  /** The story in the page's language; at first it goes on where the learner was. @param {StoryStep[]} steps */
  tell(steps) {
    const first = !this.steps.length;
    this.steps = steps;
    if (!first) return;
    const kept = progressOf(this.#id);
    const known = kept?.done.filter((id) => steps.some((step) => step.id === id)) ?? [];
    this.done = known.length < steps.length ? known : [];
    this.closed = kept?.closed ?? false;
    this.at = Math.max(
      0,
      steps.findIndex((step) => !this.done.includes(step.id)),
    );
  }

  /** The learner has done this. @param {string} gesture */
  note(gesture) {
    this.#gestures.add(gesture);
    this.noted++;
  }

  /** Whether the present step is about this preset. @param {string} preset */
  asksFor(preset) {
    const terms = this.step?.done ?? [];
    return (
      this.step?.act?.preset === preset || terms.some((term) => 'preset' in term && term.preset === preset)
    );
  }

  /** @param {string} answer */
  answer(answer) {
    if (this.step) this.answers = { ...this.answers, [this.step.id]: answer };
  }

  /** Tick the step off if its terms hold now. @param {RunView} run @param {Record<string, import('./types.js').Knobs>} presets */
  follow(run, presets) {
    const { step } = this;
    if (run !== this.#run) this.#meet(run);
    if (!step || this.ticked || run.at !== null) return;
    for (const name of compared(step)) this.#began[name] ??= finite(run.scalars.latest(name));
    const seen = {
      ...seenOf(run, presets, this.#first),
      began: /** @type {Record<string, number>} */ (this.#began),
      findings: new Set(run.diagnoses.slice(this.#told).map((found) => found.code)),
      gestures: this.#gestures,
    };
    if (!holds(step.done, seen)) return;
    const right = step.answers.find((answer) => holds(answer.when, seen))?.id ?? '';
    this.right = { ...this.right, [step.id]: right };
    this.done = [...this.done, step.id];
    this.#keep();
  }

  /** A new run; what a learner did on the way to it counts. @param {RunView} run */
  #meet(run) {
    this.#run = run;
    this.#first = run.first;
    this.#told = 0;
    this.#began = {};
  }

  /** Go to a step. @param {number} at */
  turn(at) {
    this.at = Math.min(Math.max(at, 0), this.steps.length);
    this.#gestures.clear();
    this.#began = {};
    this.#first = this.#run?.step ?? 0;
    this.#told = this.#run?.diagnoses.length ?? 0;
  }

  /** Show a step, by its id; nothing if there is none such. @param {string} id */
  show(id) {
    const at = this.steps.findIndex((step) => step.id === id);
    if (at < 0) return;
    this.closed = this.aside = false;
    this.turn(at);
  }

  restart() {
    this.done = [];
    this.answers = this.right = {};
    this.closed = this.aside = false;
    this.turn(0);
    this.#keep();
  }

  /** @param {boolean} closed */
  close(closed) {
    this.closed = closed;
    this.aside = false;
    this.#keep();
  }

  #keep() {
    const { done, closed, steps } = this;
    remember(keyOf(this.#id), JSON.stringify({ done, closed, of: steps.length }));
  }
}

/** Whether a run has come to the end that its experiment declares, and since when. */
export class Ending {
  /** The change of training after which it came, by run; what is trained on after another has yet to. */
  #reached = $state.raw({ run: '', touched: -1 });
  /** The learner has read it. */
  #read = $state(false);

  /** Whether to tell of it. @param {RunView | null} run */
  tells(run) {
    return run !== null && !this.#read && this.#is(run) && !['diverged', 'failed'].includes(run.status);
  }

  /** @param {RunView} run */
  #is = (run) => this.#reached.run === run.id && this.#reached.touched === run.touched;

  /** @param {RunView} run @param {import('../net/server.js').End} end @param {Record<string, import('./types.js').Knobs>} presets */
  follow(run, end, presets) {
    if (run.at !== null || this.#is(run) || !holds(end.done, seenOf(run, presets, run.first))) return;
    this.#reached = { run: run.id, touched: run.touched };
    this.#read = false;
  }

  dismiss() {
    this.#read = true;
  }
}

/**
 * What terms are held against, of the run alone.
 * @param {RunView} run
 * @param {Record<string, import('./types.js').Knobs>} presets
 * @param {number} first  the step from which steps count
 * @returns {import('./story.js').Seen}
 */
const seenOf = (run, presets, first) => ({
  knobs: run.knobs,
  scalar: (name) => run.scalars.latest(name),
  status: run.status,
  steps: run.step - Math.max(first, run.touched),
  began: {},
  findings: new Set(run.diagnoses.map((found) => found.code)),
  gestures: new Set(),
  presets,
});

/** @param {number} value @returns {any} */
const finite = (value) => (Number.isFinite(value) ? value : undefined);
