import { describe, expect, it } from 'vitest';
import {
  FARTHEST,
  LONGEST,
  MOST_CHANGES,
  addressOf,
  readLink,
  recipeOf,
  written,
} from '../../frontend/src/lib/link.js';

const experiment = {
  knobs: {
    properties: {
      lr: { default: 0.1, 'x-live': true },
      word: { default: 'a', 'x-live': true },
      layers: { default: [8], 'x-live': false },
    },
  },
};
const LINK = {
  ...{ run: 'abc', seed: 7, device: 'cpu', knobs: {}, changes: [], step: 500, paused: true, group: '' },
  ...{ panels: [], story: '', challenge: '', question: '', lang: 'ko' },
};

/** What is read from the address of a link. */
const readBack = (link) => {
  const { lang: _, ...read } = link;
  const address = addressOf('lab', link);
  return [readLink(new URL(address ?? '', 'http://here').searchParams), read];
};
/** The reason for which a link is refused. */
const refused = (text) => {
  try {
    readLink(new URLSearchParams(text));
  } catch (error) {
    return error.code === 'bad-link' ? error.params.reason : error;
  }
  return 'read';
};

describe('a link', () => {
  it('is read as it was written', () => {
    const values = [
      0.1,
      -3e-7,
      1e21,
      true,
      false,
      'adam',
      'true',
      'null',
      '1',
      '',
      'a*b &=?#%+"\\',
      '한글',
      null,
    ];
    const nested = [
      [1, 2],
      { kind: 'dense', units: 3 },
      [{ kind: 'a*b' }],
      { lr: { kind: 'cosine', start: 4 } },
    ];
    const knobs = Object.fromEntries([...values, ...nested].map((value, i) => [`knob_${i}`, value]));
    const link = {
      ...LINK,
      knobs,
      changes: [
        { step: 0, knobs: { lr: 0.3 } },
        { step: 120, knobs: { lr: 0.2, word: '*' } },
        { step: 120, knobs: { word: 'b' } },
        { step: 4000, knobs: { word: 'c', schedules: {} } },
      ],
      group: 'effects',
      panels: ['loss', 'weights_2'],
      story: '2',
      challenge: 'low',
      question: 'bend',
    };
    const [found, expected] = readBack(link);
    expect(found).toEqual(expected);
  });

  it('is short: a change of the same knob takes some ten characters', () => {
    const drag = Array.from({ length: 400 }, (_, i) => ({
      step: 100 + 3 * i,
      knobs: { lr: (i + 1) / 1000 },
    }));
    const address = addressOf('lab', { ...LINK, changes: drag });
    expect(address?.length).toBeLessThan(400 * 11);
    expect(addressOf('lab', LINK)).toBe('/lab/lab?run=abc&seed=7&device=cpu&step=500&paused=1&lang=ko');
  });

  it('names any device', () => {
    for (const device of ['auto', 'cuda', 'cuda:1', 'mps']) {
      const [found, expected] = readBack({ ...LINK, device });
      expect(found).toEqual(expected);
    }
  });

  it('that would be too long is none', () => {
    const long = { ...LINK, knobs: { word: 'x'.repeat(LONGEST) } };
    const many = Array.from({ length: MOST_CHANGES + 1 }, (_, step) => ({ step, knobs: { lr: 1 } }));
    expect(addressOf('lab', long)).toBeNull();
    expect(addressOf('lab', { ...LINK, changes: many })).toBeNull();
  });

  it.each([
    ['seed=-1', 'seed'],
    ['seed=4294967296', 'seed'],
    ['seed=1.5', 'seed'],
    ['seed=<script>', 'seed'],
    [`seed=1&step=${FARTHEST + 1}`, 'step'],
    ['seed=1&step=1e9', 'step'],
    ['seed=1&step=', 'step'],
    ['seed=1&device=tpu', 'device'],
    ['seed=1&device=cuda:100', 'device'],
    ['seed=1&device=CPU', 'device'],
    ['seed=1&log=5*lr', 'changes'],
    ['seed=1&log=5**0.1', 'changes'],
    ['seed=1&log=-5*lr*0.1', 'changes'],
    ['seed=1&log=*lr*0.1', 'changes'],
    [
      `seed=1&log=${Array(MOST_CHANGES + 1)
        .fill('1*lr*1')
        .join('*')}`,
      'changes',
    ],
    [`seed=1&k.word=${'x'.repeat(1_000_000)}`, 'long'],
    ['seed=1&nonsense=2', 'read'],
  ])('is never trusted: %.40s', (text, reason) => {
    expect(refused(text)).toBe(reason);
  });

  it('pollutes no prototype', () => {
    const { knobs } = readLink(new URLSearchParams('seed=1&k.__proto__={"bad":1}'));
    expect(/** @type {any} */ ({}).bad).toBeUndefined();
    expect(JSON.stringify(knobs)).toBe('{"__proto__":{"bad":1}}');
  });

  it('writes words as they are and all else as JSON', () => {
    expect(['adam', 'no', 'null', 'a b', 0.5, [1, 2]].map(written)).toEqual([
      ...['adam', 'no', '"null"', '"a b"', '0.5', '[1,2]'],
    ]);
  });
});

describe('how a run was made', () => {
  const began = { lr: 0.1, word: 'a', layers: [8] };
  const root = {
    id: 'a',
    first: 0,
    began,
    changes: [
      { step: 10, knobs: { lr: 0.2 } },
      { step: 30, knobs: { lr: 0.5 } },
    ],
  };

  it('is what it began with and the changes up to the step shown', () => {
    expect(recipeOf([root], 30, experiment)).toEqual({
      knobs: began,
      changes: [
        { step: 10, knobs: { lr: 0.2 } },
        { step: 30, knobs: { lr: 0.5 } },
      ],
    });
    expect(recipeOf([root], 29, experiment)?.changes).toHaveLength(1);
  });

  it('goes through the runs it was branched from', () => {
    const branch = {
      ...{ id: 'b', first: 20, began: { ...began, lr: 0.2, word: 'b' } },
      changes: [{ step: 25, knobs: { word: 'c' } }],
    };
    expect(recipeOf([root, branch], 100, experiment)?.changes).toEqual([
      { step: 10, knobs: { lr: 0.2 } },
      { step: 20, knobs: { word: 'b' } },
      { step: 25, knobs: { word: 'c' } },
    ]);
  });

  it('ends a schedule that a branch left out', () => {
    const scheduled = { ...root, began: { ...began, schedules: { lr: { kind: 'cosine' } } }, changes: [] };
    const branch = { id: 'b', first: 20, began, changes: [] };
    expect(recipeOf([scheduled, branch], 100, experiment)?.changes).toEqual([
      { step: 20, knobs: { schedules: {} } },
    ]);
  });

  it('is not to be told in one go where the model was changed on the way, or the beginning is not known', () => {
    const other = { id: 'b', first: 20, began: { ...began, lr: 0.2, layers: [16] }, changes: [] };
    expect(recipeOf([root, other], 100, experiment)).toBeNull();
    expect(recipeOf([{ ...root, first: 5 }], 100, experiment)).toBeNull();
  });
});
