/** The lab's keyboard shortcuts. */

/** @typedef {'help' | 'shrink' | 'play' | 'step' | 'reset' | 'film' | 'slower' | 'faster' | 'undo' | 'redo' | 'link' | 'present'} Action */

/** @type {Record<string, Action>} */
const LETTERS = { r: 'reset', l: 'link', p: 'present' };

/**
 * The action of a key; null if it belongs to the focused element, or has none.
 * @param {KeyboardEvent} event
 * @returns {Action | null}
 */
export function actionOf(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target.closest('input:not([type=range]), select, textarea, dialog')) return null;
  if ((event.metaKey || event.ctrlKey) && !event.altKey && event.key.toLowerCase() === 'z')
    return event.shiftKey ? 'redo' : 'undo';
  if (event.ctrlKey && !event.altKey && event.key.toLowerCase() === 'y') return 'redo';
  if (event.metaKey || event.ctrlKey || event.altKey) return null;
  if (event.key === '?') return 'help';
  if (event.key === 'Escape') return 'shrink';
  const onControl = target.closest('button, a, [role="application"], [role="menu"], [role="slider"]');
  if (event.key === ' ') return onControl ? null : 'play';
  if (event.key === 'ArrowRight') return onControl ? null : 'step';
  if (event.key === ',') return 'slower';
  if (event.key === '.') return 'faster';
  if (event.key.toLowerCase() === 'f' && !event.repeat) return 'film';
  const letter = event.repeat || target.closest('input, [role="application"]') ? '' : event.key.toLowerCase();
  return LETTERS[letter] ?? null;
}
