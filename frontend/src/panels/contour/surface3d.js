/**
 * A loss surface in three dimensions: a shaded mesh textured with the contour map, with the racers' paths just above it.
 * Loaded only when the learner asks for it. Draws only when something has changed.
 */

import {
  AmbientLight, BufferAttribute, BufferGeometry, CanvasTexture, Color, DirectionalLight, DoubleSide, Mesh, MeshBasicMaterial,
  MeshLambertMaterial, OctahedronGeometry, PerspectiveCamera, SRGBColorSpace, Scene, Vector3, WebGLRenderer,
} from 'three'; // prettier-ignore
import { PathLine } from './path3d.js';

const HEIGHT = 0.5; // of the surface, where the longer side of the plane is 1
const ABOVE = 0.008; // the paths' distance from the surface
const MOST_SAMPLES = 128; // per side of the mesh
const HOME = { azimuth: -0.5, elevation: 0.95, distance: 1.95 };
const OUTSIDE = 0.09; // of an axis: the distance of its labels

/** @typedef {import('./path3d.js').Path} Path */

export class Surface3D {
  #renderer;
  #scene = new Scene();
  #camera = new PerspectiveCamera(42, 1, 0.05, 20);
  #view = { ...HOME };
  #frame = 0;
  #size = new Vector3(1, HEIGHT, 1);
  /** @type {[number, number]} */
  #x = [0, 1];
  /** @type {[number, number]} */
  #y = [0, 1];
  /** @type {CanvasTexture | null} */
  #texture = null;
  /** The heights of the corners: those at the lowest y first, from low to high x. */
  #corners = [0, 0, 0, 0];
  #mesh = new Mesh(
    new BufferGeometry(),
    new MeshLambertMaterial({
      side: DoubleSide,
      polygonOffset: true,
      polygonOffsetFactor: 1,
      polygonOffsetUnits: 1,
    }),
  );
  /** @type {PathLine[]} */
  #paths = [];
  /** @type {Mesh[]} */
  #minima = [];
  #star = new OctahedronGeometry(0.02);
  #ink = new MeshBasicMaterial();

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} drawn  called after each drawing
   * @throws {Error} if WebGL is unavailable
   */
  constructor(canvas, drawn) {
    this.#renderer = new WebGLRenderer({ canvas, antialias: true, preserveDrawingBuffer: true });
    this.#renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, 2));
    this.drawn = drawn;
    const sun = new DirectionalLight(0xffffff, 2);
    sun.position.set(-0.8, 1, 0.3);
    this.#scene.add(new AmbientLight(0xffffff, 1.3), sun, this.#mesh);
  }

  /**
   * @param {{values: ArrayLike<number>, rows: number, columns: number, part: (value: number) => number,
   *   x: [number, number], y: [number, number]}} surface  values (rows, columns); `part`: a value's height, 0…1
   * @param {HTMLCanvasElement} map  the texture of the surface
   */
  setSurface({ values, rows, columns, part, x, y }, map) {
    this.#x = x;
    this.#y = y;
    const longer = Math.max(x[1] - x[0], y[1] - y[0]);
    this.#size.set((x[1] - x[0]) / longer, HEIGHT, (y[1] - y[0]) / longer);
    this.#corners = [0, columns - 1, (rows - 1) * columns, rows * columns - 1].map((at) => part(values[at]));
    const stride = Math.ceil(Math.max(rows, columns) / MOST_SAMPLES);
    const across = picks(columns, stride);
    const along = picks(rows, stride);
    const corners = new Float32Array(across.length * along.length * 3);
    const uv = new Float32Array(across.length * along.length * 2);
    /** @type {number[]} */
    const triangles = [];
    along.forEach((row, r) => {
      across.forEach((column, c) => {
        const at = r * across.length + c;
        const u = column / (columns - 1);
        const v = row / (rows - 1);
        const value = values[row * columns + column];
        corners.set([(u - 0.5) * this.#size.x, part(value) * HEIGHT, (0.5 - v) * this.#size.z], at * 3);
        uv.set([u, v], at * 2);
        if (!r || !c) return;
        const [a, b, d] = [at - across.length - 1, at - across.length, at - 1];
        triangles.push(a, b, at, a, at, d);
      });
    });
    this.#mesh.geometry.dispose();
    this.#mesh.geometry = new BufferGeometry()
      .setAttribute('position', new BufferAttribute(corners, 3))
      .setAttribute('uv', new BufferAttribute(uv, 2))
      .setIndex(triangles);
    this.#mesh.geometry.computeVertexNormals();
    this.#texture?.dispose();
    this.#texture = new CanvasTexture(map);
    this.#texture.colorSpace = SRGBColorSpace;
    this.#texture.anisotropy = 4;
    this.#mesh.material.map = this.#texture;
    this.#mesh.material.needsUpdate = true;
    this.redraw();
  }

  /** @param {[number, number, number][]} minima  x, y, height 0…1 */
  setMinima(minima) {
    this.#scene.remove(...this.#minima);
    this.#minima = minima.map((point) => {
      const mesh = new Mesh(this.#star, this.#ink);
      mesh.position.copy(this.#place(...point, ABOVE));
      return mesh;
    });
    if (this.#minima.length) this.#scene.add(...this.#minima);
    this.redraw();
  }

  /** @param {Path[]} paths  those shown; the others of before are taken away */
  setPaths(paths) {
    while (this.#paths.length > paths.length) this.#paths.pop()?.dispose();
    paths.forEach((path, i) => {
      this.#paths[i] ??= new PathLine(this.#scene);
      this.#paths[i].set(path, (x, y, part) => this.#place(x, y, part, ABOVE));
    });
    this.redraw();
  }

  /** @param {Record<string, string>} colours  of the theme */
  setColours(colours) {
    this.#scene.background = new Color(colours.panel);
    this.#ink.color.set(colours.text);
    this.redraw();
  }

  /**
   * @param {number} width  in pixels
   * @param {number} height
   * @param {number} beside  of the width, at its right, what something else takes
   */
  resize(width, height, beside) {
    this.#renderer.setSize(width, height, false);
    this.#camera.aspect = width / height;
    this.#camera.setViewOffset(width, height, beside / 2, 0, width, height);
    this.#camera.updateProjectionMatrix();
    this.redraw();
  }

  /**
   * Walk around the surface.
   * @param {number} azimuth  radians to add
   * @param {number} elevation
   */
  turn(azimuth, elevation) {
    this.#view.azimuth += azimuth;
    this.#view.elevation = Math.max(0.08, Math.min(1.54, this.#view.elevation + elevation));
    this.redraw();
  }

  /** @param {number} factor  of the distance */
  zoom(factor) {
    this.#view.distance = Math.max(0.6, Math.min(4, this.#view.distance * factor));
    this.redraw();
  }

  reset() {
    this.#view = { ...HOME };
    this.redraw();
  }

  /**
   * The ends of the axes along the edges nearest to the viewer, in pixels.
   * @returns {{text: number, left: number, top: number}[]}
   */
  ends() {
    const { x, z } = this.#camera.position;
    const near = z > 0 ? 0 : 1;
    const side = x > 0 ? 1 : 0;
    const beyond = (/** @type {[number, number]} */ axis, /** @type {number} */ end) =>
      axis[end] + (end ? OUTSIDE : -OUTSIDE) * (axis[1] - axis[0]);
    return [
      ...this.#x.map((end, i) => ({
        text: end,
        ...this.#project(end, beyond(this.#y, near), this.#corners[2 * near + i]),
      })),
      ...this.#y.map((end, i) => ({
        text: end,
        ...this.#project(beyond(this.#x, side), end, this.#corners[2 * i + side]),
      })),
    ];
  }

  /** Draw in the next animation frame, once. */
  redraw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const { azimuth, elevation, distance } = this.#view;
      const far = distance * Math.max(1, 1.2 / this.#camera.aspect);
      const level = Math.cos(elevation) * far;
      this.#camera.position.set(
        level * Math.sin(azimuth),
        Math.sin(elevation) * far + HEIGHT * 0.3,
        level * Math.cos(azimuth),
      );
      this.#camera.lookAt(0, HEIGHT * 0.3, 0);
      this.#camera.updateMatrixWorld();
      this.#renderer.render(this.#scene, this.#camera);
      this.drawn();
    });
  }

  dispose() {
    cancelAnimationFrame(this.#frame);
    for (const path of this.#paths) path.dispose();
    this.#texture?.dispose();
    this.#mesh.geometry.dispose();
    this.#mesh.material.dispose();
    this.#star.dispose();
    this.#ink.dispose();
    this.#renderer.dispose();
    this.#renderer.forceContextLoss();
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} part
   * @param {number} above
   */
  #place(x, y, part, above) {
    const u = (x - this.#x[0]) / (this.#x[1] - this.#x[0]) - 0.5;
    const v = (y - this.#y[0]) / (this.#y[1] - this.#y[0]) - 0.5;
    return new Vector3(u * this.#size.x, part * HEIGHT + above, -v * this.#size.z);
  }

  /**
   * @param {number} x
   * @param {number} y
   * @param {number} part
   */
  #project(x, y, part) {
    const { clientWidth, clientHeight } = this.#renderer.domElement;
    const at = this.#place(x, y, part, 0).project(this.#camera);
    return { left: ((at.x + 1) / 2) * clientWidth, top: ((1 - at.y) / 2) * clientHeight };
  }
}

/**
 * Every `stride`-th of `count` samples, and the last.
 * @param {number} count
 * @param {number} stride
 */
function picks(count, stride) {
  const all = [];
  for (let i = 0; i < count - 1; i += stride) all.push(i);
  return [...all, count - 1];
}
