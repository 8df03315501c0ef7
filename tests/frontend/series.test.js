import { describe, expect, test } from 'vitest';
import { lone } from '../../frontend/src/charts/uplot.js';
import { Curves, cut, drawable, endsOf, logNote, signs } from '../../frontend/src/charts/curves.js';
import { ScalarStore, after, nearest, smooth, thin } from '../../frontend/src/lib/series.js';

/**
 * @param {number[]} steps
 * @param {Record<string, number[]>} columns
 * @returns {import('../../frontend/src/lib/types.js').ScalarsFrame}
 */
function scalars(steps, columns) {
  /** @type {Record<string, any>} */
  const tensors = {
    step: { shape: [steps.length], data: BigInt64Array.from(steps, BigInt) },
  };
  for (const [name, values] of Object.entries(columns)) {
    tensors[name] = { shape: [values.length], data: Float32Array.from(values) };
  }
  return {
    type: 'scalars',
    run: 'r',
    seq: 1,
    step: 0,
    panel: '',
    kind: '',
    meta: {},
    tensors,
  };
}

const range = (/** @type {number} */ from, /** @type {number} */ to) =>
  Array.from({ length: to - from }, (_, i) => from + i);
const lists = (/** @type {ScalarStore} */ store, /** @type {string[]} */ names) => {
  const { steps, values } = store.columns(names);
  return { steps: [...steps], values: values.map((column) => [...column]) };
};

describe('ScalarStore', () => {
  test('is empty at first', () => {
    const store = new ScalarStore();
    expect(store.lastStep).toBe(-1);
    expect(store.latest('loss')).toBeNaN();
    expect(lists(store, ['loss'])).toEqual({ steps: [], values: [[]] });
  });

  test('puts frames one after the other', () => {
    const store = new ScalarStore();
    store.append(scalars([0, 1], { loss: [3, 2] }));
    store.append(scalars([2], { loss: [1] }));
    expect(lists(store, ['loss'])).toEqual({
      steps: [0, 1, 2],
      values: [[3, 2, 1]],
    });
    expect(store.lastStep).toBe(2);
    expect(store.names).toEqual(['loss']);
  });

  test('fills with NaN where a name came later, stayed away, or was never seen', () => {
    const store = new ScalarStore();
    store.append(scalars([0], { loss: [3] }));
    store.append(scalars([1], { acc: [0.5] }));
    store.append(scalars([2], { loss: [1] }));
    expect(lists(store, ['loss', 'acc', 'never']).values).toEqual([
      [3, NaN, 1],
      [NaN, 0.5, NaN],
      [NaN, NaN, NaN],
    ]);
  });

  test('a replay after a reconnect duplicates nothing, and what is new in it is taken', () => {
    const store = new ScalarStore();
    store.append(scalars([0, 1, 2], { loss: [3, 2, 1] }));
    store.append(scalars([1, 2, 3], { loss: [2, 1, 0] }));
    store.append(scalars([0, 1], { loss: [9, 9] }));
    expect(lists(store, ['loss'])).toEqual({
      steps: [0, 1, 2, 3],
      values: [[3, 2, 1, 0]],
    });
  });

  test('the latest value is the last finite one', () => {
    const store = new ScalarStore();
    store.append(scalars([0, 1, 2], { loss: [3, 2, NaN], gone: [NaN, NaN, NaN] }));
    store.append(scalars([3], { loss: [Infinity] }));
    expect(store.latest('loss')).toBe(2);
    expect(store.latest('gone')).toBeNaN();
  });

  test('an empty frame changes nothing', () => {
    const store = new ScalarStore();
    store.append(scalars([], { loss: [] }));
    expect(store.length).toBe(0);
  });

  test('grows past its first capacity without losing a value', () => {
    const store = new ScalarStore();
    for (let from = 0; from < 5000; from += 50) store.append(scalars(range(from, from + 50), { step2: range(from, from + 50).map((s) => s * 2) })); // prettier-ignore
    const { steps, values } = store.columns(['step2']);
    expect(steps).toHaveLength(5000);
    expect(values[0].every((value, i) => value === 2 * steps[i])).toBe(true);
  });
});

test('a value at a step is the last one measured', () => {
  const store = new ScalarStore();
  store.append(scalars([4, 5, 6, 7], { a: [1, NaN, NaN, 4] }));
  expect([3, 4, 6, 7, 99].map((step) => store.valueAt('a', step))).toEqual([1, 1, 1, 4, 4]);
  expect(store.valueAt('b', 5)).toBeNaN();
  expect(new ScalarStore().valueAt('a', 0)).toBeNaN();
});

