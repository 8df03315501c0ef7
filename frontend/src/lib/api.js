/** The REST calls. No DOM. */

import { at } from './base.js';
import { errorTexts } from './errortexts.js';
import { ApiError } from './refusal.js';
import { unpack, unpackAll } from './wire.js';

const JSON_BODY = { 'Content-Type': 'application/json' };

/** @typedef {import('../net/server.js').paths} Paths  of the server, with what each answers */
/** @typedef {import('./types.js').Picture} Picture */
/** @typedef {import('./types.js').SweepFrame} SweepFrame */
/** @typedef {import('./types.js').Knobs} Knobs */
/** @typedef {import('./types.js').RunInfo} RunInfo */
/** The JSON that an operation takes, and that it answers. @template O @typedef {O extends {requestBody: {content: {'application/json': infer B}}} ? B : undefined} Body */
/** @template O @typedef {O extends {responses: infer R} ? R[keyof R] extends {content: {'application/json': infer A}} ? A : null : never} Answer */
/** @template O @typedef {O extends {parameters: {path: infer P}} ? P : {}} PathOf */
/** @template O @typedef {O extends {parameters: {query?: infer Q}} ? Q : {}} QueryOf */

/**
 * The response, if its status is ok. What it throws, `explain` can tell: the texts have come.
 * @param {string} path
 * @param {RequestInit} [request]
 * @returns {Promise<Response>}
 * @throws {ApiError}
 */
export async function ask(path, request) {
  let response;
  try {
    response = await fetch(at(`/api${path}`), request);
  } catch {
    throw new ApiError({});
  }
  if (response.ok) return response;
  const { status } = response;
  const [problem] = await Promise.all([response.json().catch(() => ({})), errorTexts.come()]);
  throw new ApiError({ status, ...problem });
}

/**
 * Call an operation by its path in the OpenAPI document.
 * @template {keyof Paths} P
 * @template {keyof Paths[P] & ('get' | 'post' | 'put' | 'patch' | 'delete')} M
 * @param {M} method
 * @param {P} path
 * @param {PathOf<Paths[P][M]>} places  the values of its parameters
 * @param {{query?: QueryOf<Paths[P][M]>, body?: Body<Paths[P][M]>}} [asked]
 * @returns {Promise<Answer<Paths[P][M]>>}
 * @throws {ApiError}
 */
async function call(method, path, places, { query = undefined, body } = {}) {
  const found = path
    .replace(/^\/api/, '')
    .replace(/\{(\w+)\}/g, (_, name) =>
      encodeURIComponent(/** @type {Record<string, string>} */ (places)[name]),
    );
  const asks = Object.entries(query ?? {}).map(([name, value]) => [name, String(value)]);
  const sent = body === undefined ? {} : { headers: JSON_BODY, body: JSON.stringify(body) };
  const response = await ask(asks.length ? `${found}?${new URLSearchParams(asks)}` : found, {
    method: method.toUpperCase(),
    ...sent,
  });
  const answer = response.status === 204 ? null : await response.json();
  return answer;
}

/** @param {import('./i18n.svelte.js').Language} lang */
export const listExperiments = (lang) => call('get', '/api/experiments', {}, { query: { lang } });

/** What has become of the files of one's own. @param {import('./i18n.svelte.js').Language} lang */
export const getOwn = (lang) => call('get', '/api/own', {}, { query: { lang } });

/** @param {import('./i18n.svelte.js').Language} lang */
export const listChapters = (lang) => call('get', '/api/chapters', {}, { query: { lang } });

/**
 * Experiments whose texts, in either language, have this.
 * @param {string} text
 * @param {import('./i18n.svelte.js').Language} lang  of excerpts, where there is a choice
 */
export const searchTexts = (text, lang) => call('get', '/api/search', {}, { query: { text, lang } });

/**
 * @param {string} id
 * @param {import('./i18n.svelte.js').Language} lang
 */
export const getExperiment = (id, lang) => call('get', '/api/experiments/{id}', { id }, { query: { lang } });

