import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const api = vi.hoisted(() => ({
  ...{ describeRun: vi.fn(), importRun: vi.fn(), pageOfRuns: vi.fn() },
  ...{ listTags: vi.fn(), markRuns: vi.fn(), deleteRuns: vi.fn() },
}));
vi.mock('../../frontend/src/lib/api.js', () => api);
const { ON_PAGE, Records } = await import('../../frontend/src/components/history/records.svelte.js');
const { PATIENCE } = await import('../../frontend/src/components/history/removal.svelte.js');
const { clicked, recalledOrder, rememberOrder } =
  await import('../../frontend/src/components/history/columns.js');

const run = (/** @type {string} */ id, experiment = 'dcgan') => ({
  ...{ id, experiment, parent: null, branched_at: null, name: '', starred: false, tags: [] },
  created_at: `2026-01-0${id}`,
});
const all = { experiment: '', search: '', starred: false };

/** @param {any[]} runs */
async function recordsOf(...runs) {
  api.listTags.mockResolvedValue([]);
  api.pageOfRuns.mockResolvedValue({ runs, total: runs.length });
  const records = new Records();
  await records.look(all);
  return records;
}

beforeEach(() => vi.resetAllMocks());

describe('recorded runs', () => {
  it('stay where the server cannot be asked, which is a problem until it can', async () => {
    const records = await recordsOf(run('2'), run('1'));
    api.pageOfRuns.mockRejectedValueOnce(new Error('offline'));
    await records.look({ ...all, search: 'x' });
    expect(records.problem.message).toBe('offline');
    expect(records.runs).toHaveLength(2);
    await records.look(all);
    expect(records.problem).toBeNull();
  });

  it('are renamed once the server has taken the name', async () => {
    const records = await recordsOf(run('1'));
    await records.describe('1', { name: 'mine' });
    expect(records.runs[0].name).toBe('mine');
    api.describeRun.mockRejectedValueOnce(new Error('no'));
    await records.describe('1', { name: 'other' });
    expect(records.runs[0].name).toBe('mine');
    expect(records.problem.message).toBe('no');
  });

  it('come from archives, too', async () => {
    const records = new Records();
    api.importRun.mockResolvedValueOnce(run('1')).mockRejectedValueOnce(new Error('no zip'));
    expect(await records.take(new Blob())).toMatchObject({ id: '1' });
    expect(await records.take(new Blob())).toBeNull();
    expect(records.problem.message).toBe('no zip');
  });

  it('are shown beside the same run, if that was here before', async () => {
    const records = await recordsOf(run('1'));
    api.importRun.mockResolvedValueOnce({ ...run('2'), already: '1' }).mockResolvedValueOnce(run('3'));
    expect(await records.take(new Blob())).toBeNull();
    expect(records.repeated).toMatchObject({ id: '2', already: '1' });
    expect(records.runs.map((one) => one.id)).toEqual(['2', '1']);
    await records.take(new Blob());
    expect(records.repeated).toBeNull();
  });

  it('are asked for a page at a time, and the last page is shown where there is no such page any more', async () => {
    const records = await recordsOf(run('1'));
    api.pageOfRuns.mockImplementation(async ({ offset }) => ({
      runs: offset > ON_PAGE ? [] : [run('2')],
      total: ON_PAGE + 1,
    }));
    await records.turn(2 * ON_PAGE);
    expect(api.pageOfRuns).toHaveBeenLastCalledWith({ ...all, limit: ON_PAGE, offset: ON_PAGE });
    expect(records.offset).toBe(ON_PAGE);
  });

  it('are those of the last request, whichever is answered last', async () => {
    const records = await recordsOf();
    /** @type {(found: any) => void} */
    let answer = () => {};
    api.pageOfRuns.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
    const slow = records.look({ ...all, search: 's' });
    api.pageOfRuns.mockResolvedValueOnce({ runs: [run('2')], total: 1 });
    await records.look({ ...all, search: 'sp' });
    answer({ runs: [run('1')], total: 1 });
    await slow;
    expect(records.runs.map((one) => one.id)).toEqual(['2']);
  });

  it('are tagged once the server has taken the tags', async () => {
    const records = await recordsOf(run('2'), run('1'));
    records.selection.set(records.rows, true);
    api.markRuns.mockResolvedValueOnce([{ ...run('1'), tags: ['best'] }]);
    await records.mark([records.runs[1]], { add_tags: ['best'] });
    expect(api.markRuns).toHaveBeenCalledWith(['1'], { add_tags: ['best'] });
    expect(records.runs[1].tags).toEqual(['best']);
    expect(records.selection.runs[1].tags).toEqual(['best']);
    api.markRuns.mockRejectedValueOnce(new Error('too many'));
    await records.mark(records.runs, { add_tags: ['more'] });
    expect(records.problem.message).toBe('too many');
  });
});