describe('a long run', () => {
  const limit = 256;
  const spikes = new Map([[11, 50], [12, -50], [1000, 70], [3333, -70]]); // prettier-ignore
  const total = 6000;
  const store = new ScalarStore(limit);
  for (let from = 0; from < total; from += 7) {
    const steps = range(from, Math.min(total, from + 7));
    store.append(
      scalars(steps, {
        loss: steps.map((s) => spikes.get(s) ?? Math.sin(s)),
        other: steps.map((s) => (s === 1001 ? 99 : Math.cos(s))),
        sparse: steps.map((s) => (s % 100 === 0 ? s : NaN)),
      }),
    );
  }
  const { steps, values } = store.columns(['loss', 'other', 'sparse']);

  test('stays within its limit', () => {
    expect(store.length).toBeLessThanOrEqual(limit);
    expect(store.length).toBeGreaterThan(limit / 2);
  });

  test('keeps the newest half exactly', () => {
    const recent = range(total - limit / 2, total);
    expect([...steps.slice(-limit / 2)]).toEqual(recent);
    expect([...values[0].slice(-limit / 2)]).toEqual([...Float32Array.from(recent, Math.sin)]);
  });

  test('keeps the steps in order and the first one', () => {
    expect(steps[0]).toBe(0);
    expect(store.lastStep).toBe(total - 1);
    for (let i = 1; i < steps.length; i++) expect(steps[i]).toBeGreaterThan(steps[i - 1]);
  });

  test('keeps the spikes of every column, close to where they were', () => {
    for (const [step, value] of [[11, 50], [12, -50], [1000, 70], [3333, -70]]) {
      const i = values[0].indexOf(value);
      expect(i).toBeGreaterThanOrEqual(0);
      expect(Math.abs(steps[i] - step)).toBeLessThan(256);
    } // prettier-ignore
    expect(values[1].indexOf(99)).toBeGreaterThanOrEqual(0);
  });

  test('covers the past evenly, not only its end', () => {
    const quarter = (/** @type {number} */ q) =>
      steps.filter((s) => s >= (q * total) / 4 && s < ((q + 1) * total) / 4).length;
    expect(quarter(0)).toBeGreaterThan(10);
    expect(quarter(1)).toBeGreaterThan(10);
  });

  test('keeps values that are measured only now and then', () => {
    expect(values[2].filter(Number.isFinite).length).toBeGreaterThan(30);
  });

  test('says that its rows have moved', () => {
    expect(store.thinnings).toBeGreaterThan(0);
  });
});

test('a step is here or in a stretch that was thinned', () => {
  const rows = [0, 1, 3, 4, 5, 7, 8, 9, 10, 11, 12];
  const store = new ScalarStore();
  store.append(scalars(rows, { a: rows }));
  expect(range(0, 14).filter((step) => store.has(step))).toEqual([9, 10, 11, 12]);
});

test('of a long run the steps that are thinned are known to be', () => {
  const store = new ScalarStore(64);
  for (let from = 0; from < 1000; from += 10)
    store.append(scalars(range(from, from + 10), { a: range(from, from + 10) }));
  const { steps } = store.columns(['a']);
  expect(store.has(999)).toBe(true);
  expect(steps.slice(0, 8).some((step) => store.has(step))).toBe(false);
});

describe('thin', () => {
  /**
   * @param {number[]} steps
   * @param {number[]} column
   * @param {number} width
   * @param {number} [floor]
   */
  function thinned(steps, column, width, floor) {
    const out = new Float64Array(steps.length);
    const values = new Float32Array(steps.length);
    const rows = thin(
      Float64Array.from(steps),
      [Float32Array.from(column)],
      steps.length,
      width,
      out,
      [values],
      floor,
    );
    return [[...out.subarray(0, rows)], [...values.subarray(0, rows)]];
  }

  test('leaves bins of one or two rows alone', () => {
    expect(thinned([0, 1, 4, 9], [5, NaN, 7, 8], 4)).toEqual([[0, 1, 4, 9], [5, NaN, 7, 8]]); // prettier-ignore
  });

  test('keeps the extremes of a bin in the order in which they came', () => {
    expect(thinned([0, 1, 2, 3], [2, 1, 9, 3], 4)).toEqual([[0, 3], [1, 9]]); // prettier-ignore
    expect(thinned([0, 1, 2, 3], [2, 9, 1, 3], 4)).toEqual([[0, 3], [9, 1]]); // prettier-ignore
  });

  test('keeps a lone value on its side of the bin', () => {
    expect(thinned([0, 1, 2, 3], [NaN, 6, NaN, NaN], 4)[1]).toEqual([6, NaN]);
    expect(thinned([0, 1, 2, 3], [NaN, NaN, NaN, 6], 4)[1]).toEqual([NaN, 6]);
  });

  test('prefers any number to NaN and infinity, and on a log axis any positive one', () => {
    expect(thinned([0, 1, 2], [NaN, Infinity, 4], 4)[1]).toEqual([NaN, 4]);
    expect(thinned([0, 1, 2], [NaN, NaN, NaN], 4)[1]).toEqual([NaN, NaN]);
    expect(thinned([0, 1, 2, 3], [-1, 0, 4, 5], 4, 0)[1]).toEqual([4, 5]);
  });
});

