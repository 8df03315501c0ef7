/** Drawing a loss surface from above: filled contours, the trails of the racers, known minima. */

import { interpolateRgb, interpolateRgbBasis } from 'd3-interpolate';
import { categorical, rgb } from '../../charts/colour.js';
import { head } from './trails.js';

/** @typedef {ReturnType<typeof import('./surface.js').bands>} Bands */
/** @typedef {import('../../charts/plane.js').Plane} Plane */
/** @typedef {'light' | 'dark'} ThemeName */

/** Shapes about the origin, 5 px in radius, in SVG's path syntax: the second cue beside a path's colour. */
export const MARKERS = [
  'M4.5 0A4.5 4.5 0 1 1-4.5 0A4.5 4.5 0 1 1 4.5 0Z',
  'M-4-4H4V4H-4Z',
  'M0-5.2L5 3.8H-5Z',
  'M0-5.6L5 0L0 5.6L-5 0Z',
  'M0 5.2L5-3.8H-5Z',
  'M-1.7-5H1.7V-1.7H5V1.7H1.7V5H-1.7V1.7H-5V-1.7H-1.7Z',
  'M0-5.2L4.9-1.6L3.1 4.2H-3.1L-4.9-1.6Z',
  'M0-6L1.5-2.1L5.7-1.9L2.4.8L3.5 4.9L0 2.5L-3.5 4.9L-2.4.8L-5.7-1.9L-1.5-2.1Z',
];
/** A cross: where a racer left for good. */
export const CROSS = 'M-4.5-4.5L4.5 4.5M4.5-4.5L-4.5 4.5';
const STAR = 'M0-7L1.8-1.8L7 0L1.8 1.8L0 7L-1.8 1.8L-7 0L-1.8-1.8Z';
const AGES = 6; // parts of a trail, from faint to full
const FAINT = 0.35; // opacity of the oldest

/** From the valley to the heights: quiet enough for the trails to stand out, light growing all the way. */
const RAMPS = {
  light: ['#8193c8', '#a6bbdc', '#cfdfea', '#f3f7f9'],
  dark: ['#0d1026', '#1a2748', '#2c4560', '#4a6878'],
};

/** @type {Record<ThemeName, Uint8ClampedArray>} */
const PALETTES = { light: ramp('light'), dark: ramp('dark') };

/**
 * @param {ThemeName} theme
 * @returns {Uint8ClampedArray}  256 × 3
 */
function ramp(theme) {
  const colour = interpolateRgbBasis(RAMPS[theme]);
  const lut = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) lut.set(rgb(colour(i / 255)), i * 3);
  return lut;
}

/**
 * The colour of a racer; on a dark map a little lighter.
 * @param {number} index
 * @param {ThemeName} theme
 */
export function racerColour(index, theme) {
  return theme === 'light' ? categorical(index) : interpolateRgb(categorical(index), '#ffffff')(0.28);
}

/** @param {ThemeName} theme */
export const palette = (theme) => PALETTES[theme];

/** The filled contours as a picture that is drawn again only for another surface, size or theme. */
export class ContourPicture {
  canvas = document.createElement('canvas');
  /** @type {unknown[]} */
  #drawn = [];

