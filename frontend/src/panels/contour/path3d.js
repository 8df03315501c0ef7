/** The path of a racer over a surface in three dimensions. */

import {
  InstancedInterleavedBuffer, InterleavedBufferAttribute, Mesh, MeshBasicMaterial, SphereGeometry,
} from 'three'; // prettier-ignore
import { LineMaterial } from 'three/addons/lines/LineMaterial.js';
import { LineSegments2 } from 'three/addons/lines/LineSegments2.js';
import { LineSegmentsGeometry } from 'three/addons/lines/LineSegmentsGeometry.js';

/** @typedef {import('three').Scene} Scene */
/** @typedef {import('three').Vector3} Vector3 */

const PIXELS = 2.5; // width of a path
const DASH = 0.0035; // length of a pixel of a dash pattern

/**
 * @typedef {object} Path
 * @property {number[]} points  (T, 3): x and y of the plane, and the height as a part of the range, 0…1
 * @property {string} colour
 * @property {number[]} dash  pattern in pixels, empty for a solid line
 */

/** One racer's path: a wide line whose buffers grow and are used again, and at its head a ball seen through everything. */
export class PathLine {
  #scene;
  #line = new LineSegments2(new LineSegmentsGeometry(), new LineMaterial({ linewidth: PIXELS }));
  #ball = new Mesh(new SphereGeometry(0.015, 20, 12), new MeshBasicMaterial({ depthTest: false }));
  #room = 0;
  #ends = new InstancedInterleavedBuffer(new Float32Array(0), 6, 1);
  #distances = new InstancedInterleavedBuffer(new Float32Array(0), 2, 1);

  /** @param {Scene} scene */
  constructor(scene) {
    this.#scene = scene;
    this.#line.frustumCulled = false;
    this.#ball.renderOrder = 1;
    scene.add(this.#line, this.#ball);
  }

  /** @param {number} room  segments */
  #grow(room) {
    this.#room = room;
    this.#line.geometry.dispose();
    const geometry = (this.#line.geometry = new LineSegmentsGeometry());
    this.#ends = new InstancedInterleavedBuffer(new Float32Array(6 * room), 6, 1);
    this.#distances = new InstancedInterleavedBuffer(new Float32Array(2 * room), 2, 1);
    geometry.setAttribute('instanceStart', new InterleavedBufferAttribute(this.#ends, 3, 0));
    geometry.setAttribute('instanceEnd', new InterleavedBufferAttribute(this.#ends, 3, 3));
    geometry.setAttribute('instanceDistanceStart', new InterleavedBufferAttribute(this.#distances, 1, 0));
    geometry.setAttribute('instanceDistanceEnd', new InterleavedBufferAttribute(this.#distances, 1, 1));
  }

  /**
   * @param {Path} path
   * @param {(x: number, y: number, part: number) => Vector3} place
   */
  set({ points, colour, dash }, place) {
    const count = points.length / 3;
    const segments = Math.max(0, count - 1);
    if (segments > this.#room) this.#grow(Math.max(256, 2 * segments));
    let from = place(points[0], points[1], points[2]);
    let way = 0;
    for (let i = 0; i < segments; i++) {
      const to = place(points[3 * i + 3], points[3 * i + 4], points[3 * i + 5]);
      from.toArray(this.#ends.array, 6 * i);
      to.toArray(this.#ends.array, 6 * i + 3);
      this.#distances.array[2 * i] = way;
      way += from.distanceTo(to);
      this.#distances.array[2 * i + 1] = way;
      from = to;
    }
    this.#ends.needsUpdate = true;
    this.#distances.needsUpdate = true;
    this.#line.geometry.instanceCount = segments;
    this.#line.visible = segments > 0;
    const material = this.#line.material;
    material.color.set(colour);
    material.dashed = dash.length > 0;
    material.dashSize = (dash[0] ?? 1) * DASH;
    material.gapSize = (dash[1] ?? 0) * DASH;
    this.#ball.visible = count > 0;
    this.#ball.position.copy(from);
    this.#ball.material.color.set(colour);
  }

  dispose() {
    this.#scene.remove(this.#line, this.#ball);
    this.#line.geometry.dispose();
    this.#line.material.dispose();
    this.#ball.geometry.dispose();
    this.#ball.material.dispose();
  }
}
