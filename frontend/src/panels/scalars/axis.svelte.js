/** The x axis of a chart of scalars: steps, epochs (where their steps are), or seconds of training. */

import { whole } from '../../charts/uplot.js';
import { epochAt } from '../../lib/epochs.js';
import { count, number } from '../../lib/format.js';
import { t } from '../../lib/i18n.svelte.js';
import { secondsAt, stepAt } from '../../lib/moments.js';

/** @typedef {import('../../lib/run.svelte.js').RunView} RunView */
/** @typedef {import('../../lib/charts.svelte.js').Unit} Unit */

/** @param {number} step */
export const stepName = (step) => t('panel.step', { step: count(step) });

export class Axis {
  #run;
  #shared;
  /** Those that there are. @type {Unit[]} */
  units = $derived.by(() => {
    const run = this.#run();
    /** @type {Unit[]} */
    const more = run.stepsPerEpoch === null ? [] : ['epoch'];
    return ['step', ...more, ...(isTimed(run) ? [/** @type {Unit} */ ('second')] : [])];
  });
  unit = $derived.by(() => (this.units.includes(this.#shared.unit) ? this.#shared.unit : 'step'));

  /**
   * @param {() => RunView} run
   * @param {import('../../lib/charts.svelte.js').Charts} shared  by the lab's charts
   */
  constructor(run, shared) {
    this.#run = run;
    this.#shared = shared;
  }

  /** Where a run's step is. @param {number} step @param {RunView} [run] */
  placeOf(step, run = this.#run()) {
    return this.unit === 'second' && isTimed(run) ? secondsAt(run.moments, step) : step;
  }

  /** The same of many. @param {Float64Array} steps @param {RunView} [run] */
  placesOf(steps, run = this.#run()) {
    return this.unit === 'second' ? steps.map((step) => this.placeOf(step, run)) : steps;
  }

  /** The step of a run that is there. @param {number} place @param {RunView} [run] */
  stepAt(place, run = this.#run()) {
    return this.unit === 'second' && isTimed(run) ? Math.round(stepAt(run.moments, place)) : place;
  }

  /** A place in words; the first one with its unit. @param {number} place @param {boolean} first */
  write(place, first) {
    if (this.unit === 'step') return first ? stepName(place) : whole(place);
    const value = number(this.unit === 'second' ? place : this.#epochAt(place), 3);
    if (!first) return value;
    return t(this.unit === 'second' ? 'scalars.second' : 'transport.epoch', { n: value });
  }

  /** @param {number} step */
  #epochAt(step) {
    const run = this.#run();
    return epochAt(run.epochs, step) ?? step / (run.stepsPerEpoch ?? 1);
  }
}

/** Whether it has told twice or more how long it had trained. @param {RunView} run */
const isTimed = (run) => run.moments.length > 1;
