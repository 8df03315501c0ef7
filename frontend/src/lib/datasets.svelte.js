/** The data sets that can be fetched, as the server describes them: one list for the whole page. No DOM. */

import { cancelFetch, fetchData, listData, removeData } from './api.js';
import { refusal } from './refusal.js';

/** @typedef {import('../net/server.js').DataSetInfo} DataSetInfo */

const EVERY = 500; // ms between two looks while something is being fetched

export class DataSets {
  /** By name; empty until the first answer. @type {Record<string, DataSetInfo>} */
  sets = $state.raw({});
  /** A request that was refused. @type {import('./types.js').Refusal | null} */
  problem = $state.raw(null);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** Ask how things are, and again while something is being fetched, also for another page. */
  async look() {
    clearTimeout(this.#timer);
    try {
      const found = await listData();
      this.sets = Object.fromEntries(found.map((one) => [one.name, one]));
      this.problem = null;
    } catch (error) {
      this.problem = refusal(error);
    }
    clearTimeout(this.#timer);
    if (Object.values(this.sets).some((one) => one.state === 'fetching'))
      this.#timer = setTimeout(() => this.look(), EVERY);
  }

  /** Fetch a set, or go on fetching it. @param {string} name */
  fetch = (name) => this.#ask(fetchData(name));

  /** Cancel a fetch, and delete what has come. @param {string} name */
  cancel = (name) => this.#ask(cancelFetch(name));

  /** Delete a fetched set. @param {string} name */
  remove = (name) => this.#ask(removeData(name));

  /** @param {Promise<DataSetInfo>} answer */
  async #ask(answer) {
    try {
      const one = await answer;
      this.sets = { ...this.sets, [one.name]: one };
      await this.look();
    } catch (error) {
      this.problem = refusal(error);
    }
  }
}

export const datasets = new DataSets();

/** Whether a set is on the server's machine. @param {DataSetInfo | undefined} one */
export const isHere = (one) => one?.state === 'fetched' || one?.state === 'own';

/** Bytes as megabytes: 1.1, 31, 170. @param {number} bytes */
export const megabytes = (bytes) => {
  const size = bytes / 1e6;
  return size < 10 ? size.toFixed(1) : String(Math.round(size));
};
