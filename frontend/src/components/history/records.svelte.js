/** The recorded runs that match a search, a page at a time: named, tagged, selected and deleted. No DOM. */

import { describeRun, importRun, listTags, markRuns, pageOfRuns } from '../../lib/api.js';
import { refusal } from '../../lib/refusal.js';
import { Removal } from './removal.svelte.js';
import { Selection } from './selection.svelte.js';

/** @typedef {import('../../lib/types.js').RunInfo} RunInfo */
/** @typedef {import('../../lib/types.js').ImportedRun} ImportedRun */
/** @typedef {Omit<import('./columns.js').Query, 'limit' | 'offset'>} Which */

export const ON_PAGE = 50; // runs

export class Records {
  /** Of this page, as the server sorted them. @type {RunInfo[]} */
  runs = $state.raw([]);
  /** How many match, on all pages. */
  total = $state(0);
  /** The number of the first run of this page. */
  offset = $state(0);
  /** Every tag in use. @type {string[]} */
  tags = $state.raw([]);
  /** Whether the first request has finished, with or without success. */
  asked = $state(false);
  /** @type {import('../../lib/types.js').Refusal | null} */
  problem = $state.raw(null);
  /** The last import, if the same run was here before. @type {ImportedRun | null} */
  repeated = $state.raw(null);

  selection = new Selection();
  removal = new Removal(
    () => this.again(),
    (error) => (this.problem = refusal(error)),
  );
  rows = $derived(this.runs.filter((run) => !this.removal.hides(run.id)));
  count = $derived(Math.max(this.rows.length, this.total - this.removal.hidden.length));

  /** @type {Which} */
  #which = {};
  #last = 0; // request

  /** Show the first page of the runs that match. @param {Which} which */
  async look(which) {
    this.#which = which;
    await this.turn(0);
  }

  /**
   * Show the page that begins with a run.
   * @param {number} offset
   * @returns {Promise<void>}
   */
  async turn(offset) {
    const request = ++this.#last;
    try {
      const found = await pageOfRuns({ ...this.#which, limit: ON_PAGE, offset });
      if (request !== this.#last) return; // a later one was answered first, or will be
      if (!found.runs.length && found.total && offset)
        return await this.turn(Math.floor((found.total - 1) / ON_PAGE) * ON_PAGE);
      this.runs = found.runs;
      this.total = found.total;
      this.offset = offset;
      this.selection.renew(found.runs);
      this.problem = null;
      this.tags = await listTags();
    } catch (error) {
      if (request === this.#last) this.problem = refusal(error);
    }
    this.asked = true;
  }

  /** Show the same page anew. */
  again = () => this.turn(this.offset);

  /**
   * @param {string} id
   * @param {{name?: string, starred?: boolean}} changes
   */
  async describe(id, changes) {
    try {
      await describeRun(id, changes);
      this.#renew(this.runs.filter((run) => run.id === id).map((run) => ({ ...run, ...changes })));
    } catch (error) {
      this.problem = refusal(error);
    }
  }

  /**
   * Star or tag runs.
   * @param {RunInfo[]} runs
   * @param {{starred?: boolean, add_tags?: string[], remove_tags?: string[]}} marks
   */
  async mark(runs, marks) {
    try {
      const ids = runs.map((run) => run.id);
      this.#renew(await markRuns(ids, marks));
      if (marks.add_tags || marks.remove_tags) this.tags = await listTags();
      this.problem = null;
    } catch (error) {
      this.problem = refusal(error);
    }
  }

  /** @param {RunInfo[]} changed */
  #renew(changed) {
    const found = new Map(changed.map((run) => [run.id, run]));
    this.runs = this.runs.map((run) => found.get(run.id) ?? run);
    this.selection.renew(changed);
  }

  /** Delete runs, which can be undone for a while. @param {RunInfo[]} runs */
  remove(runs) {
    this.selection.set(runs, false);
    this.removal.begin(runs);
  }

  /**
   * Import a run from an archive; null, with `problem` set, if it is not one, or with `repeated` set if the
   * same run was here before.
   * @param {Blob} archive
   */
  async take(archive) {
    this.repeated = null;
    try {
      const run = await importRun(archive);
      if (!run.already) return run;
      this.runs = [run, ...this.runs];
      this.total++;
      this.repeated = run;
      return null;
    } catch (error) {
      this.problem = refusal(error);
      return null;
    }
  }
}
