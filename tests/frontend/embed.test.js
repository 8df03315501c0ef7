import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { embedAddress, readEmbed, snippetOf } from '../../frontend/src/lib/embed.js';

const read = (/** @type {string} */ address) => {
  const url = new URL(address, 'http://localhost');
  return readEmbed(url.pathname, url.searchParams);
};

describe('the address of an embed page', () => {
  it('says run and panels, there and back', () => {
    const address = embedAddress({ run: 'abc' }, ['loss', 'a b'], 'ko');
    expect(address).toBe('/embed/run/abc?panels=loss,a%20b&lang=ko');
    expect(read(address)).toEqual({ run: 'abc', experiment: '', panels: ['loss', 'a b'], theme: '' });
  });
  it('says an experiment', () => {
    expect(read('/embed/lab/transformer?theme=dark')).toEqual({
      run: '',
      experiment: 'transformer',
      panels: [],
      theme: 'dark',
    });
  });
  it.each(['/embed/', '/embed/run/', '/embed/film/x', '/embed/run/a/b'])('is not %s', (path) => {
    expect(read(path)).toBeNull();
  });
});

it('a snippet escapes what it is given', () => {
  const html = snippetOf('http://a/b?c=d&e=f', 'a "title" <b>');
  expect(html).toContain('src="http://a/b?c=d&amp;e=f"');
  expect(html).toContain('title="a &quot;title&quot; &lt;b&gt;"');
});

it('no link of the page leaves out the path of a proxy', () => {
  const root = new URL('../../frontend/src', import.meta.url).pathname;
  const bare = readdirSync(root, { recursive: true, encoding: 'utf-8' })
    .filter((name) => /\.(svelte|js)$/.test(name))
    .filter((name) =>
      /(href|src)=("\/|\{[`'"]\/|\{labAddress)|fetch\([`'"]\/|location\.host\}\/|window\.open\([`'"]\//.test(
        readFileSync(join(root, name), 'utf-8'),
      ),
    );
  expect(bare).toEqual([]);
});