/**
 * The experiment of a run; of one that trains in a script of its own, it is known only there.
 * @param {string} run
 * @param {import('./i18n.svelte.js').Language} lang
 */
export const getRunExperiment = (run, lang) =>
  call('get', '/api/runs/{run_id}/experiment', { run_id: run }, { query: { lang } });

/**
 * A lesson as Markdown.
 * @param {string} id  of the experiment
 * @param {import('./i18n.svelte.js').Language} lang
 */
export const getLesson = async (id, lang) =>
  (await ask(`/experiments/${encodeURIComponent(id)}/lesson?lang=${lang}`)).text();

/** @param {string} id */
export const getRun = (id) => call('get', '/api/runs/{run_id}', { run_id: id });

/** @param {string} id */
export const getKnobLog = (id) => call('get', '/api/runs/{run_id}/knobs', { run_id: id });

/**
 * Runs that are recorded, the newest first.
 * @param {QueryOf<Paths['/api/runs']['get']>} [which]
 */
export const listRuns = (which = {}) => call('get', '/api/runs', {}, { query: which });

/**
 * A page of recorded runs, and how many there are on all pages.
 * @param {QueryOf<Paths['/api/runs']['get']>} which
 * @returns {Promise<{runs: RunInfo[], total: number}>}
 */
export async function pageOfRuns(which) {
  const asks = Object.entries(which).map(([name, value]) => [name, String(value)]);
  const response = await ask(`/runs?${new URLSearchParams(asks)}`);
  const runs = await response.json();
  return { runs, total: Number(response.headers.get('X-Total-Count') ?? runs.length) };
}

/** Every tag that a run has. */
export const listTags = () => call('get', '/api/runs/tags', {});

/**
 * The tree of branches a run belongs to, the oldest first.
 * @param {string} id
 */
export const getFamily = (id) => call('get', '/api/runs/{run_id}/family', { run_id: id });

/**
 * @param {string} id
 * @param {{name?: string, starred?: boolean}} changes
 */
export const describeRun = (id, changes) =>
  call('patch', '/api/runs/{run_id}', { run_id: id }, { body: changes });

/**
 * A run from an archive that another Descent exported.
 * @param {Blob} archive
 * @returns {Promise<import('./types.js').ImportedRun>}
 */
export async function importRun(archive) {
  const headers = { 'Content-Type': 'application/zip' };
  const response = await ask('/runs/import', { method: 'POST', headers, body: archive });
  return response.json();
}

/**
 * The pixels of a picture in a file, as a knob with a drawing takes them.
 * @param {Blob} file
 * @param {number} rows
 * @param {number} columns
 * @returns {Promise<string>}
 */
export async function readPicture(file, rows, columns) {
  const request = { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: file };
  const response = await ask(`/pictures?rows=${rows}&columns=${columns}`, request);
  return (await response.json()).pixels;
}

/** The files that were brought, the newest first. */
export const listFiles = () => call('get', '/api/files', {});

/**
 * Bring a file: what is no such thing is refused.
 * @param {File} file
 * @param {import('../net/server.js').OwnFileInfo['kind']} kind
 * @returns {Promise<import('../net/server.js').OwnFileInfo>}
 */
export async function bringFile(file, kind) {
  const headers = { 'Content-Type': 'application/octet-stream' };
  const query = new URLSearchParams({ name: file.name, kind });
  const response = await ask(`/files?${query}`, { method: 'POST', headers, body: file });
  return response.json();
}

/** The first rows, lines or pictures of a file. @param {string} id */
export const previewFile = (id) => call('get', '/api/files/{file_id}/preview', { file_id: id });

/** @param {string} id @param {string} name */
export const renameFile = (id, name) =>
  call('patch', '/api/files/{file_id}', { file_id: id }, { body: { name } });

/**
 * The table read with other types of some columns: a file of its own.
 * @param {string} id
 * @param {Record<string, import('../net/server.js').ColumnInfo['type']>} types
 */
export const retypeFile = (id, types) =>
  call('post', '/api/files/{file_id}/types', { file_id: id }, { body: { types } });

