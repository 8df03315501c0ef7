/** The curves a chart draws from a ScalarStore: some columns, smoothed, thinned to the available pixels. No DOM. */

import { Smoother, nearest, thin } from '../lib/series.js';

/** @typedef {import('../lib/series.js').ScalarStore} ScalarStore */

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
  #rows = 0; // written rows of complete bins
  #drawn = 0; // written rows, the last bin included
  #read = 0; // rows of the store already in the bins
  #smoothed = 0; // rows of the store that are smoothed
  #counted = 0; // rows of the store counted in `signs`
  #signs;
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
    this.#smoothers = weight > 0 ? names.map(() => new Smoother(weight, log)) : [];
    this.#averages = this.#smoothers.map(() => new Float32Array(0));
    this.#signs = names.map(() => ({ positive: 0, rest: 0 }));
    const room = 2 * (this.#bins + 1);
    this.#steps = new Float64Array(room);
    this.#out = [...names, ...this.#smoothers].map(() => new Float32Array(room));
  }

  /** Whether the store has moved its rows, so that these curves must be rebuilt. */
  get stale() {
    return this.#thinnings !== this.#store.thinnings;
  }

  /** By name: the number of finite values above 0, and of the others. */
  get signs() {
    return this.#signs;
  }

  /**
   * Read the rows added to the store since the last call.
   * @returns {{steps: Float64Array, values: Float32Array[]}} views of at most 2 × pixels rows, valid until the next
   *   call: the raw columns, then the smoothed ones if `weight` > 0
   */
  update() {
    const { steps, values } = this.#store.columns(this.#names);
    const columns = [...values, ...this.#smooth(values)];
    this.#count(values);
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
   * Minimum and maximum drawn for a raw column in the bin of a step; NaN where there is none.
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
   * Thin `count` rows into this object's rows, from row `to` on.
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
   * Reopen the last bin: more of its steps may come.
   * @param {Float64Array} steps
   */
  #reopen(steps) {
    if (!this.#read) return;
    const bin = this.#binOf(steps[this.#read - 1]);
    while (this.#read > 0 && this.#binOf(steps[this.#read - 1]) === bin) this.#read--;
    while (this.#rows > 0 && this.#binOf(this.#steps[this.#rows - 1]) === bin) this.#rows--;
  }

  /** @param {Float32Array[]} values */
  #count(values) {
    this.#signs = this.#signs.map((before, i) => {
      const more = signs([values[i].subarray(this.#counted)]);
      return { positive: before.positive + more.positive, rest: before.rest + more.rest };
    });
    this.#counted = this.#store.length;
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
 * Finite numbers; undefined where nothing was measured, which the chart bridges; and null, which ends a line, at values
 * that are infinite or cannot be placed on the axis.
 * @param {ArrayLike<number>} values
 * @param {boolean} positive  leave out what a log axis cannot show
 * @param {(number | null | undefined)[]} out  filled and returned
 * @param {null | undefined} [missing]  stands for NaN; null if NaN ends a line, too
 */
export function drawable(values, positive, out, missing) {
  out.length = values.length;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (Number.isNaN(value)) out[i] = missing;
    else out[i] = value - value === 0 && (!positive || value > 0) ? value : null;
  }
  for (let i = 1; i < out.length; i++) if (out[i] === undefined && out[i - 1] === null) out[i] = null;
  for (let i = out.length - 2; i >= 0; i--) if (out[i] === undefined && out[i + 1] === null) out[i] = null;
  return out;
}

/** @typedef {{step: number, names: string[] | null}} End  where scalars ceased to be numbers; null: whichever did */

/**
 * The ends of a run's curves, from its findings.
 * @param {{code: string, step: number, params: {scalars?: object, at?: number}}[]} findings
 * @returns {End[]}
 */
export function endsOf(findings) {
  /** @type {End[]} */
  const ends = [];
  for (const { code, step, params } of findings) {
    if (code === 'non-finite') ends.push({ step, names: Object.keys(params.scalars ?? {}) });
    if (code === 'out') ends.push({ step: params.at ?? step, names: null });
  }
  return ends;
}

/**
 * End a drawn column where its scalar stops being a number, instead of bridging the gap.
 * @param {ArrayLike<number>} steps
 * @param {(number | null | undefined)[]} out  of `drawable`; changed
 * @param {string} name
 * @param {End[]} ends
 * @returns {number[]} the rows of its last numbers, to be marked
 */
export function cut(steps, out, name, ends) {
  /** @type {number[]} */
  const marks = [];
  for (const { step, names } of ends) {
    if (names && !names.includes(name)) continue;
    const last = lastBefore(steps, out, step, names === null);
    if (last < 0) continue;
    for (let i = last + 1; i < out.length && typeof out[i] !== 'number'; i++) out[i] = null;
    if (!marks.includes(last)) marks.push(last);
  }
  return marks;
}

/**
 * The row of a column's last number at or before about `step`, −1 if the column continues. `steady`: only a scalar that
 * was measured at every step counts as ended; one measured rarely has gaps anyway.
 * @param {ArrayLike<number>} steps
 * @param {(number | null | undefined)[]} out
 * @param {number} step
 * @param {boolean} steady
 */
function lastBefore(steps, out, step, steady) {
  let row = Math.min(nearest(steps, step) + 1, out.length - 1);
  if (row < 0 || typeof out[row] === 'number') return -1;
  while (row >= 0 && typeof out[row] !== 'number') row--;
  if (!steady) return row;
  const near = row > 0 && nearest(steps, step) - row <= 2;
  return near && typeof out[row - 1] === 'number' ? row : -1;
}

/**
 * The message key about values that a log axis cannot show; '' if it shows all.
 * @param {number} positive  how many values are above 0
 * @param {number} rest  how many are not
 * @returns {'' | 'scalars.unplaced' | 'scalars.linear'}  the last where the axis has to be linear
 */
export function logNote(positive, rest) {
  if (!rest) return '';
  return positive ? 'scalars.unplaced' : 'scalars.linear';
}

/**
 * The number of finite values above 0, and of the others.
 * @param {ArrayLike<number>[]} columns
 * @returns {{positive: number, rest: number}}
 */
export function signs(columns) {
  let positive = 0;
  let rest = 0;
  for (const column of columns) {
    for (let i = 0; i < column.length; i++) {
      if (column[i] > 0 && column[i] < Infinity) positive++;
      else if (column[i] <= 0 && column[i] > -Infinity) rest++;
    }
  }
  return { positive, rest };
}
