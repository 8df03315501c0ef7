import { beforeEach, describe, expect, it, vi } from 'vitest';

const api = vi.hoisted(() => ({ describeRun: vi.fn(), importRun: vi.fn(), listRuns: vi.fn() }));
vi.mock('../../frontend/src/lib/api.js', () => api);
const { Records } = await import('../../frontend/src/components/history/records.svelte.js');

const run = (/** @type {string} */ id, experiment = 'dcgan') => ({
  ...{ id, experiment, parent: null, branched_at: null, name: '', starred: false },
  created_at: `2026-01-0${id}`,
});
const all = { experiment: '', search: '', starred: false };

/** @param {any[]} runs */
async function recordsOf(...runs) {
  api.listRuns.mockResolvedValue(runs);
  const records = new Records();
  await records.look(all);
  return records;
}

beforeEach(() => vi.resetAllMocks());

describe('recorded runs', () => {
  it('stay where the server cannot be asked, which is a problem until it can', async () => {
    const records = await recordsOf(run('2'), run('1'));
    api.listRuns.mockRejectedValueOnce(new Error('offline'));
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
});

describe('a comparison', () => {
  it('is of two runs at least, and shows the first that was chosen', async () => {
    const records = await recordsOf(run('2'), run('1'));
    records.toggle('1');
    expect(records.comparison).toBe('');
    records.toggle('2');
    expect(records.comparison).toBe('/lab/dcgan?run=1&with=2');
    records.toggle('1');
    expect(records.chosen).toEqual(['2']);
  });

  it('is of runs of one experiment', async () => {
    const [one, other] = [run('1'), run('2', 'search')];
    const records = await recordsOf(other, one);
    records.toggle('1');
    expect(records.isChoosable(other)).toBe(false);
    expect(records.isChoosable(one)).toBe(true);
  });

  it('is of five runs at most', async () => {
    const runs = ['1', '2', '3', '4', '5', '6'].map((id) => run(id));
    const records = await recordsOf(...runs);
    for (const { id } of runs.slice(0, 5)) records.toggle(id);
    expect(records.isChoosable(runs[5])).toBe(false);
    expect(records.isChoosable(runs[4])).toBe(true);
  });

  it('forgets a run that was deleted', async () => {
    const records = await recordsOf(run('2'), run('1'));
    records.toggle('1');
    records.toggle('2');
    records.forget('1');
    expect(records.chosen).toEqual(['2']);
    expect(records.rows.map((row) => row.run.id)).toEqual(['2']);
  });
});