/** @param {string} id */
export const removeFile = (id) => call('delete', '/api/files/{file_id}', { file_id: id });

const AT_ONCE = 200; // runs in one request

/** @template T @param {T[]} all @returns {T[][]} */
const inParts = (all) =>
  Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, i) =>
    all.slice(i * AT_ONCE, (i + 1) * AT_ONCE),
  );

/**
 * Star runs, or add and remove tags.
 * @param {string[]} ids
 * @param {{starred?: boolean, add_tags?: string[], remove_tags?: string[]}} marks
 * @returns {Promise<RunInfo[]>} as they are now
 */
export async function markRuns(ids, marks) {
  const runs = [];
  for (const some of inParts(ids))
    runs.push(...(await call('patch', '/api/runs', {}, { body: { ids: some, ...marks } })));
  return runs;
}

/**
 * @param {string[]} ids
 * @param {boolean} leaving  the page, which the request is to outlive
 */
export const deleteRuns = (ids, leaving) =>
  Promise.all(
    inParts(ids).map((some) =>
      ask(`/runs?${new URLSearchParams(some.map((id) => ['id', id]))}`, {
        method: 'DELETE',
        keepalive: leaving,
      }),
    ),
  );

/**
 * The steps of a run's recorded pictures and checkpoints.
 * @param {string} id
 */
export const getKept = (id) => call('get', '/api/runs/{run_id}/frames', { run_id: id });

/**
 * Scalars in columns: `step`, then one per name, null where none was measured.
 * @param {string} id
 * @param {number} from  the first step
 * @param {number} to  the last
 * @returns {Promise<Record<string, (number | null)[]>>}
 */
export async function getScalars(id, from, to) {
  const response = await ask(`/runs/${encodeURIComponent(id)}/scalars?from=${from}&to=${to}`);
  return response.json();
}

/**
 * Branch a new run from another one's step.
 * @param {string} id
 * @param {number} step
 * @param {Knobs} knobs  the knobs to change
 */
export const branchRun = (id, step, knobs) =>
  call('post', '/api/runs/{run_id}/branch', { run_id: id }, { body: { step, knobs, viewed: true } });

/**
 * Have a script with its own training loop put back the last state it keeps at or before a step.
 * @param {string} id
 * @param {number} step
 * @param {Knobs} knobs  the knobs to change
 */
export const putBack = (id, step, knobs) =>
  call('post', '/api/runs/{run_id}/back', { run_id: id }, { body: { step, knobs } });

/** Have such a script keep the state it has now. @param {string} id */
export const keepState = (id) => call('post', '/api/runs/{run_id}/keep', { run_id: id });

/**
 * The last recorded frame of each panel at or before a step.
 * @param {string} id
 * @param {number} step
 * @param {string[]} panels
 * @returns {Promise<Picture[]>}
 */
export async function getMoment(id, step, panels) {
  const query = new URLSearchParams([['step', String(step)], ...panels.map((panel) => ['panel', panel])]);
  const response = await ask(`/runs/${encodeURIComponent(id)}/moment?${query}`);
  return unpack(await response.arrayBuffer()).filter((frame) => frame.type === 'panel');
}

/**
 * The values a schedule would give a knob, from the step it begins at.
 * @param {string} id
 * @param {import('../net/server.js').PlanRequest} wish
 */
export const planSchedule = (id, wish) =>
  call('post', '/api/runs/{run_id}/plan', { run_id: id }, { body: wish });

/**
 * Sweep a knob's values from a run's step: yields frames as they arrive. Aborting ends it.
 * @param {string} id
 * @param {import('../net/server.js').SweepBody} order
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<SweepFrame>}
 */
export async function* sweepRun(id, order, signal) {
  const request = { method: 'POST', headers: JSON_BODY, body: JSON.stringify(order), signal };
  const response = await ask(`/runs/${encodeURIComponent(id)}/sweep`, request);
  if (!response.body) return;
  for await (const frame of unpackAll(response.body)) if (frame.type === 'sweep') yield frame;
}

/** The data sets that can be fetched. */
export const listData = () => call('get', '/api/data', {});

