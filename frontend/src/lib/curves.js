/** What a chart draws of a ScalarStore: some columns, smoothed, thinned to the pixels there are. No DOM. */

import { Smoother, nearest, thin } from './series.js';

/** @typedef {import('./series.js').ScalarStore} ScalarStore */

/**
 * Curves that follow a store. `update` reads only what is new: a chart of 100,000 points costs as little as one of 100.
 * Bins are `2^k` steps wide, so that when they become too many, pairs of them are merged without going back.
 */
export class Curves {
  #store;
  #names;
  #bins;
  #floor;
  #width = 1;
  #rows = 0; // written, of complete bins
  #drawn = 0; // written
  #read = 0; // rows of the store that are in them
  #smoothed = 0; // rows of the store that are smoothed
  #thinnings;
  /** @type {Smoother[]} */
  #smoothers;
  /** @type {Float32Array[]} */
  #averages = [];
  #steps;
  /** @type {Float32Array[]} */
  #out;

  /**
   * @param {ScalarStore} store
   * @param {string[]} names
   * @param {number} weight  of smoothing; 0 for none
   * @param {number} pixels  width of the chart, at least 1
   * @param {boolean} [log]  only positive values will be drawn
   */
  constructor(store, names, weight, pixels, log = false) {
    this.#store = store;
    this.#names = names;
    this.#bins = Math.max(16, Math.ceil(pixels));
    this.#floor = log ? 0 : -Infinity;
    this.#thinnings = store.thinnings;
    this.#smoothers = weight > 0 ? names.map(() => new Smoother(weight)) : [];
    this.#averages = this.#smoothers.map(() => new Float32Array(0));
    const room = 2 * (this.#bins + 1);
    this.#steps = new Float64Array(room);
    this.#out = [...names, ...this.#smoothers].map(() => new Float32Array(room));
  }

  /** Whether the store has moved its rows, so that these curves must be made anew. */
  get stale() {
    return this.#thinnings !== this.#store.thinnings;
  }

  /**
   * Take in what the store has got since the last call.
   * @returns {{steps: Float64Array, values: Float32Array[]}} views of at most 2 × pixels rows, valid until the next
   *   call: the raw columns, then the smoothed ones where there is smoothing
   */
  update() {
    const { steps, values } = this.#store.columns(this.#names);
    const columns = [...values, ...this.#smooth(values)];
    const last = steps.length - 1;
    while (last >= 0 && this.#binOf(steps[last]) - this.#binOf(steps[0]) >= this.#bins) {
      this.#width *= 2;
      this.#rows = this.#thin(this.#steps, this.#out, this.#rows, 0);
      this.#reopen(steps);
    }
    const rest = columns.map((column) => column.subarray(this.#read));
    const added = this.#thin(steps.subarray(this.#read), rest, steps.length - this.#read, this.#rows);
    const rows = this.#rows + added;
    this.#rows = this.#drawn = rows;
    this.#read = steps.length;
    this.#reopen(steps);
    return {
      steps: this.#steps.subarray(0, rows),
      values: this.#out.map((column) => column.subarray(0, rows)),
    };
  }

  /**
   * What is drawn of a raw column in the bin of a step: its least and its greatest value, NaN where there is none.
   * @param {number} column
   * @param {number} step
   * @returns {[number, number]}
   */
  between(column, step) {
    const bin = this.#binOf(step);
    let low = NaN;
    let high = NaN;
    let i = nearest(this.#steps.subarray(0, this.#drawn), step);
    while (i > 0 && this.#binOf(this.#steps[i - 1]) === bin) i--;
    for (; i >= 0 && i < this.#drawn && this.#binOf(this.#steps[i]) === bin; i++) {
      const value = this.#out[column][i];
      if (Number.isNaN(value)) continue;
      low = value >= low ? low : value;
      high = value <= high ? high : value;
    }
    return [low, high];
  }

  /**
   * Thin `count` rows into the own ones, from row `to` on.
   * @param {Float64Array} steps
   * @param {Float32Array[]} columns
   * @param {number} count
   * @param {number} to
   */
  #thin(steps, columns, count, to) {
    const out = this.#out.map((column) => column.subarray(to));
    return thin(steps, columns, count, this.#width, this.#steps.subarray(to), out, this.#floor);
  }

  /** @param {number} step */
  #binOf(step) {
    return Math.floor(step / this.#width);
  }

  /**
   * Take the last bin out of the finished ones: more of its steps may come.
   * @param {Float64Array} steps
   */
  #reopen(steps) {
    if (!this.#read) return;
    const bin = this.#binOf(steps[this.#read - 1]);
    while (this.#read > 0 && this.#binOf(steps[this.#read - 1]) === bin) this.#read--;
    while (this.#rows > 0 && this.#binOf(this.#steps[this.#rows - 1]) === bin) this.#rows--;
  }

  /** @param {Float32Array[]} values */
  #smooth(values) {
    const length = this.#store.length;
    this.#smoothers.forEach((smoother, i) => {
      if (this.#averages[i].length < length) {
        const grown = new Float32Array(2 * length);
        grown.set(this.#averages[i].subarray(0, this.#smoothed));
        this.#averages[i] = grown;
      }
      smoother.run(values[i], this.#averages[i], this.#smoothed);
    });
    this.#smoothed = length;
    return this.#averages.map((average) => average.subarray(0, length));
  }
}

/**
 * Finite numbers, and null for everything else: a gap, which the chart bridges.
 * @param {ArrayLike<number>} values
 * @param {boolean} positive  leave out what a log axis cannot show
 * @param {(number | null)[]} out  filled and returned
 */
export function drawable(values, positive, out) {
  out.length = values.length;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    out[i] = value - value === 0 && (!positive || value > 0) ? value : null;
  }
  return out;
}
