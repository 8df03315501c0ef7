import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { STATUSES, isBusy, isOver, isResumable } from '../../frontend/src/lib/statuses.js';

/** The names in a set of the server's. @param {string} file @param {string} name */
function setOf(file, name) {
  const source = readFileSync(new URL(`../../server/descent/${file}`, import.meta.url), 'utf8');
  const [, names] = source.match(new RegExp(`^${name}\\b[^{]*\\{([^}]*)\\}`, 'm')) ?? [];
  return [...names.matchAll(/"([a-z]+)"/g)].map((match) => match[1]).sort();
}

const all = /** @type {(keyof typeof STATUSES)[]} */ (Object.keys(STATUSES)).sort();

it('are over, and resumable, as the server says', () => {
  expect(all.filter(isOver)).toEqual(setOf('protocol.py', 'ENDED'));
  expect(all.filter(isResumable)).toEqual(setOf('runs/run.py', 'RESUMABLE'));
});

it('are busy only before they are over', () => {
  expect(all.filter(isBusy)).toEqual(['queued', 'running', 'starting']);
});
