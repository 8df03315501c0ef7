import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { afterPicture, whenIdle } from '../../frontend/src/lib/idle.js';

/** What the browser does once it is idle. @type {Map<number, () => void>} */
const idle = new Map();
const browser = {
  busy: () => {
    let last = 0;
    vi.stubGlobal('requestIdleCallback', (/** @type {() => void} */ work) => (idle.set(++last, work), last));
    vi.stubGlobal('cancelIdleCallback', (/** @type {number} */ id) => idle.delete(id));
  },
  rests: () => [...idle].forEach(([id, work]) => (idle.delete(id), work())),
};
const part = () => ({ come: vi.fn() });

beforeEach(() => {
  vi.useFakeTimers();
  browser.busy();
});
afterEach(() => {
  idle.clear();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('work that nobody waits for', () => {
  it('is done once the browser has nothing else to do', () => {
    const work = vi.fn();
    whenIdle(work);
    vi.advanceTimersByTime(10_000);
    expect(work).not.toHaveBeenCalled();
    browser.rests();
    expect(work).toHaveBeenCalledOnce();
  });

  it('is forgotten both before and after the browser was asked', () => {
    const work = vi.fn();
    const early = whenIdle(work, 500);
    early();
    vi.advanceTimersByTime(1000);
    expect(idle.size).toBe(0);
    const late = whenIdle(work);
    vi.advanceTimersByTime(1);
    expect(idle.size).toBe(1);
    late();
    browser.rests();
    expect(work).not.toHaveBeenCalled();
  });

  it('is done a little later in a browser that does not tell when it is idle', () => {
    vi.unstubAllGlobals();
    const work = vi.fn();
    whenIdle(work, 100);
    vi.advanceTimersByTime(299);
    expect(work).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(work).toHaveBeenCalledOnce();
  });
});

describe('what a first picture need not wait for', () => {
  it('is not asked for before training has begun', () => {
    const terms = part();
    expect(afterPicture({ begun: false, pictured: false }, [terms])).toBe(undefined);
    vi.advanceTimersByTime(60_000);
    browser.rests();
    expect(terms.come).not.toHaveBeenCalled();
  });

  it('comes after the picture, all of it, as soon as the browser is idle', () => {
    const parts = [part(), part()];
    const forget = afterPicture({ begun: true, pictured: false }, parts);
    vi.advanceTimersByTime(1999);
    browser.rests();
    for (const { come } of parts) expect(come).not.toHaveBeenCalled();
    forget?.(); // as the effect does when the picture is there
    afterPicture({ begun: true, pictured: true }, parts);
    vi.advanceTimersByTime(1);
    for (const { come } of parts) expect(come).not.toHaveBeenCalled();
    browser.rests();
    for (const { come } of parts) expect(come).toHaveBeenCalledOnce();
  });

  it('comes without a picture where none is drawn', () => {
    const terms = part();
    afterPicture({ begun: true, pictured: false }, [terms]);
    vi.advanceTimersByTime(2000);
    browser.rests();
    expect(terms.come).toHaveBeenCalledOnce();
  });
});
