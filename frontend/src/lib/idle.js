/** Work that nobody waits for. */

const MOST = 1000; // ms that a busy page may put it off
const SHORT = 200; // ms, in a browser that does not tell when it is idle
const UNSEEN = 2000; // ms that a first picture may take, which is not drawn where its panel is hidden

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

/**
 * Let parts come that a lab's first picture need not wait for, so that nothing waits for them later.
 * @param {{begun: boolean, pictured: boolean}} lab  whether it has trained, and whether its first picture is there
 * @param {{come: () => unknown}[]} parts
 * @returns {(() => void) | undefined} forgets them, unless they have been asked for
 */
export function afterPicture({ begun, pictured }, parts) {
  if (!begun) return;
  return whenIdle(() => parts.forEach((part) => part.come()), pictured ? 0 : UNSEEN);
}
