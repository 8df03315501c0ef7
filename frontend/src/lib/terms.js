/** Where a text has symbols and words that the glossary explains. No DOM. */

/** @typedef {{signs?: string[], en?: string[], ko?: string[], text: [string, string]}} Term */
/** @typedef {{text: string, term: Term | null}} Part  of a text; `term`: what explains it */

/** A finder of terms in texts of a language. @param {Term[]} terms @param {string} lang */
export function finderOf(terms, lang) {
  /** @type {Map<string, Term>} */
  const found = new Map();
  for (const term of terms) {
    for (const sign of term.signs ?? []) found.set(sign, term);
    for (const word of (lang === 'ko' ? term.ko : term.en) ?? []) found.set(word.toLowerCase(), term);
  }
  const longest = [...found.keys()].sort((a, b) => b.length - a.length).map(escaped);
  // A word ends where letters do; a Korean one may go on with a particle. A symbol's index is no other symbol.
  const end = lang === 'ko' ? '(?![A-Za-z₀-₉ₐ-ₜ])' : '(?![\\p{L}₀-₉])';
  const pattern = new RegExp(`(?<![\\p{L}/])(?:${longest.join('|')})${end}`, 'giu');
  /**
   * The text in parts; of each term only the first mention is explained.
   * @param {string} text
   * @returns {Part[]}
   */
  return (text) => {
    /** @type {Part[]} */
    const parts = [];
    const said = new Set();
    let at = 0;
    for (const match of text.matchAll(pattern)) {
      const term = found.get(match[0]) ?? found.get(match[0].toLowerCase());
      if (!term || said.has(term)) continue;
      said.add(term);
      if (match.index > at) parts.push({ text: text.slice(at, match.index), term: null });
      parts.push({ text: match[0], term });
      at = match.index + match[0].length;
    }
    if (at < text.length) parts.push({ text: text.slice(at), term: null });
    return parts;
  };
}

/** @param {string} text */
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