  /**
   * @param {Bands} bands
   * @param {{rows: number, columns: number}} samples  on a grid that includes both ends of both axes
   * @param {number} width  in pixels
   * @param {number} height
   * @param {ThemeName} theme
   * @param {number} [ratio]  device pixels per pixel
   */
  draw(bands, samples, width, height, theme, ratio = 1) {
    const wanted = [bands, width, height, theme, ratio];
    if (wanted.every((value, i) => value === this.#drawn[i])) return this.canvas;
    this.#drawn = wanted;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext('2d'));
    const lut = palette(theme);
    const sx = this.canvas.width / (samples.columns - 1);
    const sy = this.canvas.height / (samples.rows - 1);
    context.setTransform(sx, 0, 0, -sy, -sx / 2, this.canvas.height + sy / 2);
    for (const { part, rings } of bands) {
      const path = new Path2D();
      for (const ring of rings) {
        ring.forEach(([x, y], i) => (i ? path.lineTo(x, y) : path.moveTo(x, y)));
        path.closePath();
      }
      const i = Math.round(part * 255) * 3;
      context.fillStyle = `rgb(${lut[i]} ${lut[i + 1]} ${lut[i + 2]})`;
      context.fill(path, 'evenodd');
      context.save();
      context.resetTransform();
      const line = new Path2D();
      line.addPath(path, new DOMMatrix([sx, 0, 0, -sy, -sx / 2, this.canvas.height + sy / 2]));
      context.strokeStyle = theme === 'light' ? 'rgb(27 36 48 / 16%)' : 'rgb(228 233 240 / 13%)';
      context.lineWidth = ratio * 0.75;
      context.stroke(line);
      context.restore();
    }
    return this.canvas;
  }
}

/**
 * One racer's trail, fading towards its beginning.
 * @param {CanvasRenderingContext2D} context
 * @param {Float32Array} points  x, y in pixels, oldest first
 * @param {{colour: string, dash: number[], halo: string, width: number}} style
 */
export function drawTrail(context, points, { colour, dash, halo, width }) {
  const count = points.length / 2;
  if (count < 2) return;
  context.lineJoin = 'round';
  let length = 0;
  for (let age = 0; age < AGES; age++) {
    const first = Math.floor((age * (count - 1)) / AGES);
    const last = Math.floor(((age + 1) * (count - 1)) / AGES);
    if (last === first) continue;
    context.beginPath();
    context.moveTo(points[2 * first], points[2 * first + 1]);
    let part = 0;
    for (let i = first + 1; i <= last; i++) {
      const x = points[2 * i];
      const y = points[2 * i + 1];
      part += Math.hypot(x - points[2 * i - 2], y - points[2 * i - 1]);
      context.lineTo(x, y);
    }
    const strength = FAINT + ((1 - FAINT) * (age + 1)) / AGES;
    context.setLineDash([]);
    context.globalAlpha = strength * 0.7;
    context.strokeStyle = halo;
    context.lineWidth = width + 2;
    context.stroke();
    context.setLineDash(dash);
    context.lineDashOffset = length;
    context.globalAlpha = strength;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
    length += part;
  }
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/**
 * A racer's position: its marker; hollow at the edge when it is off the plane; a cross when it left for good.
 * @param {CanvasRenderingContext2D} context
 * @param {Float32Array} points  of its trail
 * @param {Plane} plane
 * @param {number} index  of the racer
 * @param {{colour: string, halo: string, out: boolean}} style
 */
export function drawHead(context, points, plane, index, { colour, halo, out }) {
  const at = head(points, plane);
  if (!at) return;
  const shape = new Path2D(out ? CROSS : MARKERS[index % MARKERS.length]);
  context.save();
  context.translate(at.x, at.y);
  context.strokeStyle = halo;
  context.lineWidth = out ? 5 : 3;
  context.stroke(shape);
  context.fillStyle = at.inside ? colour : halo;
  context.strokeStyle = colour;
  context.lineWidth = 2;
  if (!out) context.fill(shape);
  if (out || !at.inside) context.stroke(shape);
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Plane} plane
 * @param {[number, number][]} minima
 * @param {Record<string, string>} colours  of the theme
 */
export function drawMinima(context, plane, minima, colours) {
  const star = new Path2D(STAR);
  for (const [x, y] of minima) {
    context.save();
    context.translate(plane.toX(x), plane.toY(y));
    context.lineWidth = 3;
    context.strokeStyle = colours.panel;
    context.stroke(star);
    context.fillStyle = colours.text;
    context.fill(star);
    context.restore();
  }
}
