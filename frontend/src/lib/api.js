/** The REST calls. No DOM. */

/**
 * A refused request: an RFC 9457 problem, or a network that failed (`code` is `offline`).
 */
export class ApiError extends Error {
  /** @param {{detail?: string, code?: string, field?: string, params?: Record<string, unknown>, status?: number}} problem */
  constructor(problem) {
    super(problem.detail ?? 'no answer');
    this.code = problem.code ?? 'offline';
    this.field = problem.field ?? '';
    this.params = problem.params ?? {};
    this.status = problem.status ?? 0;
  }
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
async function call(method, path, body) {
  let response;
  try {
    response = await fetch(`/api${path}`, {
      method,
      headers: body === undefined ? {} : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError({});
  }
  if (!response.ok) throw new ApiError(await response.json().catch(() => ({ status: response.status })));
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

/** @param {{experiment: string, knobs: Record<string, unknown>, seed: number, paused: boolean}} run */
export const createRun = (run) => call('POST', '/runs', run);

/**
 * @param {string} id
 * @param {'pause' | 'resume' | 'stop'} action
 */
export const command = (id, action) => call('POST', `/runs/${encodeURIComponent(id)}/${action}`);
