import { describe, expect, it } from 'vitest';
import { glyph, moved, reveal, stretches, visible } from './traces.js';

describe('glyph', () => {
  it('gives a shape to what has none', () => {
    expect(['\n', ' ', '\t', 'e', '한', '\u0007'].map(glyph)).toEqual(['↵', '·', '⇥', 'e', '한', '□']);
  });

  it('shows the spaces of a word', () => {
    expect(glyph(' the')).toBe('·the');
  });
});

describe('visible', () => {
  it('is what the window shows, and one sample more on either side', () => {
    expect(visible(100, 50, 10, 1000)).toEqual([9, 16]);
  });

  it('stays within the samples there are', () => {
    expect(visible(0, 500, 10, 7)).toEqual([0, 7]);
    expect(visible(90, 50, 10, 10)).toEqual([8, 10]);
    expect(visible(0, 0, 10, 0)).toEqual([0, 0]);
  });
});

describe('reveal', () => {
  const window = { scroll: 1000, room: 200, pitch: 10, count: 1000 };

  it('leaves the window where it is when the sample is well inside', () => {
    expect(reveal(110, window)).toBe(1000);
  });

  it('moves no further than needed when the sample is near', () => {
    expect(reveal(121, window)).toBe(1215 - 200 + 30);
    expect(reveal(98, window)).toBe(985 - 30);
  });

  it('puts a sample from afar in the middle', () => {
    expect(reveal(500, window)).toBe(5005 - 100);
  });

  it('never leaves the text', () => {
    expect(reveal(0, window)).toBe(0);
    expect(reveal(999, window)).toBe(9800);
    expect(reveal(2, { scroll: 0, room: 200, pitch: 10, count: 5 })).toBe(0);
  });
});

describe('moved', () => {
  it('goes by one, by a window, and to the ends', () => {
    const from = (/** @type {string} */ key) => moved(key, 50, 100, 20);
    expect(['ArrowLeft', 'ArrowRight', 'PageUp', 'PageDown', 'Home', 'End'].map(from)).toEqual([
      49, 51, 30, 70, 0, 99,
    ]);
  });

  it('stops at the ends, and leaves other keys alone', () => {
    expect(moved('ArrowLeft', 0, 100, 20)).toBe(0);
    expect(moved('PageDown', 95, 100, 20)).toBe(99);
    expect(moved('a', 5, 100, 20)).toBeNull();
    expect(moved('End', 0, 0, 20)).toBeNull();
  });
});

describe('stretches', () => {
  it('parts a curve at its gaps', () => {
    expect(stretches([NaN, 1, 2, NaN, 3, NaN, NaN, 4], 0, 8)).toEqual([
      [1, 3],
      [4, 5],
      [7, 8],
    ]);
  });

  it('looks at nothing outside of the window', () => {
    expect(stretches([1, 1, 1, 1], 1, 3)).toEqual([[1, 3]]);
    expect(stretches([NaN, NaN], 0, 2)).toEqual([]);
  });
});
