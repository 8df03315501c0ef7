import { describe, expect, it } from 'vitest';
import { flow, hit, move, named, rowsOf, span, visible } from '../../frontend/src/lib/text.js';

const chars = (/** @type {string} */ text) => Array.from(text);
const grid = (/** @type {string} */ text, /** @type {number} */ room) => flow(chars(text), room, span);

describe('span', () => {
  it('gives Hangul two columns and Latin one', () => {
    expect([span('a', 0), span('한', 0), span('。', 0), span('é', 0), span('😀', 0)]).toEqual([
      1, 2, 2, 1, 2,
    ]);
  });

  it('takes a tab to the next fourth column', () => {
    expect([0, 1, 3, 4].map((column) => span('\t', column))).toEqual([4, 3, 1, 4]);
  });
});

describe('visible', () => {
  it('names white space, and line ends within a token', () => {
    expect([' ', '\n', '\t', 'a b', 'end\n'].map(visible)).toEqual(['␣', '↵', '⇥', 'a b', 'end↵']);
  });
});

describe('what has no shape of its own', () => {
  const woman = Array.from('👩\u200d🔬\ufe0f');
  it('is seen: joiners and selectors as a box, marks on a circle, controls by their pictures', () => {
    expect(woman.map(visible)).toEqual(['👩', '□', '🔬', '□']);
    expect(Array.from('हि\u0301').map(visible)).toEqual(['ह', '◌ि', '◌\u0301']);
    expect(['\0', '\u00a0', '\u3000', '\u200f'].map(visible)).toEqual(['␀', '□', '□', '□']);
  });

  it('is told by its number', () => {
    expect(['\u200d', '\u0301', '\n', 'a', '👩'].map(named)).toEqual([
      '□ U+200D',
      '◌\u0301 U+0301',
      '↵',
      'a',
      '👩',
    ]);
  });

  it('takes a column like any other, so that nothing shifts', () => {
    const layout = flow(woman, 10, span);
    expect([...layout.x]).toEqual([0, 2, 3, 5]);
    expect(woman.map((_, i) => hit(layout, 0.5, layout.x[i]))).toEqual([0, 1, 2, 3]);
  });
});

describe('flow', () => {
  it('begins a row after each line end, and none after the last', () => {
    const layout = grid('ab\n\nc\n', 10);
    expect([...layout.row]).toEqual([0, 0, 0, 1, 2, 2]);
    expect([...layout.starts]).toEqual([0, 3, 4, 6]);
  });

  it('breaks where the next character does not fit', () => {
    const layout = grid('abc한글', 4);
    expect([...layout.row]).toEqual([0, 0, 0, 1, 1]);
    expect([...layout.x]).toEqual([0, 1, 2, 0, 2]);
  });

  it('lets a line end hang over the edge of a full row', () => {
    expect([...grid('abcd\ne', 4).row]).toEqual([0, 0, 0, 0, 0, 1]);
  });

  it('keeps words apart, and gives one that is too long a row', () => {
    const layout = flow(['aa', 'bb', 'cccccccc', 'd'], 6, (word) => word.length, 1);
    expect([...layout.row]).toEqual([0, 0, 1, 2]);
    expect([...layout.x]).toEqual([0, 3, 0, 0]);
  });

  it('has one empty row for no tokens', () => {
    expect(rowsOf(flow([], 10, span))).toBe(1);
    expect(hit(flow([], 10, span), 0, 0)).toBe(null);
  });
});

describe('hit', () => {
  const layout = grid('ab\n한c', 10);
  it('finds the token under a place, and none beside the text', () => {
    expect(hit(layout, 0.5, 1.5)).toBe(1);
    expect(hit(layout, 1.9, 1.9)).toBe(3);
    expect([hit(layout, 0, 7), hit(layout, 2.1, 0), hit(layout, -0.1, 0)]).toEqual([null, null, null]);
  });
});

describe('move', () => {
  const layout = grid('abcd\n\nwxyz', 10);
  const view = { page: 2, goal: 3 };
  it('goes by token, and stops at the ends', () => {
    expect(move(layout, 0, 'ArrowLeft', view)).toBe(0);
    expect(move(layout, 4, 'ArrowRight', view)).toBe(5);
    expect([move(layout, 4, 'Home', view), move(layout, 4, 'End', view)]).toEqual([0, 9]);
  });

  it('keeps to its column over a short row', () => {
    expect(move(layout, 3, 'ArrowDown', view)).toBe(5);
    expect(move(layout, 5, 'ArrowDown', view)).toBe(9);
    expect(move(layout, 9, 'PageUp', view)).toBe(3);
  });

  it('leaves other keys alone', () => {
    expect(move(layout, 3, 'r', view)).toBe(null);
  });
});
