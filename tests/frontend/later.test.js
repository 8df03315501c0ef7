import { expect, it, vi } from 'vitest';
import { Later } from '../../frontend/src/lib/later.svelte.js';

it('comes once, however often it is asked for', async () => {
  const load = vi.fn(async () => 'a part');
  const part = new Later(load);
  expect(part.value).toBe(undefined);
  await Promise.all([part.come(), part.come()]);
  await part.come();
  expect(part.value).toBe('a part');
  expect(load).toHaveBeenCalledOnce();
});

it('is null where it could not be had, and tried again by who asks next', async () => {
  const load = vi.fn().mockRejectedValueOnce(new Error('no network')).mockResolvedValue('a part');
  const part = new Later(load);
  await part.come();
  expect(part.value).toBe(null);
  await part.come();
  expect(part.value).toBe('a part');
});
