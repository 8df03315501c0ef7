import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const api = vi.hoisted(() => ({
  cancelFetch: vi.fn(),
  fetchData: vi.fn(),
  listData: vi.fn(),
  removeData: vi.fn(),
}));
vi.mock('../../frontend/src/lib/api.js', () => api);
const { DataSets, isHere, megabytes } = await import('../../frontend/src/lib/datasets.svelte.js');

const set = (state, done = 0) => ({ name: 'mnist', state, done, size: 100, problem: null });

beforeEach(() => {
  vi.resetAllMocks();
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

describe('the data sets', () => {
  it('are asked for again while one is being fetched, and no longer', async () => {
    const found = new DataSets();
    api.listData.mockResolvedValueOnce([set('fetching', 10)]).mockResolvedValueOnce([set('fetching', 60)]);
    api.listData.mockResolvedValue([set('fetched')]);
    await found.look();
    expect(found.sets.mnist.done).toBe(10);
    await vi.advanceTimersToNextTimerAsync();
    expect(found.sets.mnist.done).toBe(60);
    await vi.advanceTimersToNextTimerAsync();
    expect(isHere(found.sets.mnist)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
    expect(api.listData).toHaveBeenCalledTimes(3);
  });

  it('are fetched, cancelled and removed by name, and asked for after each', async () => {
    const found = new DataSets();
    api.listData.mockResolvedValue([set('fetching')]);
    for (const [act, call] of [
      ['fetch', api.fetchData],
      ['cancel', api.cancelFetch],
      ['remove', api.removeData],
    ]) {
      call.mockResolvedValue(set('absent'));
      await found[act]('mnist');
      expect(call).toHaveBeenCalledExactlyOnceWith('mnist');
      expect(found.sets.mnist.state).toBe('fetching');
      expect(vi.getTimerCount()).toBe(1);
    }
  });

  it('stay where the server cannot be asked, which is a problem until it can', async () => {
    const found = new DataSets();
    api.listData.mockResolvedValueOnce([set('absent')]).mockRejectedValueOnce(new Error('offline'));
    await found.look();
    await found.look();
    expect(found.sets.mnist.state).toBe('absent');
    expect(found.problem.message).toBe('offline');
    api.listData.mockResolvedValueOnce([set('absent')]);
    await found.look();
    expect(found.problem).toBeNull();
  });

  it('have a size that one can read', () => {
    expect([1_115_394, 30_878_645, 170_052_171].map(megabytes)).toEqual(['1.1', '31', '170']);
  });
});
