/** The error that requests throw. */

/**
 * A refused request: an RFC 9457 problem, another response (`code` is `unexpected`), or none (`offline`).
 */
export class ApiError extends Error {
  /** @param {Partial<import('../net/server.js').Problem>} problem */
  constructor(problem) {
    super(problem.detail ?? 'no answer');
    this.status = problem.status ?? 0;
    this.code = problem.code ?? (this.status ? 'unexpected' : 'offline');
    this.field = problem.field ?? '';
    /** @type {Record<string, unknown>} */
    this.params = problem.params ?? { status: this.status };
  }
}

/**
 * The error of a request as a refusal, for display. A response that breaks off counts as `offline`.
 * @param {unknown} error
 * @returns {ApiError}
 */
export const refusal = (error) =>
  error instanceof ApiError
    ? error
    : new ApiError({ detail: error instanceof Error ? error.message : String(error) });
