/** What a request throws. */

/**
 * A refused request: an RFC 9457 problem, another answer (`code` is `unexpected`), or none (`offline`).
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
 * What was thrown by a request, to be shown. An answer that breaks off is none.
 * @param {unknown} error
 * @returns {ApiError}
 */
export const refusal = (error) =>
  error instanceof ApiError
    ? error
    : new ApiError({ detail: error instanceof Error ? error.message : String(error) });
