import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import SCHEDULES from '../fixtures/schedules.json';
import access from '../../frontend/src/messages/access.js';
import build from '../../frontend/src/messages/build.js';
import challenges from '../../frontend/src/messages/challenges.js';
import classroom from '../../frontend/src/messages/classroom.js';
import data from '../../frontend/src/messages/data.js';
import devices from '../../frontend/src/messages/devices.js';
import errors from '../../frontend/src/messages/errors.js';
import health from '../../frontend/src/messages/health.js';
import history from '../../frontend/src/messages/history.js';
import lost from '../../frontend/src/messages/lost.js';
import paper from '../../frontend/src/messages/paper.js';
import sweep from '../../frontend/src/messages/sweep.js';
import gallery from '../../frontend/src/messages/gallery.js';
import help from '../../frontend/src/messages/help.js';
import { MESSAGES as FIRST, joined } from '../../frontend/src/messages/index.js';

/** All of them, also those that are loaded later. */
const MESSAGES = joined(
  FIRST,
  access,
  build,
  challenges,
  classroom,
  data,
  devices,
  errors,
  gallery,
  health,
  help,
  history,
  lost,
  paper,
  sweep,
);
const ROOT = join(import.meta.dirname, '../..');
const AREAS = join(ROOT, 'frontend/src/messages');
const PAGE = sourcesIn(join(ROOT, 'frontend/src'), /(?<!\.test)\.(js|svelte)$/, AREAS);
const SERVER = sourcesIn(join(ROOT, 'server/descent'), /\.py$/);
const WORDS = new Set([...`${PAGE}${SERVER}`.matchAll(/(['"])([\w.-]+)\1/g)].map((match) => match[2]));
const PREFIXES = new Set(Object.keys(MESSAGES).map((key) => key.split('.')[0]));
/** The kinds of layers, their settings, and what these can be, where it is a word. */
const ROWS = {
  kinds: ['convolution', 'pooling', 'norm', 'activation', 'dropout', 'dense'],
  settings: ['filters', 'kernel', 'stride', 'padding', 'take', 'size', 'function', 'share', 'units'],
  options: ['largest', 'mean', 'relu', 'leaky', 'tanh', 'sigmoid', 'gelu'],
};
/** Keys made from a part that is not the word of the server or of a list in the page: what that part can be. */
const PARTS = {
  'device.*': ['auto', 'cpu', 'cuda', 'mps'],
  'device.failed.*': ['float64', 'memory', 'operation'],
  'error.*.*': null, // anything: reasons are also pydantic's
  'error.file.*': null, // what the server says of a table, as it says it
  'history.*': ['export', 'data', 'script', 'csv', 'safetensors', 'pt', 'onnx', 'tensorboard'],
  'lab.*': ['effects', 'sweep', 'schedule'],
  'layers.*': [...ROWS.kinds, ...ROWS.settings],
  'layers.*.*': [...ROWS.settings, ...ROWS.options],
  'schedule.*': Object.keys(SCHEDULES),
  'schedule.set.*': Object.values(SCHEDULES).flatMap((settings) => settings.map((setting) => setting.name)),
  'reason.cluster.*': ['cpus-taken', 'gpus-taken', 'no-cpu', 'no-gpu'],
  'sweep.*': ['low', 'high', 'count', 'steps', 'orders'],
};

/** All that the files of a folder say. */
function sourcesIn(folder, names, without = '') {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile() && names.test(file.name) && file.parentPath !== without)
    .map((file) => readFileSync(join(file.parentPath, file.name), 'utf8'))
    .join('\n');
}

const literal = [...PAGE.matchAll(/(['"])([a-z]+(?:\.[\w-]+)+)\1/g)].map((match) => match[2]);
const made = [...PAGE.matchAll(/`([a-z]+\.(?:[\w.-]|\$\{[^{}`]*\})*)`/g)]
  .map((match) => match[1].replaceAll(/\$\{[^}]*\}/g, '*'))
  .filter((key) => key.includes('*') && PREFIXES.has(key.split('.')[0]));

/** Whether a key can come of one that is made at run time. */
function comesOf(key, pattern) {
  const parts = pattern.split('*').map((part) => part.replaceAll('.', '\\.'));
  const found = key.match(new RegExp(`^${parts.join('([^.]+)')}$`));
  const can = pattern in PARTS ? PARTS[pattern] : WORDS;
  return Boolean(found) && (can === null || found.slice(1).every((part) => new Set(can).has(part)));
}

describe('the messages', () => {
  it('name every kind of schedule that the server has, and its settings', () => {
    const keys = Object.entries(SCHEDULES).flatMap(([kind, settings]) => [
      `schedule.${kind}`,
      ...settings.map(({ name }) => `schedule.set.${name}`),
    ]);
    expect(keys.filter((key) => !(key in MESSAGES))).toEqual([]);
  });

  it('have every key that the page names', () => {
    const named = literal.filter((key) => PREFIXES.has(key.split('.')[0]));
    expect(named.length).toBeGreaterThan(200);
    expect(named.filter((key) => !(key in MESSAGES))).toEqual([]);
  });

  it('have some key for each that the page makes', () => {
    const keys = Object.keys(MESSAGES);
    expect(made.filter((pattern) => !keys.some((key) => comesOf(key, pattern)))).toEqual([]);
    expect(Object.keys(PARTS).filter((pattern) => !made.includes(pattern))).toEqual([]);
  });

  it('are all used', () => {
    const used = new Set(literal);
    const unused = Object.keys(MESSAGES).filter(
      (key) => !used.has(key) && !made.some((pattern) => comesOf(key, pattern)),
    );
    expect(unused).toEqual([]);
  });

  it('are in both languages, with the same things filled in', () => {
    const filled = (text) => [...new Set(text.match(/\{\w+\}/g))].sort().join();
    const unlike = Object.entries(MESSAGES).filter(
      ([, [english, korean]]) => !english.trim() || !korean.trim() || filled(english) !== filled(korean),
    );
    expect(unlike).toEqual([]);
  });

  it('are each in the area of their kind', () => {
    const areas = import.meta.glob('../../frontend/src/messages/*.js', { eager: true, import: 'default' });
    const prefixes = Object.values(areas)
      .filter(Boolean)
      .flatMap((texts) => [...new Set(Object.keys(texts).map((key) => key.split('.')[0]))]);
    expect(prefixes.sort()).toEqual([...PREFIXES].sort());
  });

  it('may not have a key twice', () => {
    expect(() => joined({ 'a.b': ['x', 'y'] }, { 'a.b': ['x', 'y'] })).toThrow('a.b');
  });
});
