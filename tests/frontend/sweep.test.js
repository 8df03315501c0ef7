import { describe, expect, it } from 'vitest';
import {
  around,
  best,
  breaks,
  edgeOf,
  reach,
  read,
  results,
  seriesFor,
  sweepable,
} from '../../frontend/src/lib/sweep.js';
import { unpackAll } from '../../frontend/src/lib/wire.js';

/**
 * A frame of variants with these values and losses; a curve of fewer numbers than the longest has diverged.
 * @param {{knobs: Record<string, any>, losses: number[], order?: number}[]} variants
 */
function frameOf(variants) {
  const length = Math.max(...variants.map(({ losses }) => losses.length));
  const losses = new Float32Array(variants.length * length).fill(NaN);
  variants.forEach((variant, i) => losses.set(variant.losses, i * length));
  return /** @type {any} */ ({
    type: 'sweep',
    run: 'r',
    step: 40,
    final: true,
    meta: {
      knob: 'lr',
      steps: length,
      series: ['loss/train'],
      batched: 0,
      variants: variants.map(({ knobs, order = 0 }) => ({ knobs, order })),
    },
    tensors: {
      losses: { shape: [1, variants.length, length], data: losses },
      taken: { shape: [variants.length], data: Int32Array.from(variants, ({ losses: l }) => l.length) },
      diverged: {
        shape: [variants.length],
        data: Uint8Array.from(variants, ({ losses: l }) => Number(l.length < length)),
      },
    },
  });
}

const rates = (/** @type {[number, number[]][]} */ ...rows) =>
  frameOf(rows.map(([lr, losses]) => ({ knobs: { lr }, losses })));

describe('a sweep', () => {
  const frame = rates(
    [0.01, [1, 1, 1, 1, 1]],
    [0.1, [1, 0.8, 0.6, 0.4, 0.2]],
    [1, [1, 9, 9, 9, 9]],
    [10, [1, 50]],
  );

  it('tells what each value led to, and nothing for one that diverged', () => {
    expect(read(frame).curves.map((curve) => curve.result)).toEqual([1, expect.closeTo(0.2), 9, NaN]);
    expect(read(frame).curves.map((curve) => curve.diverged)).toEqual([false, false, false, true]);
  });

  it('counts the steps of a curve that diverged as done', () => {
    expect(read(frame)).toMatchObject({ done: 20, total: 20 });
  });

  it('finds the best value and the first one above it that is worse than standing still', () => {
    expect(best(read(frame))?.value).toBe(0.1);
    expect(breaks(read(frame))).toBe(1);
  });

  it('does not take a little scatter on a plateau for breaking', () => {
    const flat = rates([0.01, [1, 1, 1, 1, 1]], [0.1, [1, 1, 1, 1, 0.99]], [1, [1, 1, 1, 1, 1.01]]);
    expect(breaks(read(flat))).toBe(null);
  });

  it('has a line per optimizer, averaged over orders', () => {
    const sweep = read(
      frameOf([
        { knobs: { lr: 0.1, optimizer: 'sgd' }, losses: [1] },
        { knobs: { lr: 0.1, optimizer: 'sgd' }, order: 1, losses: [3] },
        { knobs: { lr: 0.1, optimizer: 'adam' }, losses: [5] },
        { knobs: { lr: 0.2, optimizer: 'adam' }, losses: [7] },
      ]),
    );
    expect(sweep.groups.map((group) => group.others.optimizer)).toEqual(['sgd', 'adam']);
    expect(results(sweep)).toEqual({
      x: [0.1, 0.2],
      rows: [
        [2, null],
        [5, 7],
      ],
    });
  });

  it('says that a series which stops has diverged, and not one that is measured now and then', () => {
    const gone = read(rates([0.1, [1, 2, NaN, NaN]], [0.2, [1, 1, 1, 1]]));
    expect(gone.curves[0]).toMatchObject({ diverged: true, taken: 2 });
    const seldom = read(rates([0.1, [1, NaN, 1, NaN]], [0.2, [1, NaN, 1, NaN]]));
    expect(seldom.curves[0]).toMatchObject({ diverged: false, taken: 4, result: NaN });
  });

  it('shows many decades on a logarithmic axis, and cuts off what flies away', () => {
    expect(reach(read(rates([0.1, [1, 1e-1, 1e-4]], [1, [1, 1e6, 1e9]])))).toMatchObject({
      log: true,
      high: 100,
    });
    expect(reach(read(rates([0.1, [1, 0.9]], [1, [1, 90]])))).toMatchObject({ log: false, high: 2.5 });
    const lucky = [0.1, 0.2, 0.3].map((lr) => /** @type {[number, number[]]} */ ([lr, [0.1, 1, 1, 1, 1, 1]]));
    expect(reach(read(rates(...lucky))).high).toBeGreaterThan(0.7); // the first mini-batch was an easy one
  });
});

