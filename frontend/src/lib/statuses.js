/** What each status of a run means for the page. Pure. */

/** @typedef {import('./types.js').RunStatus} RunStatus */

/**
 * `over`: it takes no more steps; `resumable`: but can go on where it ended; `busy`: it trains, or will without being
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

/** Whether a run takes no more steps. @param {RunStatus} status */
export const isOver = (status) => STATUSES[status].over === true;

/** Whether one that is over can go on where it ended. @param {RunStatus} status */
export const isResumable = (status) => STATUSES[status].resumable === true;

/** Whether it trains, or will without being asked. @param {RunStatus} status */
export const isBusy = (status) => STATUSES[status].busy === true;
