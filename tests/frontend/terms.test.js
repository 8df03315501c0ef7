import { describe, expect, it } from 'vitest';
import { TERMS } from '../../frontend/src/messages/terms.js';
import { finderOf } from '../../frontend/src/lib/terms.js';

const english = finderOf(TERMS, 'en');
const korean = finderOf(TERMS, 'ko');
/** @param {import('../../frontend/src/lib/terms.js').Part[]} parts */
const marked = (parts) => parts.filter((part) => part.term).map((part) => part.text);

describe('Terms in a text', () => {
  it('are its symbols and words, the longest that stands there', () => {
    expect(marked(english('η and the edge 2/λₘₐₓ, not λₘₐₓ alone'))).toEqual(['η', '2/λₘₐₓ', 'λₘₐₓ']);
    expect(marked(english('The hidden states of each cell'))).toEqual(['hidden states']);
  });

  it('are explained once, and the text stays whole', () => {
    const text = 'Attention: where attention looks';
    const parts = english(text);
    expect(marked(parts)).toEqual(['Attention']);
    expect(parts.map((part) => part.text).join('')).toBe(text);
  });

  it('are no parts of other words, of formulas and indices', () => {
    expect(marked(english('Investigate σ₂ and the gated unit'))).toEqual([]);
    expect(marked(english('η₁ differs'))).toEqual([]);
  });

  it('are followed by particles in Korean', () => {
    expect(marked(korean('학습률을 키우면 그래디언트가 커집니다'))).toEqual(['학습률', '그래디언트']);
    expect(marked(korean('η의 값'))).toEqual(['η']);
  });

  it('each have both languages, and no other has the same sign or word', () => {
    for (const of of /** @type {const} */ (['en', 'ko'])) {
      const said = TERMS.flatMap((term) => [...(term.signs ?? []), ...(term[of] ?? [])]);
      expect(new Set(said).size).toBe(said.length);
    }
    for (const term of TERMS) expect(term.text.every((text) => text.length > 8)).toBe(true);
  });
});
