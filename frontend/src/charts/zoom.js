/** CSS zoom, as of the presentation mode: what an element draws in its own px, and pointer events count in the page's. */

/** The zoom of an element. @param {Element | undefined} element */
export const zoomOf = (element) => element?.currentCSSZoom ?? 1;
