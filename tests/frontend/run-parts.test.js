import { describe, expect, it } from 'vitest';
import { knobsOf, presetWith } from '../../frontend/src/lib/presets.js';
import { CommandQueue } from '../../frontend/src/lib/run/queue.js';
import { Speed } from '../../frontend/src/lib/run/speed.js';
import { Compared } from '../../frontend/src/lib/session/compared.svelte.js';

describe('the speed', () => {
  it('is known after a quarter of a second, and forgets what was longer ago', () => {
    const speed = new Speed();
    expect([speed.at(0, 0), speed.at(10, 100)]).toEqual([null, null]);
    expect(speed.at(30, 300)).toBeCloseTo(100);
    for (let time = 1000; time <= 3000; time += 100) speed.at(30 + (time - 1000) / 2, time);
    expect(speed.at(1080, 3100)).toBeCloseTo(500);
    speed.reset();
    expect(speed.at(1090, 3200)).toBeNull();
  });
});

describe('commands that wait', () => {
  it('are the last of each kind, and all steps', () => {
    const queue = new CommandQueue();
    for (const type of /** @type {const} */ (['pause', 'resume'])) queue.add({ type });
    queue.add({ type: 'step', steps: 3 });
    queue.add({ type: 'step', steps: 1 });
    expect(queue.take()).toEqual([{ type: 'resume' }, { type: 'step', steps: 4 }]);
    expect(queue.take()).toEqual([]);
  });
});

describe('a preset', () => {
  const experiment = /** @type {any} */ ({
    knobs: { properties: { lr: { default: 0.1 }, layers: { default: 2 } } },
    presets: [
      { id: 'wild', knobs: { lr: 5 } },
      { id: 'deep', knobs: { layers: 9 } },
    ],
  });

  it('is its knobs over the defaults', () => {
    expect(knobsOf(experiment, experiment.presets[0])).toEqual({ lr: 5, layers: 2 });
  });

  it('is known by all of its knobs', () => {
    expect(presetWith(experiment, { lr: 0.1, layers: 9 })).toBe('deep');
    expect(presetWith(experiment, { lr: 5, layers: 9 })).toBe('');
  });
});

describe('compared runs', () => {
  const runOf = (/** @type {string} */ id) => /** @type {any} */ ({ id, closed: 0, close: function () { this.closed++; } }); // prettier-ignore

  it('take the first free place; one that leaves is closed, and no longer beside', () => {
    const compared = new Compared();
    const [a, b, c] = ['a', 'b', 'c'].map(runOf);
    for (const run of [a, b]) compared.add(run);
    compared.beside = a;
    compared.remove(a);
    compared.add(c);
    expect(compared.ids).toEqual(['b', 'c']);
    expect([b.place, c.place, a.closed, b.closed, compared.beside]).toEqual([2, 1, 1, 0, null]);
    compared.keep([]);
    expect([b.closed, c.closed, compared.full]).toEqual([1, 1, false]);
  });
});
