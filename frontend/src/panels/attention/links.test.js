import { describe, expect, it } from 'vitest';
import { columnsOf, tokenAt, weightsOf } from './links.js';
import { pageOf } from './page.js';

const links = { queries: ['a', 'b'], keys: ['x', 'y', 'z'] };
const measure = (/** @type {string} */ text) => text.length * 8;

describe('columnsOf', () => {
  it('spreads the longer column over the height, and grows beyond it before names overlap', () => {
    expect(columnsOf(links, { width: 300, height: 94 }, measure)).toMatchObject({ pitch: 30, height: 94 });
    const many = { queries: Array.from({ length: 100 }, String), keys: [] };
    expect(columnsOf(many, { width: 300, height: 94 }, measure)).toMatchObject({ pitch: 13, height: 1304 });
  });
});

describe('tokenAt', () => {
  it('finds the token of the nearer side, and none below a short column', () => {
    const columns = columnsOf(links, { width: 300, height: 94 }, measure);
    expect(tokenAt(columns, links, 10, 40)).toEqual({ side: 'query', index: 1 });
    expect(tokenAt(columns, links, 290, 90)).toEqual({ side: 'key', index: 2 });
    expect(tokenAt(columns, links, 10, 90)).toBe(null);
  });
});

describe('weightsOf', () => {
  it('reads a row for a query and a column for a key', () => {
    const all = {
      ...links,
      weights: [...Array(6).fill(0), 1, 2, 3, 4, 5, 6],
      heads: [],
      palette: [],
      colours: {},
    };
    expect(weightsOf(all, 1, { side: 'query', index: 1 })).toEqual([4, 5, 6]);
    expect(weightsOf(all, 1, { side: 'key', index: 2 })).toEqual([3, 6]);
  });
});

describe('pageOf', () => {
  it('lets no token or title end the element that it is in', () => {
    const saved = { weights: [1], layers: 1, heads: 1, queries: ['</script><b>'], keys: ['&'] };
    const words = { lang: 'en', title: '<i>', about: '"', layers: 'layer', layer: String, head: String };
    const html = pageOf({ ...saved, palettes: { light: [], dark: [] } }, words);
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    expect(html).not.toContain('<b>');
    expect(html).not.toContain('<i>');
  });
});