/** @param {string} name  of a data set */
export const fetchData = (name) => call('post', '/api/data/{name}/fetch', { name });

/** @param {string} name  of a data set */
export const cancelFetch = (name) => call('delete', '/api/data/{name}/fetch', { name });

/** @param {string} name  of a data set */
export const removeData = (name) => call('delete', '/api/data/{name}', { name });

/** @param {import('../net/server.js').NewRun} run */
export const createRun = (run) => call('post', '/api/runs', {}, { body: run });

/**
 * @param {string} id
 * @param {'pause' | 'resume' | 'stop'} action
 */
export const command = (id, action) =>
  call('post', /** @type {const} */ (`/api/runs/{run_id}/${action}`), { run_id: id });

/** The challenges that one has solved. */
export const getSolved = () => call('get', '/api/challenges', {});

/** Check what a run has done of its experiment's challenges. @param {string} id */
export const checkChallenges = (id) => call('post', '/api/runs/{run_id}/challenges', { run_id: id });

/**
 * How a question turned out in one's own run.
 * @param {string} id
 * @param {string} question
 * @param {string | number | number[]} guess
 */
export const verdictOf = (id, question, guess) =>
  call('post', '/api/runs/{run_id}/questions/{question}', { run_id: id, question }, { body: { guess } });

/** The questions that come with the experiments. @param {import('./i18n.svelte.js').Language} lang */
export const classQuestions = (lang) => call('get', '/api/class/questions', {}, { query: { lang } });

/** Show a run to all; without one nothing any more. @param {import('../net/server.js').components['schemas']['ToShow']} shown */
export const showClass = (shown) => call('put', '/api/class/shown', {}, { body: shown });

/** @param {import('../net/server.js').components['schemas']['ToAsk']} question */
export const askClass = (question) => call('post', '/api/class/question', {}, { body: question });

/** @param {string} question @param {string | number | number[]} guess */
export const guessAt = (question, guess) =>
  call('post', '/api/class/guess', {}, { body: { question, guess } });

/** Take no more guesses. @param {string} question */
export const closeQuestion = (question) =>
  call('post', '/api/class/question/close', {}, { body: { question } });

/** Let the run of a question go. @param {string} question */
export const letGo = (question) => call('post', '/api/class/question/go', {}, { body: { question } });

/** Say which answer was right. @param {string} question @param {string} right */
export const markRight = (question, right) =>
  call('post', '/api/class/question/right', {}, { body: { question, right } });

/** Put the question away. */
export const endQuestion = () => call('delete', '/api/class/question', {});

/** That the server answers, and what its runs may train on. */
export const getHealth = () => call('get', '/api/health', {});

/** Who one is here. */
export const getMe = () => call('get', '/api/me', {});

/**
 * Come in.
 * @param {string} key
 * @param {string} name
 */
export const enter = (key, name) => call('post', '/api/enter', {}, { body: { key, name } });

/** @param {string} name */
export const rename = (name) => call('patch', '/api/me', {}, { body: { name } });

export const leave = () => call('post', '/api/leave', {});

export const accessKeys = () => call('get', '/api/access/keys', {});

export const serverNumbers = () => call('get', '/api/server', {});

export const accessPeople = () => call('get', '/api/access/people', {});

/**
 * @param {'viewer' | 'learner' | 'teacher'} role
 * @param {string} label
 */
export const newKey = (role, label) => call('post', '/api/access/keys', {}, { body: { role, label } });

/** Revoke a key with its people, or let one person in no longer. @param {string} id */
export const revoke = (id) => call('delete', '/api/access/{id}', { id });

/** A link as a QR code. @param {string} text */
export const qrOf = async (text) =>
  (await ask('/qr', { method: 'POST', headers: JSON_BODY, body: JSON.stringify({ text }) })).blob();

/**
 * Let everybody watch a run, or nobody else.
 * @param {string} id
 * @param {boolean} shared
 */
export const shareRun = (id, shared) =>
  call('patch', '/api/runs/{run_id}', { run_id: id }, { body: { shared } });