describe('smooth', () => {
  test('with weight 0 returns the values', () => {
    expect([...smooth([3, 1, 2], 0)]).toEqual([3, 1, 2]);
  });

  test('is the weighted mean of all values so far, weights w^age', () => {
    const values = [3, 1, 4, 1, 5];
    const w = 0.8;
    const result = smooth(values, w);
    values.forEach((_, t) => {
      const weights = range(0, t + 1).map((i) => w ** (t - i));
      const mean =
        weights.reduce((sum, weight, i) => sum + weight * values[i], 0) / weights.reduce((a, b) => a + b);
      expect(result[t]).toBeCloseTo(mean, 5);
    });
  });

  test('leaves a constant as it is from the first value on', () => {
    for (const value of smooth(new Array(50).fill(2), 0.99)) expect(value).toBeCloseTo(2, 5);
  });

  test('passes over what is not finite', () => {
    const result = smooth([1, NaN, 3, Infinity, 3], 0.5);
    const without = smooth([1, 3, 3], 0.5);
    expect([result[0], result[2], result[4]]).toEqual([...without]);
    expect(result[1]).toBeNaN();
    expect(result[3]).toBe(Infinity);
  });
});

test.each([
  [[], 3, -1],
  [[5], 3, 0],
  [[0, 10, 20], 4, 0],
  [[0, 10, 20], 6, 1],
  [[0, 10, 20], 99, 2],
  [[0, 10, 20], -5, 0],
])('in %j the step nearest to %i is at %i', (steps, step, index) => {
  expect(nearest(steps, step)).toBe(index);
});

describe('what a chart draws', () => {
  test('joins what was not measured and ends at what has no place', () => {
    expect(drawable([1, NaN, 2, Infinity, -2, 0], false, [])).toStrictEqual([1, undefined, 2, null, -2, 0]);
    expect(drawable([1, NaN, 2, Infinity, -2, 0], true, [])).toStrictEqual([
      1,
      undefined,
      2,
      null,
      null,
      null,
    ]);
    expect(drawable([1, NaN, 2], false, [], null)).toStrictEqual([1, null, 2]);
  });

  test('has a gap as wide as the next numbers on both sides', () => {
    expect(drawable([1, NaN, Infinity, NaN, NaN, 5], false, [])).toStrictEqual([
      1,
      null,
      null,
      null,
      null,
      5,
    ]);
  });

  const steps = range(0, 8);
  const ends = endsOf([
    { code: 'non-finite', step: 5, params: { scalars: { a: 'NaN' } } },
    { code: 'out', step: 3, params: { racer: 'SGD', at: 3 } },
    { code: 'stuck', step: 1, params: {} },
  ]);

  test('ends where a scalar became NaN, which is marked', () => {
    const out = drawable([5, NaN, NaN, 4, NaN, NaN, NaN, NaN], false, []);
    expect(cut(steps, out, 'a', ends)).toEqual([3]);
    expect(out).toStrictEqual([5, undefined, undefined, 4, null, null, null, null]);
  });

  test('ends where a racer left, and is not joined with its return', () => {
    const out = drawable([5, 4, 9, NaN, NaN, NaN, 1, 1], false, []);
    expect(cut(steps, out, 'b', ends)).toEqual([2]);
    expect(out).toStrictEqual([5, 4, 9, null, null, null, 1, 1]);
  });

  test('goes on where another scalar ended, and where one is measured rarely', () => {
    const whole = drawable([8, 7, 6, 5, 4, 3, 2, 1], false, []);
    expect(cut(steps, whole, 'b', ends)).toEqual([]);
    const rare = drawable([8, NaN, 6, NaN, NaN, 3, NaN, 1], false, []);
    expect(cut(steps, rare, 'b', ends)).toEqual([]);
    expect(rare).not.toContain(null);
  });

  test('shows as points the values that no line reaches', () => {
    const at = (/** @type {any[]} */ values) => lone(/** @type {any} */ ({ data: [[], values] }), 1);
    expect(at([1, undefined, 2, null, 3, null, undefined, 4])).toEqual([4, 7]);
    expect(at([1, 2])).toBeNull();
  });
});