describe('a selection', () => {
  it('takes a range from the last row that was clicked', async () => {
    const records = await recordsOf(...['5', '4', '3', '2', '1'].map((id) => run(id)));
    const { rows, selection } = records;
    const ids = () => selection.runs.map((one) => one.id);
    selection.toggle(rows[1], rows);
    selection.toggle(rows[3], rows, true);
    expect(ids()).toEqual(['4', '3', '2']);
    selection.toggle(rows[2], rows, true); // upwards, and away
    expect(ids()).toEqual(['4']);
    selection.set(rows, true);
    expect(ids()).toHaveLength(5);
  });

  it('stays when another page is shown', async () => {
    const records = await recordsOf(run('1'));
    records.selection.toggle(records.rows[0], records.rows);
    api.pageOfRuns.mockResolvedValueOnce({ runs: [run('2')], total: 1 });
    await records.look(all);
    expect(records.selection.runs.map((one) => one.id)).toEqual(['1']);
  });
});

describe('a comparison', () => {
  it('is of two runs at least, and shows the first that was chosen', async () => {
    const { rows, selection } = await recordsOf(run('2'), run('1'));
    selection.toggle(rows[1], rows);
    expect([selection.comparison, selection.obstacle]).toEqual(['', 'few']);
    selection.toggle(rows[0], rows);
    expect(selection.comparison).toBe('/lab/dcgan?run=1&with=2');
    selection.toggle(rows[1], rows);
    expect(selection.runs.map((one) => one.id)).toEqual(['2']);
  });

  it('is of runs of one experiment', async () => {
    const { rows, selection } = await recordsOf(run('2', 'search'), run('1'));
    selection.set(rows, true);
    expect([selection.comparison, selection.obstacle]).toEqual(['', 'mixed']);
  });

  it('is of five runs at most', async () => {
    const { rows, selection } = await recordsOf(...['1', '2', '3', '4', '5', '6'].map((id) => run(id)));
    selection.set(rows.slice(0, 5), true);
    expect(selection.obstacle).toBe('');
    selection.set(rows, true);
    expect([selection.comparison, selection.obstacle]).toEqual(['', 'many']);
  });
});

describe('a deletion', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());
  const shown = (/** @type {any} */ records) => records.rows.map((/** @type {any} */ one) => one.id);

  it('has happened only when the time is over', async () => {
    const records = await recordsOf(run('2'), run('1'));
    records.selection.set(records.rows, true);
    records.remove([records.rows[1]]);
    expect([shown(records), records.count]).toEqual([['2'], 1]);
    expect(records.selection.runs.map((one) => one.id)).toEqual(['2']);
    await vi.advanceTimersByTimeAsync(PATIENCE - 1);
    expect(api.deleteRuns).not.toHaveBeenCalled();
    api.pageOfRuns.mockResolvedValue({ runs: [run('2')], total: 1 });
    await vi.advanceTimersByTimeAsync(1);
    expect(api.deleteRuns).toHaveBeenCalledWith(['1'], false);
    expect([shown(records), records.count]).toEqual([['2'], 1]);
  });

  it('can be undone', async () => {
    const records = await recordsOf(run('2'), run('1'));
    records.remove(records.rows);
    expect(shown(records)).toEqual([]);
    records.removal.undo();
    await vi.advanceTimersByTimeAsync(2 * PATIENCE);
    expect(shown(records)).toEqual(['2', '1']);
    expect(api.deleteRuns).not.toHaveBeenCalled();
  });

  it('happens at once when the page is left, or another begins', async () => {
    const records = await recordsOf(run('3'), run('2'), run('1'));
    const [three, two, one] = records.rows;
    records.remove([three]);
    records.remove([two]);
    expect(api.deleteRuns).toHaveBeenLastCalledWith(['3'], false);
    expect(shown(records)).toEqual(['1']);
    records.removal.finish({ leaving: true });
    expect(api.deleteRuns).toHaveBeenLastCalledWith(['2'], true);
    expect(one.id).toBe('1');
  });

  it('that is refused brings the run back, and the reason', async () => {
    const records = await recordsOf(run('1'));
    api.deleteRuns.mockRejectedValueOnce(new Error('locked'));
    records.remove(records.rows);
    await vi.advanceTimersByTimeAsync(PATIENCE);
    expect(shown(records)).toEqual(['1']);
    expect(records.problem.message).toBe('locked');
  });
});

describe('the order of the table', () => {
  it('turns round on a second click, and is remembered', () => {
    const first = recalledOrder();
    expect(first).toEqual({ by: 'created', descending: true });
    const byLoss = clicked(first, 'loss');
    expect(byLoss).toEqual({ by: 'loss', descending: false });
    expect(clicked(byLoss, 'loss')).toEqual({ by: 'loss', descending: true });
    expect(clicked(byLoss, 'step').descending).toBe(true);
    rememberOrder(byLoss);
    expect(recalledOrder()).toEqual(byLoss);
  });
});
