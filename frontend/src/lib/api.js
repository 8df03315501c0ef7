/** The REST calls. No DOM. */

import { unpack, unpackAll } from './wire.js';

const JSON_BODY = { 'Content-Type': 'application/json' };

/**
 * A refused request: an RFC 9457 problem, another answer (`code` is `unexpected`), or none (`offline`).
 */
export class ApiError extends Error {
  /** @param {{detail?: string, code?: string, field?: string, params?: Record<string, unknown>, status?: number}} problem */
  constructor(problem) {
    super(problem.detail ?? 'no answer');
    this.status = problem.status ?? 0;
    this.code = problem.code ?? (this.status ? 'unexpected' : 'offline');
    this.field = problem.field ?? '';
    this.params = problem.params ?? { status: this.status };
  }
}

/**
 * An answer that is no refusal.
 * @param {string} path
 * @param {RequestInit} [request]
 * @returns {Promise<Response>}
 * @throws {ApiError}
 */
export async function ask(path, request) {
  let response;
  try {
    response = await fetch(`/api${path}`, request);
  } catch {
    throw new ApiError({});
  }
  if (response.ok) return response;
  const { status } = response;
  const problem = await response.json().catch(() => ({}));
  throw new ApiError({ status, ...problem });
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
async function call(method, path, body) {
  const sent = body === undefined ? {} : { headers: JSON_BODY, body: JSON.stringify(body) };
  const response = await ask(path, { method, ...sent });
  return response.status === 204 ? null : response.json();
}

/** @param {string} language */
export const listExperiments = (language) => call('GET', `/experiments?lang=${language}`);

/**
 * @param {string} id
 * @param {string} language
 */
export const getExperiment = (id, language) =>
  call('GET', `/experiments/${encodeURIComponent(id)}?lang=${language}`);

/** @param {string} id */
export const getRun = (id) => call('GET', `/runs/${encodeURIComponent(id)}`);

/** @param {string} id */
export const getKnobLog = (id) => call('GET', `/runs/${encodeURIComponent(id)}/knobs`);

/**
 * Runs that are recorded, the newest first.
 * @param {Record<string, string>} [which]  `experiment`, `search`, `starred`
 */
export const listRuns = (which = {}) => call('GET', `/runs?${new URLSearchParams(which)}`);

/**
 * The tree of branches a run belongs to, the oldest first.
 * @param {string} id
 */
export const getFamily = (id) => call('GET', `/runs/${encodeURIComponent(id)}/family`);

/**
 * @param {string} id
 * @param {{name?: string, starred?: boolean}} changes
 */
export const describeRun = (id, changes) => call('PATCH', `/runs/${encodeURIComponent(id)}`, changes);

/**
 * A run from an archive that another Descent exported.
 * @param {Blob} archive
 */
export async function importRun(archive) {
  const headers = { 'Content-Type': 'application/zip' };
  const response = await ask('/runs/import', { method: 'POST', headers, body: archive });
  return response.json();
}

/** @param {string} id */
export const deleteRun = (id) => call('DELETE', `/runs/${encodeURIComponent(id)}`);

/**
 * At which steps a run's pictures and checkpoints are recorded.
 * @param {string} id
 */
export const getKept = (id) => call('GET', `/runs/${encodeURIComponent(id)}/frames`);

/**
 * Scalars in columns: `step`, then one per name, null where none was measured.
 * @param {string} id
 * @param {number} from  the first step
 * @param {number} to  the last
 * @returns {Promise<Record<string, (number | null)[]>>}
 */
export const getScalars = (id, from, to) =>
  call('GET', `/runs/${encodeURIComponent(id)}/scalars?from=${from}&to=${to}`);

/**
 * A new run that goes on from where another one was.
 * @param {string} id
 * @param {number} step
 * @param {Record<string, unknown>} knobs  what to do differently
 */
export const branchRun = (id, step, knobs) =>
  call('POST', `/runs/${encodeURIComponent(id)}/branch`, { step, knobs });

/**
 * The last recorded frame of each panel at or before a step.
 * @param {string} id
 * @param {number} step
 * @param {string[]} panels
 * @returns {Promise<import('./types.js').Frame[]>}
 */
export async function getMoment(id, step, panels) {
  const query = new URLSearchParams([['step', String(step)], ...panels.map((panel) => ['panel', panel])]);
  const response = await ask(`/runs/${encodeURIComponent(id)}/moment?${query}`);
  return unpack(await response.arrayBuffer());
}

/**
 * What a schedule would make of a knob, from the step it begins at.
 * @param {string} id
 * @param {{knob: string, schedule: Record<string, any>, value: number, steps: number}} wish
 * @returns {Promise<{step: number[], value: number[]}>}
 */
export const planSchedule = (id, wish) => call('POST', `/runs/${encodeURIComponent(id)}/plan`, wish);

/**
 * Try other values of a knob from where a run was: frames as they come. Aborting ends it.
 * @param {string} id
 * @param {Record<string, unknown>} order
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<import('./types.js').Frame>}
 */
export async function* sweepRun(id, order, signal) {
  const request = { method: 'POST', headers: JSON_BODY, body: JSON.stringify(order), signal };
  const response = await ask(`/runs/${encodeURIComponent(id)}/sweep`, request);
  if (response.body) yield* unpackAll(response.body);
}

/** @param {{experiment: string, knobs: Record<string, unknown>, seed: number, paused: boolean}} run */
export const createRun = (run) => call('POST', '/runs', run);

/**
 * @param {string} id
 * @param {'pause' | 'resume' | 'stop'} action
 */
export const command = (id, action) => call('POST', `/runs/${encodeURIComponent(id)}/${action}`);
