/** How each canvas is drawn again, so that a drawing can be recorded as it is made. */

/** @typedef {() => void | Promise<void>} Redraw */

/** @type {WeakMap<HTMLCanvasElement, Redraw>} */
const redraws = new WeakMap();

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Redraw} redraw  draws the very picture that is shown, from its beginning
 */
export const redrawnBy = (canvas, redraw) => void redraws.set(canvas, redraw);

/** Undefined where nobody said, as of WebGL. @param {HTMLCanvasElement} canvas */
export const redrawOf = (canvas) => redraws.get(canvas);
