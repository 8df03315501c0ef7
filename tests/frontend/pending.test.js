import { expect, test } from 'vitest';
import { Pending } from '../../frontend/src/lib/pending.js';

test('what is wished lies over what the server said, until it is answered', () => {
  const pending = new Pending();
  pending.set({ lr: 0.1 });
  const first = pending.next();
  pending.set({ lr: 0.2 });
  expect(pending.over({ lr: 0.03, batch: 8 })).toEqual({ lr: 0.2, batch: 8 });
  pending.answered(first?.tag ?? '');
  expect(pending.over({ lr: 0.1, batch: 8 })).toEqual({ lr: 0.2, batch: 8 });
  pending.answered(pending.next()?.tag ?? '');
  expect(pending.empty).toBe(true);
});

test('a refusal drops its own wish and no other', () => {
  const pending = new Pending();
  pending.set({ lr: 0.1 });
  const good = pending.next();
  pending.set({ batch: -1 });
  const bad = pending.next();
  pending.set({ noise: 2 });
  pending.answered(bad?.tag ?? '');
  expect(pending.over({ batch: 8 })).toEqual({ lr: 0.1, batch: 8, noise: 2 });
  expect(good?.tag).not.toBe(bad?.tag);
});

test('of many wishes only a few are on their way; the rest become one', () => {
  const pending = new Pending();
  const sent = [];
  for (let i = 1; i <= 20; i++) {
    pending.set({ drawn: i });
    const wish = pending.next();
    if (wish) sent.push(wish);
  }
  expect(sent).toHaveLength(4);
  expect(pending.next()).toBeNull();
  pending.answered(sent[0].tag);
  expect(pending.next()?.knobs).toEqual({ drawn: 20 });
});

test('over a new connection what did not arrive is sent again, once', () => {
  const pending = new Pending();
  pending.set({ lr: 0.1 });
  pending.next();
  pending.set({ lr: 0.2, batch: 16 });
  pending.next();
  pending.renew({ lr: 0.2, batch: 8 });
  expect(pending.next()?.knobs).toEqual({ batch: 16 });
  expect(pending.next()).toBeNull();
  pending.renew({ lr: 0.2, batch: 16 });
  expect(pending.empty).toBe(true);
});

test('what came too early waits, and goes before what came after it', () => {
  const pending = new Pending();
  pending.set({ lr: 0.1 });
  const early = pending.next();
  pending.set({ lr: 0.3 });
  pending.postpone(early?.tag ?? '');
  expect(pending.next()?.knobs).toEqual({ lr: 0.3 });
});

test('a knob that is set by hand follows no schedule any more', () => {
  const pending = new Pending();
  const followed = { lr: 1, schedules: { lr: { kind: 'cosine' }, momentum: { kind: 'step' } } };
  pending.set({ lr: 0.1 });
  expect(pending.over(followed)).toEqual({ lr: 0.1, schedules: { momentum: { kind: 'step' } } });
});
