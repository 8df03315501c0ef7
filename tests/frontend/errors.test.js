import { expect, it, vi } from 'vitest';

vi.stubGlobal('navigator', { language: 'en' });
const { ask } = await import('../../frontend/src/lib/api.js');
const { explain } = await import('../../frontend/src/lib/errors.js');
const { known } = await import('../../frontend/src/lib/i18n.svelte.js');

const refused = () => ask('/runs').catch((error) => error);

it('says that the server is away without a text that only the server has', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no network')));
  expect(explain(await refused())).toMatch(/not responding/);
  expect(known('error.unknown-run')).toBe(false);
});

it('says nothing of a refusal until its text is there, and never what is not translated', () => {
  expect(explain({ code: 'unknown-run', params: {}, detail: 'in English' })).toBe('');
});

it('has the text of what a request is refused for', async () => {
  const problem = { code: 'unknown-run', detail: 'in English' };
  vi.stubGlobal('fetch', async () => new Response(JSON.stringify(problem), { status: 404 }));
  const error = await refused();
  expect(known('error.unknown-run')).toBe(true);
  expect(explain(error)).toBe('There is no such run.');
  expect(explain({ code: 'of-a-newer-server', params: {}, detail: 'as it says' })).toBe('as it says');
});
