/** The layout of a layered network's units and edges on a canvas, and hit testing. No DOM. */

/** @typedef {{layer: number, index: number}} Unit */
/** @typedef {{layer: number, from: number, to: number}} Edge  an edge from unit `from` of `layer` to unit `to` of the next */

const LARGEST = 44; // px, side of a tile
const GAP = 0.2; // between tiles, of a tile's side
const REACH = 5; // px from an edge at which the pointer is on it

/** The layout of a network of `layers` units, input first, left to right. */
export class Network {
  /** @type {Float32Array | null} */
  #curves = null;

  /**
   * @param {number[]} layers  units per layer
   * @param {number} width
   * @param {number} height
   * @param {{left: number, right: number, top: number, bottom: number}} margin
   */
  constructor(layers, width, height, margin) {
    this.layers = layers;
    const wide = Math.max(1, width - margin.left - margin.right);
    const high = Math.max(1, height - margin.top - margin.bottom);
    // A tile takes at most two fifths of its column, so that the edges have room.
    const side = Math.min(LARGEST, (wide / layers.length) * 0.4);
    /** Side of each layer's tiles: never below one pixel, overlapping where there are too many. */
    this.sizes = layers.map((units) => Math.max(1, Math.min(side, high / (units * (1 + GAP)))));
    /** Distance between neighbouring units of each layer. */
    this.pitches = layers.map((units, l) => Math.min(high / units, this.sizes[l] * (1 + 2 * GAP)));
    /** x of each layer's centre. */
    this.xs = layers.map((_, l) => {
      const first = margin.left + this.sizes[0] / 2;
      const last = margin.left + wide - this.sizes[layers.length - 1] / 2;
      return layers.length < 2 ? margin.left + wide / 2 : first + ((last - first) * l) / (layers.length - 1);
    });
    this.middle = margin.top + high / 2;
    /** The number of units in the layers before. */
    this.firsts = layers.map((_, l) => layers.slice(0, l).reduce((sum, units) => sum + units, 0));
    /** The number of edges that end in the layers up to this one. */
    this.firstEdges = layers.map((_, l) => {
      let edges = 0;
      for (let k = 0; k < l; k++) edges += layers[k] * layers[k + 1];
      return edges;
    });
  }

  /**
   * y of a unit's centre.
   * @param {number} layer
   * @param {number} index
   */
  y(layer, index) {
    return this.middle + (index - (this.layers[layer] - 1) / 2) * this.pitches[layer];
  }

  /** @param {Unit} unit */
  has({ layer, index }) {
    return index < (this.layers[layer] ?? 0);
  }

  /** @param {Edge} edge */
  hasEdge({ layer, from, to }) {
    return this.has({ layer, index: from }) && this.has({ layer: layer + 1, index: to });
  }

  /**
   * A unit's place among all units.
   * @param {Unit} unit
   */
  number({ layer, index }) {
    return this.firsts[layer] + index;
  }

  /**
   * An edge's place among all weights: each layer's matrix is (out, in), row-major.
   * @param {Edge} edge
   */
  weight({ layer, from, to }) {
    return this.firstEdges[layer] + to * this.layers[layer] + from;
  }

  /** The number of edges. */
  get edges() {
    const last = this.layers.length - 1;
    return last > 0 ? this.firstEdges[last] : 0;
  }

  /**
   * The edges that end or begin at a unit.
   * @param {Unit} unit
   */
  edgesOf({ layer, index }) {
    const edges = [];
    for (let from = 0; layer > 0 && from < this.layers[layer - 1]; from++) {
      edges.push(this.weight({ layer: layer - 1, from, to: index }));
    }
    for (let to = 0; layer < this.layers.length - 1 && to < this.layers[layer + 1]; to++) {
      edges.push(this.weight({ layer, from: index, to }));
    }
    return edges;
  }

