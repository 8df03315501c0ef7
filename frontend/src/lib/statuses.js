/** Properties of each status of a run. Pure. */

/** @typedef {import('./types.js').RunStatus} RunStatus */

/**
 * `over`: it takes no further steps; `resumable`: but can be resumed; `busy`: it trains, or will without being
 * asked. A status that is missing here fails the type check.
 * @type {Record<RunStatus, {over?: true, resumable?: true, busy?: true}>}
 */
export const STATUSES = {
  queued: { busy: true },
  starting: { busy: true },
  running: { busy: true },
  paused: {},
  finished: { over: true },
  stopped: { over: true, resumable: true },
  diverged: { over: true },
  failed: { over: true, resumable: true },
  interrupted: { over: true, resumable: true },
};

/** Whether a run has ended. @param {RunStatus} status */
export const isOver = (status) => STATUSES[status].over === true;

/** Whether an ended run can be resumed. @param {RunStatus} status */
export const isResumable = (status) => STATUSES[status].resumable === true;

/** Whether it trains, or will without being asked. @param {RunStatus} status */
export const isBusy = (status) => STATUSES[status].busy === true;
