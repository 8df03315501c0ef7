/** Path2D that can be read again: it makes the path, and its outline beside it. */

import { CALLS, matrixOf, Outline } from './outline.js';

/** @typedef {{d: string, matrix: import('./outline.js').Matrix | null}} Piece  `matrix`: what moves it; null: nothing */

/** @type {WeakMap<Path2D, Piece[]>} */
const pieces = new WeakMap();
/** @type {WeakMap<Path2D, Outline>} */
const outlines = new WeakMap();

/**
 * What a path is made of. Throws for one that was made while nothing was recorded.
 * @param {Path2D} path
 * @returns {Piece[]}
 */
export function piecesOf(path) {
  const own = outlines.get(path);
  if (!own) throw new Error('this path was made before the drawing was recorded');
  return [...(own.d ? [{ d: own.d, matrix: null }] : []), ...(pieces.get(path) ?? [])];
}

/** @param {typeof Path2D} Native */
export function recording(Native) {
  class Recorded extends Native {
    /** @param {Path2D | string} [from] */
    constructor(from) {
      super(from);
      const outline = new Outline();
      outlines.set(this, outline);
      if (typeof from === 'string') outline.add(from);
      else if (from)
        for (const piece of piecesOf(from)) {
          if (piece.matrix) throw new Error('a path with moved parts is copied');
          outline.add(piece.d); // what is drawn next goes on from where it ends
        }
    }

    /** @param {Path2D} path @param {DOMMatrix2DInit} [by] */
    addPath(path, by) {
      super.addPath(path, by);
      const matrix = by ? matrixOf(DOMMatrix.fromMatrix(by)) : null;
      const added = piecesOf(path);
      if (matrix && added.some((piece) => piece.matrix)) throw new Error('a moved path is moved again');
      pieces.set(this, [
        ...(pieces.get(this) ?? []),
        ...added.map((piece) => ({ d: piece.d, matrix: piece.matrix ?? matrix })),
      ]);
    }
  }
  for (const call of CALLS)
    Object.defineProperty(Recorded.prototype, call, {
      /** @param {...any} given */
      value(...given) {
        /** @type {any} */ (Native.prototype)[call].apply(this, given);
        /** @type {any} */ (outlines.get(this))[call](...given);
      },
    });
  return Recorded;
}