  /** Both ends of every edge, in the order of the weights: x₀, y₀, x₁, y₁. */
  get curves() {
    if (this.#curves) return this.#curves;
    const curves = new Float32Array(4 * this.edges);
    for (let layer = 0, edge = 0; layer < this.layers.length - 1; layer++) {
      const [start, end] = this.gap(layer);
      for (let to = 0; to < this.layers[layer + 1]; to++) {
        for (let from = 0; from < this.layers[layer]; from++, edge++) {
          curves.set([start, this.y(layer, from), end, this.y(layer + 1, to)], 4 * edge);
        }
      }
    }
    return (this.#curves = curves);
  }

  /**
   * The ends of the gap between a layer and the next, where its edges run.
   * @param {number} layer
   * @returns {[number, number]}
   */
  gap(layer) {
    return [this.xs[layer] + this.sizes[layer] / 2, this.xs[layer + 1] - this.sizes[layer + 1] / 2];
  }

  /**
   * @param {number} x
   * @param {number} y
   * @returns {Unit | null}
   */
  unitAt(x, y) {
    for (let layer = 0; layer < this.layers.length; layer++) {
      if (Math.abs(x - this.xs[layer]) > this.sizes[layer] / 2 + 1) continue;
      const index = Math.round((y - this.middle) / this.pitches[layer] + (this.layers[layer] - 1) / 2);
      if (index < 0 || index >= this.layers[layer]) return null;
      return Math.abs(y - this.y(layer, index)) <= this.sizes[layer] / 2 + 1 ? { layer, index } : null;
    }
    return null;
  }

  /**
   * The edge nearest to a point, at most a few pixels above or below it.
   * @param {number} x
   * @param {number} y
   * @returns {Edge | null}
   */
  edgeAt(x, y) {
    for (let layer = 0; layer < this.layers.length - 1; layer++) {
      const [start, end] = this.gap(layer);
      if (x <= start || x >= end) continue;
      const rise = riseAt((x - start) / (end - start));
      let nearest = REACH;
      /** @type {Edge | null} */
      let found = null;
      for (let to = 0; to < this.layers[layer + 1]; to++) {
        for (let from = 0; from < this.layers[layer]; from++) {
          const low = this.y(layer, from);
          const distance = Math.abs(low + (this.y(layer + 1, to) - low) * rise - y);
          if (distance < nearest) {
            nearest = distance;
            found = { layer, from, to };
          }
        }
      }
      return found;
    }
    return null;
  }

  /**
   * The unit an arrow key leads to: up and down within a layer, left and right to the unit at about the same height.
   * @param {Unit} unit
   * @param {number} right
   * @param {number} down
   * @returns {Unit}
   */
  neighbour({ layer, index }, right, down) {
    const to = Math.max(0, Math.min(this.layers.length - 1, layer + right));
    const units = this.layers[to];
    const place =
      to === layer
        ? index + down
        : Math.round((this.y(layer, index) - this.middle) / this.pitches[to] + (units - 1) / 2);
    return { layer: to, index: Math.max(0, Math.min(units - 1, place)) };
  }
}

/**
 * The rise of an edge after `part` of its gap. Edges are Bézier curves with the control points
 * at the middle of the gap: x(t) = (3t − 3t² + 2t³)/2, rise(t) = 3t² − 2t³.
 * @param {number} part  0…1
 */
export function riseAt(part) {
  let low = 0;
  let high = 1;
  for (let i = 0; i < 24; i++) {
    const t = (low + high) / 2;
    if (1.5 * t - 1.5 * t * t + t * t * t < part) low = t;
    else high = t;
  }
  return low * low * (3 - 2 * low);
}

/**
 * Sort edges into classes of their weight's sign and size, so that each class is drawn with one stroke.
 * @param {ArrayLike<number>} weights
 * @param {ArrayLike<number>} edges  indices into `weights`
 * @param {number} most  the largest |weight|
 * @param {number} steps  classes per sign
 * @returns {{starts: Int32Array, order: Int32Array}}  class k holds the edges order[starts[k]…starts[k + 1] − 1]:
 *   k = 0…steps − 1 negative from small to large, steps…2·steps − 1 positive; NaN is left out
 */
export function classes(weights, edges, most, steps) {
  const starts = new Int32Array(2 * steps + 1);
  const order = new Int32Array(edges.length);
  const classOf = (/** @type {number} */ weight) =>
    Math.min(steps - 1, Math.floor((Math.abs(weight) / (most || 1)) * steps)) + (weight < 0 ? 0 : steps);
  for (let i = 0; i < edges.length; i++) {
    const weight = weights[edges[i]];
    if (!Number.isNaN(weight)) starts[classOf(weight) + 1]++;
  }
  for (let k = 0; k < 2 * steps; k++) starts[k + 1] += starts[k];
  const next = starts.slice();
  for (let i = 0; i < edges.length; i++) {
    const weight = weights[edges[i]];
    if (!Number.isNaN(weight)) order[next[classOf(weight)]++] = edges[i];
  }
  return { starts, order };
}
