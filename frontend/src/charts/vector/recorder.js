/**
 * A drawing on a canvas, recorded as SVG while it is made.
 *
 * The canvas's own context goes on drawing, and keeps the state (styles, font, transformation): each call that paints is
 * looked over the shoulder, and leaves an element with the styles of that moment. So the recorder knows no state but
 * the path under way and what is clipped. A call it cannot record throws: nothing is missing from a saved picture.
 */

import { attributes, element, imageOf, paintOf, textOf } from './elements.js';
import { CALLS, matrixOf, Outline } from './outline.js';
import { piecesOf, recording } from './path.js';

/** @typedef {{markup: string, clip: string}} Mark  `clip`: the id of its clip path, or none */

const UNKNOWN = [
  'arcTo',
  'ellipse',
  'putImageData',
  'createLinearGradient',
  'createRadialGradient',
  'createConicGradient',
  'reset',
];

/** Records one redraw of a canvas. */
export class Recorder {
  #context;
  #id;
  /** @type {Mark[]} */
  #marks = [];
  /** @type {string[]} */
  #defs = [];
  #ids = 0;
  #path;
  #clip = '';
  /** @type {string[]} */
  #clips = [];
  /** Of the patterns made meanwhile. @type {WeakMap<CanvasPattern, import('./elements.js').Tile>} */
  #tiles = new WeakMap();

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {string} id  begins the ids of what it defines
   */
  constructor(context, id) {
    this.#context = context;
    this.#id = id;
    this.#path = this.#begun();
  }

