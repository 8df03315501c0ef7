/** CSS zoom, as in the presentation mode: an element draws in px of its own, pointer events count in the page's. */

/** The zoom of an element. @param {Element | undefined} element */
export const zoomOf = (element) => element?.currentCSSZoom ?? 1;

/**
 * Where a pointer event is in its target, in the target's px.
 * @param {MouseEvent} event
 */
export function placeOf({ target, clientX, clientY }) {
  const element = /** @type {Element} */ (target);
  const box = element.getBoundingClientRect();
  const zoom = zoomOf(element);
  return { x: (clientX - box.left) / zoom, y: (clientY - box.top) / zoom };
}

/**
 * The place of uPlot's cursor in the chart's px. uPlot asks again at every redraw: only the pointer's own is
 * converted, which it has rounded to a multiple of the plot's width where it lies beyond that.
 * @param {import('uplot')} u
 * @param {number} left
 * @param {number} top
 * @returns {[number, number]}
 */
export function cursorOf(u, left, top) {
  const zoom = zoomOf(u.over);
  const { event } = u.cursor;
  if (zoom === 1 || !event) return [left, top];
  const box = u.over.getBoundingClientRect();
  const x = event.clientX - box.left;
  const own = Math.abs(x - left) < 0.5 || (left > 0 && left % u.over.clientWidth === 0);
  return own ? [x / zoom, (event.clientY - box.top) / zoom] : [left, top];
}
