/** Positions of steps on a run's timeline, and the steps that pointer and keys select. Pure. */

const SNAP = 6; // px within which a mark catches the pointer
const END = 0.995; // share of the timeline beyond which it means the present
const NOTCHES = 200; // arrow keys from end to end

/** @typedef {{first: number, step: number}} Span  of a run: its first step and its last */

/** The position of a step, from 0 to 1. @param {Span} span @param {number} step */
export const place = ({ first, step: last }, step) =>
  (Math.min(last, Math.max(first, step)) - first) / Math.max(1, last - first);

/**
 * The step at a share of the timeline; that of a mark where one is near.
 * @param {Span} span
 * @param {number[]} marks  their steps
 * @param {number} share
 * @param {number} width  px of the timeline
 */
export function stepAt(span, marks, share, width) {
  const bounded = Math.min(1, Math.max(0, share));
  if (bounded > END) return span.step;
  const [caught] = marks
    .map((step) => ({ step, away: Math.abs(place(span, step) - bounded) * width }))
    .filter(({ away }) => away <= SNAP)
    .sort((a, b) => a.away - b.away);
  return caught?.step ?? Math.round(span.first + bounded * Math.max(1, span.step - span.first));
}

/**
 * The step a key selects; null: the present, undefined: the key does nothing.
 * @param {string} key
 * @param {boolean} far  ten times as far
 * @param {Span} span
 * @param {number} now  the step shown
 * @param {number[]} marks  their steps, at which the Page keys stop
 * @returns {number | null | undefined}
 */
export function keyStep(key, far, span, now, marks) {
  const notch = Math.max(1, Math.round(Math.max(1, span.step - span.first) / NOTCHES)) * (far ? 10 : 1);
  const stops = [span.first, ...marks];
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowDown':
      return Math.max(span.first, now - notch);
    case 'ArrowRight':
    case 'ArrowUp':
      return now + notch;
    case 'PageDown':
      return Math.max(span.first, ...stops.filter((step) => step < now));
    case 'PageUp':
      return Math.min(span.step, ...stops.filter((step) => step > now));
    case 'Home':
      return span.first;
    case 'End':
    case 'Escape':
      return null;
  }
}
