/** The scalars of one run, as columns that stay bounded, and their smoothing and thinning for charts. No DOM. */

/** @typedef {import('./types.js').ScalarsFrame} ScalarsFrame */

/** The points a store keeps: 131,072, which is 0.5 MB a column. */
const LIMIT = 2 ** 17;
const FIRST_CAPACITY = 1024;

/**
 * Every scalar of a run by step, in order of steps. Where no value was measured there is NaN.
 *
 * A run has no end, memory has: at `limit` points the older half is thinned to the smallest and the largest value of
 * each `2^k` steps, column by column, so that spikes survive and the recent half stays exact. Bins are aligned to
 * multiples of their width, which only ever doubles: a thinned value never leaves its bin, however long the run.
 */
export class ScalarStore {
  #limit;
  #length = 0;
  #width = 1; // steps per bin of the thinned part
  #thinnings = 0;
  #steps = new Float64Array(FIRST_CAPACITY);
  /** @type {Map<string, Float32Array>} NaN from `#length` on */
  #columns = new Map();
  /** @type {Map<string, number>} */
  #latest = new Map();

  /** @param {number} [limit]  points kept, at least 16 */
  constructor(limit = LIMIT) {
    this.#limit = limit;
  }

  /** Names in the order in which they were first seen. */
  get names() {
    return [...this.#columns.keys()];
  }

  get length() {
    return this.#length;
  }

  /** Number of times rows have moved: indices into the columns are invalid once this changes. */
  get thinnings() {
    return this.#thinnings;
  }

  /** The newest step, −1 before the first. */
  get lastStep() {
    return this.#length ? this.#steps[this.#length - 1] : -1;
  }

  /**
   * The last finite value of a scalar, NaN when there is none.
   * @param {string} name
   */
  latest(name) {
    return this.#latest.get(name) ?? NaN;
  }

  /**
   * The value of a scalar at a step, or the last one measured before; NaN when there is none.
   * @param {string} name
   * @param {number} step
   */
  valueAt(name, step) {
    const column = this.#columns.get(name);
    if (!column) return NaN;
    let i = nearest(this.#steps.subarray(0, this.#length), step);
    while (i > 0 && Number.isNaN(column[i])) i--;
    return i < 0 ? NaN : column[i];
  }

  /**
   * Whether a step is stored exactly, not in a stretch thinned by this store or by the server. Such stretches have
   * at most four rows in a row.
   * @param {number} step
   */
  has(step) {
    const i = nearest(this.#steps.subarray(0, this.#length), step);
    if (i < 0 || this.#steps[i] !== step) return false;
    const first = Math.max(0, i - 2);
    const last = Math.min(this.#length - 1, i + 2);
    return this.#steps[last] - this.#steps[first] === last - first;
  }

  /**
   * Add a batch. Steps up to `lastStep` are already here (a replay after a reconnect) and are passed over.
   * @param {ScalarsFrame} frame  `step` (n,) int64, ascending, and one float32 (n,) per name
   */
  append(frame) {
    const { step, ...tensors } = frame.tensors;
    const steps = /** @type {BigInt64Array} */ (step.data);
    const last = BigInt(this.lastStep);
    let from = 0;
    while (from < steps.length && steps[from] <= last) from++;
    while (from < steps.length) {
      if (this.#length >= this.#limit) this.#thin();
      const to = Math.min(steps.length, from + this.#limit - this.#length);
      this.#reserve(this.#length + to - from);
      for (let i = from; i < to; i++) this.#steps[this.#length + i - from] = Number(steps[i]);
      for (const [name, tensor] of Object.entries(tensors)) {
        this.#write(name, /** @type {Float32Array} */ (tensor.data).subarray(from, to));
      }
      this.#length += to - from;
      from = to;
    }
  }

  /**
   * Views of the stored columns, valid until the next `append`.
   * @param {string[]} names  one never seen is all NaN
   * @returns {{steps: Float64Array, values: Float32Array[]}} each of `length`
   */
  columns(names) {
    const values = names.map(
      (name) =>
        this.#columns.get(name)?.subarray(0, this.#length) ?? new Float32Array(this.#length).fill(NaN),
    );
    return { steps: this.#steps.subarray(0, this.#length), values };
  }

  /**
   * @param {string} name
   * @param {Float32Array} values
   */
  #write(name, values) {
    let column = this.#columns.get(name);
    if (!column) this.#columns.set(name, (column = new Float32Array(this.#steps.length).fill(NaN)));
    column.set(values, this.#length);
    const latest = values.findLast(Number.isFinite);
    if (latest !== undefined) this.#latest.set(name, latest);
  }

  /** @param {number} length */
  #reserve(length) {
    if (length <= this.#steps.length) return;
    const capacity = Math.min(this.#limit, Math.max(length, this.#steps.length * 2));
    const steps = new Float64Array(capacity);
    steps.set(this.#steps);
    this.#steps = steps;
    for (const [name, old] of this.#columns) {
      const column = new Float32Array(capacity).fill(NaN, old.length);
      column.set(old);
      this.#columns.set(name, column);
    }
  }

  #thin() {
    const half = this.#length >> 1;
    const bins = half >> 2; // two rows each: the half becomes a quarter
    const span = this.#steps[half - 1] - this.#steps[0];
    while (span / this.#width > bins - 1) this.#width *= 2;
    const columns = [...this.#columns.values()];
    const kept = thin(this.#steps, columns, half, this.#width, this.#steps, columns);
    this.#steps.copyWithin(kept, half, this.#length);
    for (const column of columns) {
      column.copyWithin(kept, half, this.#length);
      column.fill(NaN, kept + this.#length - half);
    }
    this.#length -= half - kept;
    this.#thinnings++;
  }
}

/** @type {Int32Array} where each bin begins; grows to the largest use */
let bounds = new Int32Array(FIRST_CAPACITY);

/**
 * Keep at most two rows for each `width` steps: in every column the bin's minimum and maximum, in the order in which
 * they occurred; finite numbers replace those that are not. A bin of one or two rows is kept as it is. `out…` may be the input.
 * @param {Float64Array} steps  ascending
 * @param {Float32Array[]} columns
 * @param {number} count  how many rows to read
 * @param {number} width  bins are [i·width, (i + 1)·width)
 * @param {Float64Array} outSteps  room for `count` rows, or 2 × the number of bins
 * @param {Float32Array[]} outColumns
 * @param {number} [floor]  only values above it count: 0 for a log axis
 * @returns {number} rows written
 */
export function thin(steps, columns, count, width, outSteps, outColumns, floor = -Infinity) {
  if (bounds.length < count + 1) bounds = new Int32Array(2 * count + 1);
  let bins = 0;
  let end = -Infinity;
  for (let i = 0; i < count; i++) {
    if (steps[i] < end) continue;
    bounds[bins++] = i;
    end = (Math.floor(steps[i] / width) + 1) * width;
  }
  bounds[bins] = count;
  columns.forEach((column, c) => thinColumn(column, bins, outColumns[c], floor));
  let rows = 0;
  for (let b = 0; b < bins; b++) {
    const last = bounds[b + 1] - 1;
    outSteps[rows++] = steps[bounds[b]];
    if (last > bounds[b]) outSteps[rows++] = steps[last];
  }
  return rows;
}

/**
 * @param {Float32Array} column
 * @param {number} bins
 * @param {Float32Array} out
 * @param {number} floor
 */
function thinColumn(column, bins, out, floor) {
  let rows = 0;
  for (let b = 0; b < bins; b++) {
    const first = bounds[b];
    const end = bounds[b + 1];
    if (end - first <= 2) {
      for (let i = first; i < end; i++) out[rows++] = column[i];
      continue;
    }
    let low = Infinity;
    let high = -Infinity;
    let lowAt = -1;
    let highAt = -1;
    for (let i = first; i < end; i++) {
      const value = column[i];
      if (!(value > floor && value < Infinity)) continue; // NaN, too
      if (value < low) {
        low = value;
        lowAt = i;
      }
      if (value >= high) {
        high = value;
        highAt = i;
      }
    }
    if (lowAt === highAt) {
      const early = lowAt >= 0 && lowAt - first < end - lowAt;
      out[rows++] = early ? low : NaN;
      out[rows++] = lowAt < 0 || early ? NaN : low;
    } else {
      out[rows++] = lowAt < highAt ? low : high;
      out[rows++] = lowAt < highAt ? high : low;
    }
  }
}

/**
 * Exponential moving average without the bias of its start; on a log axis of the values' logarithms, where one spike does
 * not lift the curve for a hundred steps:
 *
 *     s_t = w·s_{t−1} + (1 − w)·x_t,  s_0 = 0;   result_t = s_t / (1 − w^t)
 *
 * where t counts the finite values only. A value that is not finite, or has no logarithm, stays in its place and does not
 * enter the average.
 */
export class Smoother {
  #weight;
  #log;
  #sum = 0;
  #missing = 1; // w^t

  /**
   * @param {number} weight  w, 0 (no smoothing) … < 1
   * @param {boolean} [log]
   */
  constructor(weight, log = false) {
    this.#weight = weight;
    this.#log = log;
  }

  /**
   * Smooth `values[from…]` into the same places of `out`, continuing from the previous call.
   * @param {ArrayLike<number>} values
   * @param {Float32Array} out
   * @param {number} from
   */
  run(values, out, from) {
    const weight = this.#weight;
    const log = this.#log;
    let sum = this.#sum;
    let missing = this.#missing;
    for (let i = from; i < values.length; i++) {
      const value = values[i];
      if (value - value === 0 && (!log || value > 0)) {
        sum = weight * sum + (1 - weight) * (log ? Math.log(value) : value);
        missing *= weight;
        const mean = sum / (1 - missing);
        out[i] = log ? Math.exp(mean) : mean;
      } else {
        out[i] = value; // NaN or ±∞, or not positive
      }
    }
    this.#sum = sum;
    this.#missing = missing;
  }
}

/**
 * All of `values` smoothed; see `Smoother`.
 * @param {ArrayLike<number>} values
 * @param {number} weight
 * @param {boolean} [log]
 * @returns {Float32Array}
 */
export function smooth(values, weight, log = false) {
  const out = new Float32Array(values.length);
  new Smoother(weight, log).run(values, out, 0);
  return out;
}

/**
 * How many steps are at or before `step`.
 * @param {ArrayLike<number>} steps  ascending
 * @param {number} step
 */
export function after(steps, step) {
  const i = nearest(steps, step);
  return i < 0 || steps[i] > step ? Math.max(0, i) : i + 1;
}

/**
 * The index of the step nearest to `step`, −1 when there are none.
 * @param {ArrayLike<number>} steps  ascending
 * @param {number} step
 */
export function nearest(steps, step) {
  let low = 0;
  let high = steps.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step) low = middle + 1;
    else high = middle;
  }
  return low > 0 && step - steps[low - 1] <= steps[low] - step ? low - 1 : steps.length ? low : -1;
}
