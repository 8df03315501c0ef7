/** The lab's keyboard shortcuts. */

/** @typedef {'help' | 'shrink' | 'play' | 'step' | 'reset'} Action */

/**
 * The action of a key; null if it belongs to the focused element, or has none.
 * @param {KeyboardEvent} event
 * @returns {Action | null}
 */
export function actionOf(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.metaKey || event.ctrlKey || event.altKey) return null;
  if (target.closest('input:not([type=range]), select, textarea, dialog')) return null;
  if (event.key === '?') return 'help';
  if (event.key === 'Escape') return 'shrink';
  const onControl = target.closest('button, a, [role="application"], [role="menu"], [role="slider"]');
  if (event.key === ' ') return onControl ? null : 'play';
  if (event.key === 'ArrowRight') return onControl ? null : 'step';
  const again = event.key.toLowerCase() === 'r' && !event.repeat;
  return again && !target.closest('input, [role="application"]') ? 'reset' : null;
}