describe('where the best value lies', () => {
  const falling = (/** @type {number} */ to) => [1, 1, 1, 1, to];
  it('is said where it is the first or the last one tried, for a better one may lie beyond', () => {
    const sweepOf = (/** @type {number[]} */ ...results) =>
      read(rates(...results.map((to, i) => /** @type {[number, number[]]} */ ([10 ** i, falling(to)]))));
    expect(edgeOf(sweepOf(0.3, 0.2, 0.1))).toBe('high');
    expect(edgeOf(sweepOf(0.1, 0.2, 0.3))).toBe('low');
    expect(edgeOf(sweepOf(0.3, 0.1, 0.2))).toBe('');
    expect(edgeOf(sweepOf(0.3, 0.1))).toBe('');
    expect(edgeOf(sweepOf(0.3, 0.2, NaN))).toBe('');
  });
  it('is never where there is no number', () => {
    expect(best(read(rates([1, falling(NaN)], [2, falling(0.5)], [3, [1, NaN]])))?.value).toBe(2);
    expect(best(read(rates([1, [NaN]], [2, [NaN]])))).toBeNull();
  });
});

describe('what is proposed', () => {
  const lr = { minimum: 1e-5, maximum: 10, 'x-log': true };
  it('is a hundredth to a hundred times the present value, within the range', () => {
    expect(around(/** @type {any} */ (lr), 0.03)).toEqual([3e-4, 3]);
    expect(around(/** @type {any} */ (lr), 1)).toEqual([0.01, 10]);
    expect(around(/** @type {any} */ ({ minimum: 0, maximum: 0.9 }), 0.5)).toEqual([0, 0.9]);
  });

  it('are live numbers, learning rates first', () => {
    const number = { 'x-live': true, type: 'number' };
    const found = sweepable({
      momentum: number,
      optimizer: { 'x-live': true, enum: ['sgd'] },
      width: { 'x-live': false, type: 'integer' },
      lr_g: { ...number, 'x-role': 'rate' },
    });
    expect(found).toEqual(['lr_g', 'momentum']);
  });

  it('is the loss that the rate is about', () => {
    expect(seriesFor(['loss/d', 'loss/g'], 'lr_g')).toBe(1);
    expect(seriesFor(['loss/train'], 'lr')).toBe(0);
  });
});

describe('frames that are still coming', () => {
  it('are told one by one, wherever the body is cut', async () => {
    const header = new TextEncoder().encode(
      JSON.stringify({ __metadata__: { type: 'sweep', run: 'r', final: '1' } }),
    );
    const one = new Uint8Array(12 + header.length);
    new DataView(one.buffer).setUint32(0, 8 + header.length, true);
    new DataView(one.buffer).setBigUint64(4, BigInt(header.length), true);
    one.set(header, 12);
    const bytes = new Uint8Array([...one, ...one]);
    for (const size of [1, 7, one.length, 1000]) {
      const body = new ReadableStream({
        start(controller) {
          for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
          controller.close();
        },
      });
      const found = [];
      for await (const frame of unpackAll(body)) found.push(frame.final);
      expect(found).toEqual([true, true]);
    }
  });
});
