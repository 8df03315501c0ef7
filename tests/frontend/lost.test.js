import { expect, test, vi } from 'vitest';
import texts from '../../frontend/src/messages/lost.js';

vi.stubGlobal('navigator', { language: 'en' });
const { fill, locale } = await import('../../frontend/src/lib/i18n.svelte.js');
const { lostInWords } = await import('../../frontend/src/lib/lost.js');

/** What the server says, and which text says it. @type {[string, keyof typeof texts, Record<string, string>][]} */
const SAID = [
  ['the node 10.0.0.7 cannot be reached', 'lost.node.unreachable', { node: '10.0.0.7' }],
  ['the node 10.0.0.7 has not answered for 7 s', 'lost.node.silent', { node: '10.0.0.7', seconds: '7' }],
  ['the node 10.0.0.7 is gone', 'lost.node.gone', { node: '10.0.0.7' }],
  ['the node 10.0.0.7 is gone: its process ended', 'lost.node.gone', { node: '10.0.0.7' }],
  [
    'the node 10.0.0.7 has torch 9.9.9, and this server torch 2.11; install the same there',
    'lost.node.differs',
    { node: '10.0.0.7', has: 'torch 9.9.9', wants: 'torch 2.11' },
  ],
  [
    'Ray ended the worker process, since the node 10.0.0.7 ran low on memory',
    'lost.node.memory',
    { node: '10.0.0.7' },
  ],
  [
    'the worker process on the node 10.0.0.7 was killed, or crashed',
    'lost.worker.node',
    { node: '10.0.0.7' },
  ],
  [
    'the worker process was killed by signal 9 on the node 10.0.0.7',
    'lost.worker.node',
    { node: '10.0.0.7' },
  ],
  [
    'the worker process on the node 10.0.0.7 failed: no such file',
    'lost.worker.failed',
    { node: '10.0.0.7', why: 'no such file' },
  ],
  ['the worker process was killed by signal 9', 'lost.worker.signal', { signal: '9' }],
  ['the worker process ended with exit code -3', 'lost.worker.code', { code: '-3' }],
  ['the head of the Ray cluster, 10.0.0.1:6379, is gone', 'lost.head', {}],
  ['the connection to the Ray cluster was lost (killed)', 'lost.connection', {}],
  [
    'no worker could be started: the Ray cluster at 10.0.0.1:6379 cannot be reached (setting RAY_ADDRESS): nothing listens there',
    'lost.cluster',
    {},
  ],
  ['the Ray cluster did not answer within 30 s (setting RAY_ADDRESS)', 'lost.cluster', {}],
];

test.each(SAID)('%s: in the language of the page', (sentence, key, params) => {
  for (const [place, language] of /** @type {const} */ (['en', 'ko']).entries()) {
    locale.language = language;
    expect(lostInWords(sentence)).toBe(fill(texts[key][place], params));
  }
  locale.language = 'en';
});

test('another sentence stays as it is', () => {
  expect(lostInWords('lr: it is too large')).toBe('lr: it is too large');
});