describe('a log axis', () => {
  test('says how many values have no place on it', () => {
    expect(signs([[1, 0, -2, NaN, -Infinity], [3]])).toEqual({
      positive: 2,
      rest: 2,
    });
    expect([logNote(2, 0), logNote(2, 3), logNote(0, 3), logNote(0, 0)]).toEqual(
      ['', 'scalars.unplaced', 'scalars.linear', ''], // prettier-ignore
    );
  });

  test('counts values as they come, each once', () => {
    const store = new ScalarStore();
    const curves = new Curves(store, ['a', 'b'], 0, 16, true);
    for (let from = 0; from < 300; from += 7) {
      const steps = range(from, Math.min(300, from + 7));
      store.append(scalars(steps, { a: steps.map((s) => s - 3), b: steps.map(() => NaN) }));
      curves.update();
    }
    expect(curves.signs).toEqual([{ positive: 296, rest: 4 }, { positive: 0, rest: 0 }]); // prettier-ignore
  });

  test('has its curves smoothed in the logarithm: a spike is soon over', () => {
    const values = [100, ...new Array(40).fill(0.01)];
    const store = new ScalarStore();
    store.append(scalars(range(0, 41), { a: values }));
    const [, smoothed] = new Curves(store, ['a'], 0.9, 100, true).update().values;
    expect(smoothed[20] / 0.01).toBeGreaterThan(1);
    expect(smoothed[20] / 0.01).toBeLessThan(1.14);
    expect(smooth([1, 0, 100], 0.5, true)[1]).toBe(0);
    expect(smooth([1, 0, 100], 0.5, true)[2]).toBeCloseTo(100 ** (2 / 3), 3);
  });
});

describe('Curves', () => {
  const value = (/** @type {number} */ s) => Math.sin(s / 40) + (s === 4321 ? 9 : 0);
  const grow = (/** @type {ScalarStore} */ store, /** @type {number} */ from, /** @type {number} */ to) =>
    store.append(
      scalars(range(from, to), {
        a: range(from, to).map(value),
        b: range(from, to),
      }),
    );

  test('show every point while there are pixels for it', () => {
    const store = new ScalarStore();
    grow(store, 0, 50);
    const { steps, values } = new Curves(store, ['b'], 0, 100).update();
    expect([...steps]).toEqual(range(0, 50));
    expect([...values[0]]).toEqual(range(0, 50));
  });

  test('never have more than two rows a pixel, and keep spikes', () => {
    const store = new ScalarStore();
    const curves = new Curves(store, ['a', 'b'], 0, 100);
    for (let from = 0; from < 10_000; from += 13) {
      grow(store, from, from + 13);
      expect(curves.update().steps.length).toBeLessThanOrEqual(200);
    }
    const { steps, values } = curves.update();
    expect(Math.max(...values[0])).toBeGreaterThan(8.9);
    expect(steps.at(-1)).toBe(store.lastStep);
  });

  test.each([0, 0.9])('come out the same bit by bit or all at once (smoothing %d)', (weight) => {
    const store = new ScalarStore();
    const followed = new Curves(store, ['a', 'b'], weight, 64);
    for (let from = 0; from < 7000; from += 11) {
      grow(store, from, from + 11);
      followed.update();
    }
    expect(followed.update()).toEqual(new Curves(store, ['a', 'b'], weight, 64).update());
  });

  test('tell the least and the greatest of what is drawn in one place', () => {
    const store = new ScalarStore();
    const curves = new Curves(store, ['a', 'b'], 0, 100);
    grow(store, 0, 10_000);
    curves.update();
    const at = Math.floor(4321 / 128) * 128;
    const [low, high] = curves.between(0, at);
    expect(high).toBe(Math.fround(value(4321)));
    expect(low).toBe(Math.min(...range(at, at + 128).map((s) => Math.fround(value(s)))));
    expect(curves.between(1, 9_999)).toEqual([9_984, 9_999]);
  });

  test('tell the one value that is drawn in a place', () => {
    const store = new ScalarStore();
    const curves = new Curves(store, ['b'], 0, 100);
    grow(store, 0, 50);
    curves.update();
    expect(curves.between(0, 7)).toEqual([7, 7]);
    expect(new Curves(new ScalarStore(), ['b'], 0, 100).between(0, 7)).toEqual([NaN, NaN]);
  });

  test('have the smoothed columns behind the raw ones', () => {
    const store = new ScalarStore();
    grow(store, 0, 30);
    const { values } = new Curves(store, ['a', 'b'], 0.5, 100).update();
    expect(values).toHaveLength(4);
    expect([...values[3]]).toEqual([...smooth(range(0, 30), 0.5)]);
  });

  test('are stale once the store has moved its rows', () => {
    const store = new ScalarStore(64);
    const curves = new Curves(store, ['a'], 0, 16);
    grow(store, 0, 60);
    curves.update();
    expect(curves.stale).toBe(false);
    grow(store, 60, 100);
    expect(curves.stale).toBe(true);
  });
});

test('steps up to one are counted, that one included', () => {
  const counts = [-1, 0, 1, 3, 4, 9, 10].map((step) => after([0, 4, 9], step));
  expect(counts).toEqual([0, 1, 1, 1, 2, 3, 3]);
  expect(after([], 3)).toBe(0);
});