  #begun() {
    return new Outline(() => matrixOf(this.#context.getTransform()));
  }

  /**
   * What `redraw` draws, as SVG in the canvas's own pixels.
   * @param {import('../redraws.js').Redraw} redraw
   */
  async record(redraw) {
    const context = /** @type {any} */ (this.#context);
    const watched = this.#watched();
    const Native = window.Path2D;
    window.Path2D = recording(Native);
    for (const [name, seen] of Object.entries(watched)) {
      const native = context[name];
      context[name] = (/** @type {any[]} */ ...given) => {
        const result = native.apply(context, given);
        seen(given, result);
        return result;
      };
    }
    try {
      await redraw();
    } finally {
      for (const name of Object.keys(watched)) delete context[name]; // the prototype's are there again
      window.Path2D = Native;
    }
    return this.#written();
  }

  /** @returns {Record<string, (given: any[], result: any) => void>}  called after each call, with what it was given */
  #watched() {
    const context = this.#context;
    /** @type {Record<string, (given: any[], result: any) => void>} */
    const watched = {
      save: () => this.#clips.push(this.#clip),
      restore: () => (this.#clip = this.#clips.pop() ?? ''),
      beginPath: () => (this.#path = this.#begun()),
      clearRect: ([x, y, width, height]) => this.#cleared(x, y, width, height),
      fill: (given) => this.#paint('fill', ...given),
      stroke: (given) => this.#paint('stroke', ...given),
      clip: (given) => this.#clipped(...given),
      fillRect: (box) => this.#box('fill', box),
      strokeRect: (box) => this.#box('stroke', box),
      fillText: ([text, x, y]) => this.#mark(textOf(context, 'fill', String(text), x, y, this.#pattern)),
      strokeText: ([text, x, y]) => this.#mark(textOf(context, 'stroke', String(text), x, y, this.#pattern)),
      drawImage: (given) => this.#mark(imageOf(context, given)),
      createPattern: ([image], pattern) => this.#tile(image, pattern),
    };
    for (const call of CALLS) watched[call] = (given) => /** @type {any} */ (this.#path)[call](...given);
    for (const call of UNKNOWN)
      watched[call] = () => {
        throw new Error(`${call} cannot be recorded`);
      };
    return watched;
  }

  /** @param {string} markup */
  #mark(markup) {
    if (markup) this.#marks.push({ markup, clip: this.#clip });
  }

  /**
   * All of it: drawing begins again. A part is not taken away: none of the panels does that.
   * @param {number} x @param {number} y @param {number} width @param {number} height
   */
  #cleared(x, y, width, height) {
    const { canvas } = this.#context;
    const [a, b, c, d, e, f] = matrixOf(this.#context.getTransform());
    const whole =
      a * x + e < 1 &&
      d * y + f < 1 &&
      a * width + e > canvas.width - 1 &&
      d * height + f > canvas.height - 1;
    if (b || c || !whole) throw new Error('a part of the canvas is cleared, which cannot be recorded');
    this.#marks = [];
  }

  /** The path under way, or another one. @param {any} [path] */
  #shapes(path) {
    if (!(path instanceof Path2D)) return [{ d: this.#path.d, matrix: null }];
    const now = matrixOf(this.#context.getTransform());
    return piecesOf(path).map(({ d, matrix }) => {
      if (matrix) throw new Error('a path with moved parts is drawn');
      return { d, matrix: now };
    });
  }

  /** @param {'fill' | 'stroke'} how @param {any} [path]  or the rule @param {any} [rule] */
  #paint(how, path, rule = path) {
    for (const { d, matrix } of this.#shapes(path))
      if (d) {
        const styles = paintOf(this.#context, how, matrix, this.#pattern);
        const even = how === 'fill' && rule === 'evenodd' ? 'evenodd' : undefined;
        this.#mark(element('path', { d, ...styles, 'fill-rule': even }));
      }
  }

  /** @param {'fill' | 'stroke'} how @param {number[]} box */
  #box(how, [x, y, width, height]) {
    const outline = this.#begun();
    outline.rect(x, y, width, height);
    this.#mark(element('path', { d: outline.d, ...paintOf(this.#context, how, null, this.#pattern) }));
  }

  /** @param {any} [path]  or the rule @param {any} [rule] */
  #clipped(path, rule = path) {
    const id = this.#newId();
    const inner = this.#shapes(path).map(({ d, matrix }) =>
      element('path', {
        d: d || 'M0 0',
        ...attributes(matrix),
        'clip-rule': rule === 'evenodd' ? rule : undefined,
      }),
    );
    const within = this.#clip ? `url(#${this.#clip})` : undefined;
    this.#defs.push(element('clipPath', { id, 'clip-path': within }, inner.join('')));
    this.#clip = id;
  }

  /** @param {HTMLCanvasElement} image @param {CanvasPattern} pattern */
  #tile(image, pattern) {
    const tile = {
      url: image.toDataURL(),
      width: image.width,
      height: image.height,
      matrix: new DOMMatrix(),
    };
    this.#tiles.set(pattern, tile);
    const native = pattern.setTransform;
    pattern.setTransform = (matrix) => {
      tile.matrix = DOMMatrix.fromMatrix(matrix);
      native.call(pattern, matrix);
    };
  }

  /** The address of a pattern, defined as it lies now. @param {CanvasPattern | CanvasGradient} style */
  #pattern = (style) => {
    const tile = this.#tiles.get(/** @type {CanvasPattern} */ (style));
    if (!tile) throw new Error('a gradient, or a pattern made before, cannot be recorded');
    const id = this.#newId();
    const { url, width, height } = tile;
    const lies = attributes(matrixOf(this.#context.getTransform().multiply(tile.matrix)), 'patternTransform');
    const image = element('image', { href: url, width, height });
    this.#defs.push(
      element('pattern', { id, width, height, patternUnits: 'userSpaceOnUse', ...lies }, image),
    );
    return `url(#${id})`;
  };

  #newId() {
    return `${this.#id}${this.#ids++}`;
  }

  #written() {
    const groups = [];
    for (let first = 0; first < this.#marks.length;) {
      const { clip } = this.#marks[first];
      let last = first;
      while (last < this.#marks.length && this.#marks[last].clip === clip) last++;
      const inner = this.#marks
        .slice(first, last)
        .map((mark) => mark.markup)
        .join('\n');
      groups.push(clip ? element('g', { 'clip-path': `url(#${clip})` }, inner) : inner);
      first = last;
    }
    const defs = this.#defs.length ? element('defs', {}, this.#defs.join('\n')) : '';
    return [defs, ...groups].filter(Boolean).join('\n');
  }
}
