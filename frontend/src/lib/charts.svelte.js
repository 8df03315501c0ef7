/** What a lab's charts of scalars share: the step pointed at, the stretch shown, the unit of x; and what is remembered. */

import { getContext, setContext } from 'svelte';
import { recall, remember } from './storage.js';

/** @typedef {{log: boolean, weight: number}} Look  of one chart; `weight`: of smoothing */
/** @typedef {[number, number]} Stretch  of steps */
/** @typedef {(typeof UNITS)[number]} Unit */

const UNITS = /** @type {const} */ (['step', 'epoch', 'second']);
const LEAST = 4; // steps that a chart shows
const CONTEXT = Symbol('charts');

export class Charts {
  /** The step pointed at in one chart, marked in the others. @type {{step: number, chart: string} | null} */
  pointed = $state.raw(null);
  /** The stretch of steps shown; null: all there are. @type {Stretch | null} */
  stretch = $state.raw(null);
  /** The unit of x. @type {Unit} */
  unit = $state('step');
  #key;
  /** By chart. @type {Record<string, Look>} */
  #looks = {};

  /** @param {string} id  of the experiment */
  constructor(id) {
    this.#key = `descent.charts.${id}`;
    try {
      const { unit, looks } = JSON.parse(recall(this.#key) ?? '{}');
      if (UNITS.includes(unit)) this.unit = unit;
      for (const [name, look] of Object.entries(looks ?? {}))
        this.#looks[name] = {
          log: look.log === true,
          weight: Math.min(0.99, Math.max(0, Number(look.weight) || 0)),
        };
    } catch {
      // Not written by this page: nothing is remembered.
    }
  }

  /** How a chart was left, or as its experiment has it. @param {string} name @param {Look} otherwise */
  lookOf(name, otherwise) {
    return this.#looks[name] ?? otherwise;
  }

  /** @param {string} name @param {Look} look */
  keep(name, look) {
    this.#looks[name] = look;
    this.#remember();
  }

  /** Take the unit after this one. @param {Unit[]} offered  by a chart */
  turnUnit(offered) {
    this.unit = offered[(offered.indexOf(this.unit) + 1) % offered.length];
    this.#remember();
  }

  /**
   * Show a stretch of steps; all of them where it is as long.
   * @param {number} low
   * @param {number} high
   * @param {Stretch} all
   */
  show(low, high, [first, last]) {
    const length = Math.max(LEAST, high - low);
    const from = Math.max(first, Math.min((low + high - length) / 2, last - length));
    this.stretch = length >= last - first ? null : [from, from + length];
  }

  /** Zoom by a factor about a step. @param {number} factor @param {number} about @param {Stretch} all */
  zoom(factor, about, all) {
    const [low, high] = this.stretch ?? all;
    this.show(about - (about - low) * factor, about + (high - about) * factor, all);
  }

  /** Pan by a share of the stretch. @param {number} share @param {Stretch} all */
  pan(share, all) {
    const [low, high] = this.stretch ?? all;
    const by = (high - low) * share;
    this.show(low + by, high + by, all);
  }

  #remember() {
    remember(this.#key, JSON.stringify({ unit: this.unit, looks: this.#looks }));
  }
}

/** The charts of the lab that is being set up. @param {string} id  of the experiment */
export const beginCharts = (id) => setContext(CONTEXT, new Charts(id));

/** Those of the lab that a component is in; its own outside one. @returns {Charts} */
export const charts = () => getContext(CONTEXT) ?? new Charts('');
