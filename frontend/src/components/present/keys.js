/** The keys of the presentation. */

/**
 * What a key does there: a preset's place from 0, a deed, or null if it belongs to the focused element.
 * @param {KeyboardEvent} event
 * @returns {number | 'play' | 'notes' | 'help' | 'back' | 'on' | 'leave' | null}
 */
export function deedOf(event) {
  const target = /** @type {HTMLElement} */ (event.target);
  if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented) return null;
  if (target.closest('dialog')) return null;
  if (event.key === 'Escape')
    return target.closest('.popover')?.querySelector('[aria-expanded="true"]') ? null : 'leave';
  if (target.closest('input:not([type=range]), select, textarea')) return null;
  if (/^[1-9]$/.test(event.key)) return Number(event.key) - 1;
  if (event.key === '?') return 'help';
  if (event.key.toLowerCase() === 'n') return 'notes';
  if (target.closest('input, [role="application"], [role="menu"], [role="slider"]')) return null;
  if (event.key === 'ArrowLeft') return 'back';
  if (event.key === 'ArrowRight') return 'on';
  return event.key === ' ' && !target.closest('button, a') ? 'play' : null;
}
