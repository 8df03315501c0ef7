/** Work that nobody waits for. */

const MOST = 1000; // ms that a busy page may put it off
const SHORT = 200; // ms, in a browser that does not tell when it is idle

/**
 * Do something when the browser has nothing else to do.
 * @param {() => void} work
 * @param {number} [after]  ms before which it is not begun
 * @returns {() => void} forgets it, unless it is done
 */
export function whenIdle(work, after = 0) {
  let idle = 0;
  const timer = setTimeout(
    () => {
      if ('requestIdleCallback' in globalThis) idle = requestIdleCallback(work, { timeout: MOST });
      else work();
    },
    'requestIdleCallback' in globalThis ? after : after + SHORT,
  );
  return () => {
    clearTimeout(timer);
    if (idle) cancelIdleCallback(idle);
  };
}
