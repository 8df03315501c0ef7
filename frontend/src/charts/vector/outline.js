/** Paths in SVG's syntax, made by the calls that make a canvas's. */

/** @typedef {[number, number, number, number, number, number]} Matrix  a, b, c, d, e, f as of DOMMatrix */

const QUARTER = Math.PI / 2;
const TURN = 2 * Math.PI;
/** @type {Matrix} */
export const IDENTITY = [1, 0, 0, 1, 0, 0];

/** A number as short as a hundredth of a pixel needs. @param {number} value */
export const short = (value) => String(Math.round(value * 100) / 100);

/** @param {DOMMatrix | Matrix} matrix @returns {Matrix} */
export const matrixOf = (matrix) =>
  Array.isArray(matrix) ? matrix : [matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f];

/** A path under way, each point moved by the `matrix` of that moment. */
export class Outline {
  /** @type {string[]} */
  #parts = [];
  #matrix;

  /** @param {() => Matrix} matrix */
  constructor(matrix = () => IDENTITY) {
    this.#matrix = matrix;
  }

  get d() {
    return this.#parts.join('');
  }

  /** @param {string} d  further parts, where they belong already */
  add(d) {
    this.#parts.push(d);
  }

  /** @param {string} command @param {...number} points  x, y, … */
  #to(command, ...points) {
    if (!points.every(Number.isFinite)) return; // as a canvas passes over them
    const [a, b, c, d, e, f] = this.#matrix();
    const moved = [];
    for (let i = 0; i < points.length; i += 2) {
      const [x, y] = [points[i], points[i + 1]];
      moved.push(`${short(a * x + c * y + e)} ${short(b * x + d * y + f)}`);
    }
    this.#parts.push(command, moved.join(' '));
  }

  /** @param {number} x @param {number} y */
  moveTo(x, y) {
    this.#to('M', x, y);
  }

  /** @param {number} x @param {number} y */
  lineTo(x, y) {
    this.#to(this.#parts.length ? 'L' : 'M', x, y);
  }

  /** @param {number} x1 @param {number} y1 @param {number} x @param {number} y */
  quadraticCurveTo(x1, y1, x, y) {
    this.#to('Q', x1, y1, x, y);
  }

  /**
   * @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 @param {number} x @param {number} y
   */
  bezierCurveTo(x1, y1, x2, y2, x, y) {
    this.#to('C', x1, y1, x2, y2, x, y);
  }

  closePath() {
    if (this.#parts.length) this.#parts.push('Z');
  }

  /** @param {number} x @param {number} y @param {number} width @param {number} height */
  rect(x, y, width, height) {
    this.moveTo(x, y);
    this.lineTo(x + width, y);
    this.lineTo(x + width, y + height);
    this.lineTo(x, y + height);
    this.closePath();
  }

  /**
   * @param {number} x @param {number} y @param {number} width @param {number} height
   * @param {number | number[]} [radii]  one for all corners, or one each
   */
  roundRect(x, y, width, height, radii = 0) {
    const given = Array.isArray(radii) ? radii : [radii];
    if (given.length > 1 && given.length < 4) throw new Error('invalid radii: expected one, or four');
    const [tl, tr = tl, br = tl, bl = tl] = given.map((r) => Math.min(r, width / 2, height / 2));
    this.moveTo(x + tl, y);
    this.arc(x + width - tr, y + tr, tr, -QUARTER, 0);
    this.arc(x + width - br, y + height - br, br, 0, QUARTER);
    this.arc(x + bl, y + height - bl, bl, QUARTER, 2 * QUARTER);
    this.arc(x + tl, y + tl, tl, 2 * QUARTER, 3 * QUARTER);
    this.closePath();
  }

  /**
   * As cubic curves, which any matrix may move: of a quarter, they are off by 0.03 % of the radius.
   * @param {number} x @param {number} y @param {number} radius
   * @param {number} start @param {number} end @param {boolean} [back]  anticlockwise
   */
  arc(x, y, radius, start, end, back = false) {
    const sweep = swept(start, end, back);
    const at = (/** @type {number} */ angle) => [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
    const [firstX, firstY] = at(start);
    this.lineTo(firstX, firstY);
    const pieces = Math.ceil(Math.abs(sweep) / QUARTER - 1e-9);
    const step = sweep / pieces;
    const reach = (4 / 3) * Math.tan(step / 4) * radius;
    for (let i = 0; i < pieces; i++) {
      const [from, to] = [start + i * step, start + (i + 1) * step];
      const [[ax, ay], [bx, by]] = [at(from), at(to)];
      this.bezierCurveTo(
        ax - reach * Math.sin(from),
        ay + reach * Math.cos(from),
        bx + reach * Math.sin(to),
        by - reach * Math.cos(to),
        bx,
        by,
      );
    }
  }
}

/**
 * How far an arc goes, in radians, as canvases have it: at most once around.
 * @param {number} start @param {number} end @param {boolean} back
 */
function swept(start, end, back) {
  const sweep = back ? start - end : end - start;
  const once = sweep >= TURN ? TURN : ((sweep % TURN) + TURN) % TURN;
  return back ? -once : once;
}

/** The calls that make a path. */
export const CALLS = /** @type {const} */ ([
  'moveTo',
  'lineTo',
  'quadraticCurveTo',
  'bezierCurveTo',
  'closePath',
  'rect',
  'roundRect',
  'arc',
]);
