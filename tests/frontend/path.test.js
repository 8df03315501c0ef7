import { describe, expect, it } from 'vitest';

import { chaptersOf, graphOf, nextOf } from '../../frontend/src/lib/path.js';

/** @param {string} id @param {string[]} after */
const step = (id, ...after) => ({ id, after });

describe('graphOf', () => {
  it('puts each experiment right of all that lead to it', () => {
    const { nodes, edges } = graphOf([step('a'), step('b', 'a'), step('c', 'a'), step('d', 'b', 'c')]);
    expect(nodes.map(({ column, row }) => [column, row])).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
      [2, 0],
    ]);
    expect(edges).toEqual([
      [0, 1],
      [0, 2],
      [1, 3],
      [2, 3],
    ]);
  });
  it('leaves out what leads here from elsewhere', () => {
    const { nodes, edges } = graphOf([step('b', 'elsewhere')]);
    expect(nodes[0]).toMatchObject({ column: 0, row: 0 });
    expect(edges).toEqual([]);
  });
  it('orders a column like the ones before, so that lines cross less', () => {
    const { nodes } = graphOf([step('a'), step('b'), step('of b', 'b'), step('of a', 'a')]);
    expect(nodes.map(({ step: { id }, row }) => [id, row])).toEqual([
      ['a', 0],
      ['b', 1],
      ['of b', 1],
      ['of a', 0],
    ]);
  });
  it('has nothing to show of nothing', () => expect(graphOf([])).toEqual({ nodes: [], edges: [] }));
});

describe('nextOf', () => {
  const all = [step('a'), step('b', 'a'), step('c', 'b'), step('d', 'a')];
  const after = (/** @type {string[]} */ ...opened) => nextOf(all, (id) => opened.includes(id))?.id;
  it('is the first whose prerequisites were opened', () => {
    expect(after()).toBe('a');
    expect(after('a')).toBe('b');
    expect(after('a', 'b')).toBe('c');
    expect(after('a', 'b', 'c')).toBe('d');
  });
  it('is the first not opened where nobody kept to the path', () => {
    expect(nextOf([step('x', 'gone'), step('y', 'x')], () => false)?.id).toBe('x');
  });
  it('is nothing when all were opened', () => expect(after('a', 'b', 'c', 'd')).toBeUndefined());
});

describe('chaptersOf', () => {
  it('numbers chapters and adds their minutes', () => {
    const one = { chapter: 'x', chapter_title: 'X', chapter_about: 'About x.', minutes: 5 };
    const all = /** @type {any[]} */ ([
      { ...one, id: 'a' },
      { ...one, id: 'b', minutes: 7 },
      { ...one, id: 'c', chapter: 'y', chapter_title: 'Y' },
    ]);
    expect(chaptersOf(all)).toMatchObject([
      {
        id: 'x',
        number: 1,
        title: 'X',
        about: 'About x.',
        minutes: 12,
        experiments: [{ id: 'a' }, { id: 'b' }],
      },
      { id: 'y', number: 2, title: 'Y', minutes: 5, experiments: [{ id: 'c' }] },
    ]);
  });
});
