import { beforeEach, describe, expect, it, vi } from 'vitest';

const kept = vi.hoisted(() => ({ value: /** @type {string | null} */ (null) }));
vi.mock('../../frontend/src/lib/storage.js', () => ({
  recall: () => kept.value,
  remember: (/** @type {string} */ _, /** @type {string} */ value) => (kept.value = value),
}));

import { lastVisited, noteVisit, visits } from '../../frontend/src/lib/visits.js';

beforeEach(() => (kept.value = null));

describe('visits', () => {
  it('remembers when each experiment was opened, and with which run', () => {
    noteVisit('rnn', 'r1', 10);
    noteVisit('gpt', 'g1', 20);
    expect(visits()).toEqual({ rnn: { at: 10, run: 'r1' }, gpt: { at: 20, run: 'g1' } });
  });
  it('keeps the run of the last time until there is another', () => {
    noteVisit('rnn', 'r1', 10);
    noteVisit('rnn', '', 20);
    expect(visits().rnn).toEqual({ at: 20, run: 'r1' });
    noteVisit('rnn', 'r2', 30);
    expect(visits().rnn.run).toBe('r2');
  });
  it.each(['', '{', 'null', '3', '[]', '"x"', '{"a":null,"b":{"at":"now","run":"x"},"c":{"at":1}}'])(
    'takes nothing from %j',
    (value) => {
      kept.value = value;
      expect(visits()).toEqual({});
      noteVisit('rnn', 'r', 1);
      expect(Object.keys(visits())).toContain('rnn');
    },
  );
});

describe('lastVisited', () => {
  const all = { old: { at: 1, run: '' }, late: { at: 3, run: '' }, gone: { at: 9, run: '' } };
  it('is the latest of those that there are', () => {
    expect(lastVisited(all, [{ id: 'late' }, { id: 'old' }])).toBe('late');
  });
  it('is nothing before the first', () => expect(lastVisited({}, [{ id: 'old' }])).toBeUndefined());
});
