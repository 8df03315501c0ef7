/** Drawing on the plane of a field: clouds of points, a bent grid, arrows. */

import { FONT, textWidth } from '../../charts/draw.js';
import { area, outlines, roomFor } from './arrows.js';

/** @typedef {import('../../charts/plane.js').Plane} Plane */

const DENSE = 0.45; // opacity of the densest cell of a bent grid

/** Of each group a shape of its own beside its colour. @type {((path: Path2D, x: number, y: number, r: number) => void)[]} */
const SHAPES = [
  (path, x, y, r) => {
    path.moveTo(x + r, y);
    path.arc(x, y, r, 0, 2 * Math.PI);
  },
  (path, x, y, r) => {
    path.moveTo(x, y - 1.3 * r);
    path.lineTo(x + 1.3 * r, y + 0.9 * r);
    path.lineTo(x - 1.3 * r, y + 0.9 * r);
    path.closePath();
  },
  (path, x, y, r) => path.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r),
];

/** A group's shape about the origin, in SVG's path syntax, 4 px in radius. */
export const GLYPHS = ['M4 0A4 4 0 1 1-4 0A4 4 0 1 1 4 0Z', 'M0-5L5 4H-5Z', 'M-4-4H4V4H-4Z'];

/**
 * The points of one group.
 * @param {CanvasRenderingContext2D} context
 * @param {Plane} plane
 * @param {ArrayLike<number>} points  (N, 2)
 * @param {ArrayLike<number>} groups  (N,)
 * @param {number} group
 * @param {{radius: number, fill: string, halo: string}} style
 */
export function drawCloud(context, plane, points, groups, group, { radius, fill, halo }) {
  const path = new Path2D();
  const shape = SHAPES[group % SHAPES.length];
  for (let i = 0; i < groups.length; i++) {
    if (groups[i] === group) shape(path, plane.toX(points[2 * i]), plane.toY(points[2 * i + 1]), radius);
  }
  context.lineJoin = 'round';
  context.lineWidth = 1.5;
  context.strokeStyle = halo;
  context.globalAlpha = 0.55;
  context.stroke(path);
  context.globalAlpha = 1;
  context.fillStyle = fill;
  context.fill(path);
}

/**
 * Texts beside points, where there is room.
 * @param {CanvasRenderingContext2D} context
 * @param {Plane} plane
 * @param {ArrayLike<number>} points  (N, 2)
 * @param {readonly string[]} labels
 * @param {(index: number) => boolean} passed  whether a point has none now
 * @param {{ink: string, halo: string}} style
 */
export function drawLabels(context, plane, points, labels, passed, { ink, halo }) {
  const right = plane.left + plane.width;
  const wanted = labels.flatMap((text, i) => {
    const [at, y, width] = [plane.toX(points[2 * i]), plane.toY(points[2 * i + 1]), textWidth(text) + 2];
    const x = at + 5 + width > right ? at - 3 - width : at + 5;
    return passed(i) ? [] : [{ text, x, y, width }];
  });
  context.font = FONT;
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  context.lineWidth = 3;
  context.strokeStyle = halo;
  context.fillStyle = ink;
  for (const { text, x, y } of /** @type {typeof wanted} */ (roomFor(wanted, 12))) {
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}

/**
 * A grid that was bent: its cells the more opaque the smaller they are, as each holds as much as any other.
 * @param {CanvasRenderingContext2D} context
 * @param {Plane} plane
 * @param {ArrayLike<number>} mesh  (R, C, 2)
 * @param {number[]} shape  its own: R, C, 2
 * @param {string} colour
 */
export function drawMesh(context, plane, mesh, [rows, columns], colour) {
  /** @param {number} r @param {number} c @returns {[number, number]} */
  const at = (r, c) => {
    const i = 2 * (r * columns + c);
    return [plane.toX(mesh[i]), plane.toY(mesh[i + 1])];
  };
  const usual = (plane.width * plane.height) / Math.max(1, (rows - 1) * (columns - 1)); // px² of a cell spread evenly
  context.fillStyle = context.strokeStyle = colour;
  context.lineJoin = 'round';
  for (let r = 0; r + 1 < rows; r++) {
    for (let c = 0; c + 1 < columns; c++) {
      const corners = [...at(r, c), ...at(r, c + 1), ...at(r + 1, c + 1), ...at(r + 1, c)];
      context.globalAlpha = DENSE * Math.min(1, (0.25 * usual) / Math.max(1, area(corners)));
      context.beginPath();
      for (let i = 0; i < corners.length; i += 2) context.lineTo(corners[i], corners[i + 1]);
      context.fill();
    }
  }
  context.globalAlpha = rows === 1 ? 1 : 0.5;
  context.lineWidth = rows === 1 ? 2 : 0.75;
  context.beginPath();
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) c ? context.lineTo(...at(r, c)) : context.moveTo(...at(r, c));
  }
  for (let c = 0; rows > 1 && c < columns; c++) {
    for (let r = 0; r < rows; r++) r ? context.lineTo(...at(r, c)) : context.moveTo(...at(r, c));
  }
  context.stroke();
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Plane} plane
 * @param {ArrayLike<number>} tails  (A, 2)
 * @param {ArrayLike<number>} vectors  (A, 2)
 * @param {number} gain
 * @param {Record<string, string>} colours  of the theme
 */
export function drawArrows(context, plane, tails, vectors, gain, colours) {
  const lines = outlines(tails, vectors, gain, plane);
  context.beginPath();
  for (let i = 0; i < lines.length; i += 8) {
    const [x, y, tipX, tipY, ax, ay, bx, by] = lines.slice(i, i + 8);
    context.moveTo(x, y);
    context.lineTo(tipX, tipY);
    context.moveTo(ax, ay);
    context.lineTo(tipX, tipY);
    context.lineTo(bx, by);
  }
  context.lineCap = 'round';
  context.lineJoin = 'round';
  context.globalAlpha = 0.7;
  context.strokeStyle = colours.panel;
  context.lineWidth = 2.5;
  context.stroke();
  context.globalAlpha = 0.85;
  context.strokeStyle = colours.text;
  context.lineWidth = 1;
  context.stroke();
  context.globalAlpha = 1;
}
