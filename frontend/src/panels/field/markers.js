/** Drawing a field's points: colour encodes the label, shape the split. */

/** @typedef {import('../../charts/plane.js').Plane} Plane */
/** @typedef {0 | 1 | 2} Split  whether a point trains, tests, or was drawn by the learner */

export const TRAIN = 0;
export const TEST = 1;
export const DRAWN = /** @type {const} */ (2);

const SHADES = 16; // classes of label: all points of one class and split are drawn with one path

/** The outline of one point; `add` it to a path at (x, y). @type {((path: Path2D, x: number, y: number, r: number) => void)[]} */
const SHAPES = [
  (path, x, y, r) => {
    path.moveTo(x + r, y);
    path.arc(x, y, r, 0, 2 * Math.PI);
  },
  (path, x, y, r) => path.rect(x - 0.7 * r, y - 0.7 * r, 1.4 * r, 1.4 * r),
  (path, x, y, r) => {
    path.moveTo(x, y - 1.4 * r);
    path.lineTo(x + 1.4 * r, y);
    path.lineTo(x, y + 1.4 * r);
    path.lineTo(x - 1.4 * r, y);
    path.closePath();
  },
];

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Plane} plane
 * @param {{x: number, y: number, label: number, split: Split}[]} points
 * @param {{radius: number, range: [number, number], colour: (label: number) => string, colours: Record<string, string>}} style
 *   `colour`: of a label; `colours`: of the theme
 */
export function drawPoints(context, plane, points, { radius, range, colour, colours }) {
  /** @type {Map<number, {path: Path2D, label: number, split: Split}>} */
  const groups = new Map();
  for (const { x, y, label, split } of points) {
    const part = Math.max(0, Math.min(1, (label - range[0]) / (range[1] - range[0])));
    const shade = Math.round(part * SHADES);
    const key = split * (SHADES + 1) + shade;
    let group = groups.get(key);
    if (!group) {
      groups.set(
        key,
        (group = { path: new Path2D(), label: range[0] + (shade / SHADES) * (range[1] - range[0]), split }),
      );
    }
    SHAPES[split](group.path, plane.toX(x), plane.toY(y), radius);
  }
  context.lineJoin = 'miter';
  for (const [, { path, label, split }] of [...groups].sort(([a], [b]) => a - b)) {
    const line = Math.min(1, radius / 4); // outlines of small points are finer
    paintGroup(context, path, split, line, colour(label), colours);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Path2D} path
 * @param {Split} split
 * @param {number} line  the outline's width against its usual one
 * @param {string} fill
 * @param {Record<string, string>} colours
 */
function paintGroup(context, path, split, line, fill, colours) {
  context.strokeStyle = colours.text;
  context.globalAlpha = split === DRAWN ? 1 : 0.35; // a label near zero has the background's own colour
  context.lineWidth = (split === DRAWN ? 4 : 3) * line;
  context.stroke(path);
  context.globalAlpha = 1;
  context.strokeStyle = colours.panel;
  context.lineWidth = 1.75 * line;
  context.stroke(path);
  if (split === TEST) {
    context.fillStyle = colours.panel;
    context.fill(path);
    context.strokeStyle = fill;
    context.lineWidth = 1.75 * line;
    context.stroke(path);
  } else {
    context.fillStyle = fill;
    context.fill(path);
  }
}
