/** The columns of the table of runs that sort it, and what is remembered of the order. No DOM. */

import { recall, remember } from '../../lib/storage.js';

/** @typedef {NonNullable<import('../../net/server.js').operations['list_runs_api_runs_get']['parameters']['query']>} Query */
/** @typedef {NonNullable<Query['sort']>} Column */
/** @typedef {{by: Column, descending: boolean}} Order */

const KEY = 'descent.history.order';

/** By column, whether the first click sorts it downwards: the newest and the longest, but the smallest loss. */
export const COLUMNS = /** @type {const} */ ({
  name: false,
  experiment: false,
  status: false,
  changes: false,
  step: true,
  loss: false,
  tags: false,
  created: true,
  size: true,
});

/** @type {Order} */
const NEWEST = { by: 'created', descending: true };

/** @returns {Order} */
export function recalledOrder() {
  const [by, way] = (recall(KEY) ?? '').split(' ');
  return Object.hasOwn(COLUMNS, by) ? { by: /** @type {Column} */ (by), descending: way === 'down' } : NEWEST;
}

/** @param {Order} order */
export const rememberOrder = ({ by, descending }) => remember(KEY, `${by} ${descending ? 'down' : 'up'}`);

/**
 * The order after a click on a column: its own first, or the other way round.
 * @param {Order} order
 * @param {Column} column
 * @returns {Order}
 */
export const clicked = (order, column) => ({
  by: column,
  descending: order.by === column ? !order.descending : COLUMNS[column],
});
