/** Overlays of a `Lines` picture: shaded bands under the curves, and single points over them. */

import uPlot from 'uplot';

/**
 * @typedef {object} Overlay
 * @property {Float32Array} x  of the curves
 * @property {{low: Float32Array, high: Float32Array}[]} bands  one per curve, or none
 * @property {{series: number, x: number, y: number}[]} dots
 */

/** @type {Overlay} */
export const NOTHING = { x: new Float32Array(), bands: [], dots: [] };

/**
 * The bands and points of one chart of a `Lines` frame.
 * @param {import('../../lib/types.js').PanelFrame<'lines'>} frame
 * @param {number} group
 * @param {number} curves  in each group
 * @returns {Overlay}
 */
export function overlayOf(frame, group, curves) {
  const { x, low, high, dots } = /** @type {Record<string, {data: Float32Array}>} */ (frame.tensors);
  const part = (/** @type {Float32Array} */ of, /** @type {number} */ i) =>
    of.subarray((group * curves + i) * x.data.length, (group * curves + i + 1) * x.data.length);
  const shaded = low?.data.length ? curves : 0;
  const bands = Array.from({ length: shaded }, (_, i) => ({
    low: part(low.data, i),
    high: part(high.data, i),
  }));
  const found = [];
  for (let i = 0; i < (dots?.data.length ?? 0); i += 4) {
    const [of, series, at, y] = dots.data.subarray(i, i + 4);
    if (of === group) found.push({ series, x: at, y });
  }
  return { x: x.data, bands, dots: found };
}

/**
 * The range that covers the curves, from `low` to `high`, and their overlay.
 * @param {'x' | 'y'} axis
 * @param {Overlay} overlay
 * @param {number | null} low
 * @param {number | null} high
 * @param {boolean} log  only positive values count
 * @returns {[number | null, number | null]}
 */
export function stretched(axis, overlay, low, high, log) {
  let [from, to] = [low ?? Infinity, high ?? -Infinity];
  const take = (/** @type {number} */ value) => {
    if (!Number.isFinite(value) || (log && value <= 0)) return;
    from = Math.min(from, value);
    to = Math.max(to, value);
  };
  for (const dot of overlay.dots) take(dot[axis]);
  if (axis === 'y') {
    for (const band of overlay.bands) {
      band.low.forEach(take);
      band.high.forEach(take);
    }
  }
  return from <= to ? [from, to] : [null, null];
}

/**
 * @param {uPlot} u
 * @param {Overlay} overlay
 * @param {(series: number) => string} stroke
 */
export function drawBands(u, { x, bands }, stroke) {
  const { ctx } = u;
  clipped(u, () => {
    ctx.globalAlpha = 0.16;
    bands.forEach(({ low, high }, series) => {
      const drawn = [...x.keys()].filter((i) => Number.isFinite(low[i]) && Number.isFinite(high[i]));
      if (drawn.length < 2) return;
      ctx.fillStyle = stroke(series);
      ctx.beginPath();
      for (const i of drawn) ctx.lineTo(u.valToPos(x[i], 'x', true), u.valToPos(high[i], 'y', true));
      for (const i of drawn.reverse()) ctx.lineTo(u.valToPos(x[i], 'x', true), u.valToPos(low[i], 'y', true));
      ctx.fill();
    });
  });
}

/**
 * @param {uPlot} u
 * @param {Overlay} overlay
 * @param {(series: number) => string} stroke  −1: of none
 */
export function drawDots(u, { dots }, stroke) {
  const { ctx } = u;
  const radius = (dots.length > 300 ? 1.5 : dots.length > 80 ? 2.25 : 3) * uPlot.pxRatio;
  clipped(u, () => {
    ctx.globalAlpha = 0.75;
    for (const { series, x, y } of dots) {
      if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
      ctx.fillStyle = stroke(series);
      ctx.beginPath();
      ctx.arc(u.valToPos(x, 'x', true), u.valToPos(y, 'y', true), radius, 0, 2 * Math.PI);
      ctx.fill();
    }
  });
}

/**
 * Draw inside the axes only.
 * @param {uPlot} u
 * @param {() => void} draw
 */
function clipped({ ctx, bbox }, draw) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw();
  ctx.restore();
}
