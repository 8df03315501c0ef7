/** Pictures of a panel as an animation (GIF). The panel's own component draws each of them, out of sight. */

import { flushSync, mount, unmount } from 'svelte';
import { FONT, shorten } from '../../charts/draw.js';
import { getMoment } from '../../lib/api.js';
import { paint } from '../../lib/save.js';
import { theme } from '../../lib/theme.svelte.js';

/** @typedef {import('../../lib/types.js').PanelSpec} PanelSpec */
/** @typedef {import('../../lib/types.js').Picture} Picture */
/** @typedef {import('../../lib/run.svelte.js').RunView} RunView */
/** @typedef {{width: number, height: number}} Size  in px */
/** @typedef {Size & {padding: number, large: boolean}} Box  where a panel draws; `padding`: at its left and right */
/** @typedef {Picture | {step: number}} Moment  a chart of scalars has no more than a step */
/** @typedef {{picture: Moment, label: string}} Shot  `label`: written in the corner */

const MOST_PIXELS = 500_000; // of a frame, which takes some 100 ms to encode
const FOOT = 20; // px below the picture, for its title and label
const MARGIN = 6; // px beside these
const HOLD = 1000; // ms that the last frame stays
const COLOURS = 256; // of a frame: as many as GIF allows

/**
 * At most `most` of the steps, evenly spread from the first to the last.
 * @param {number[]} steps  ascending
 * @param {number} most  at least 2
 */
export function spread(steps, most) {
  if (steps.length <= most) return steps;
  const first = steps[0];
  const pitch = (steps[steps.length - 1] - first) / (most - 1);
  const wanted = Array.from({ length: most }, (_, i) => first + i * pitch);
  return [
    ...new Set(wanted.map((at) => /** @type {number} */ (steps.findLast((step) => step <= at + 1e-6)))),
  ];
}

/**
 * Recorded pictures of a panel, one after the other.
 * @param {string} run  its id
 * @param {string} panel
 * @param {number[]} steps
 * @param {(step: number) => string} labelOf
 * @returns {AsyncGenerator<Shot>}
 */
export async function* recordedShots(run, panel, steps, labelOf) {
  for (const step of steps)
    for (const picture of await getMoment(run, step, [panel]))
      yield { picture, label: labelOf(picture.step) };
}

/**
 * A run as it was at the step of a picture. What is drawn out of sight neither sets knobs nor moves the view.
 * @param {RunView} run
 * @param {() => Moment} shown
 */
function asOf(run, shown) {
  const then = {
    still: () => true,
    at: () => shown().step,
    valueOf: () => (/** @type {string} */ name) => run.scalars.valueAt(name, shown().step),
    knobs: () => run.knobsAt(shown().step),
    setKnob: () => () => {},
    setKnobs: () => () => {},
    seek: () => () => {},
  };
  return new Proxy(run, {
    get(target, key) {
      if (Object.hasOwn(then, key)) return then[/** @type {keyof typeof then} */ (key)]();
      const value = Reflect.get(target, key, target); // private fields are the run's alone
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Until the page was laid out and drawn once more. */
const painted = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

/** A panel's component out of sight, which shows one picture after the other. */
class Stage {
  element = document.createElement('div');
  #shown = $state.raw(/** @type {Moment | null} */ (null));
  /** @type {object | null} */
  #drawn = null;
  #mount;

  /**
   * @param {import('svelte').Component<import('../../lib/types.js').PanelProps>} Kind
   * @param {PanelSpec} panel
   * @param {RunView} run
   * @param {Box} box
   * @param {Map<unknown, unknown>} context  of the panel
   */
  constructor(Kind, panel, run, { width, height, padding, large }, context) {
    this.element.inert = true;
    this.element.style.cssText = `position: fixed; top: 0; left: -${2 * width}px; contain: strict;
      box-sizing: border-box; width: ${width}px; height: ${height}px; padding: 0 ${padding}px;`;
    document.body.append(this.element);
    const shown = () => /** @type {Moment} */ (this.#shown);
    const props = {
      panel: { ...panel, options: { ...panel.options, filmstrip: false } }, // the film is what is made
      run: asOf(run, shown),
      large,
      get frame() {
        return /** @type {Picture} */ (shown());
      },
    };
    this.#mount = () => mount(Kind, { target: this.element, props, context });
  }

  /** @param {Moment} picture */
  async show(picture) {
    this.#shown = picture;
    if (!this.#drawn) {
      this.#drawn = this.#mount();
      await painted(); // measured
      await painted(); // charts made at that size
    }
    flushSync();
    await painted();
    flushSync();
  }

  close() {
    if (this.#drawn) unmount(this.#drawn);
    this.element.remove();
  }
}

/**
 * An animation of pictures, each drawn as the panel draws it.
 * @param {AsyncIterable<Shot> | Iterable<Shot>} shots
 * @param {{
 *   kind: import('svelte').Component<import('../../lib/types.js').PanelProps>, panel: PanelSpec, run: RunView,
 *   context: Map<unknown, unknown>, box: Box, delay: number, signal: AbortSignal, advance: (done: number) => void,
 * }} how  `delay`: ms that a frame stays; `advance`: called after each frame
 * @returns {Promise<Blob | null>} null: it was aborted
 */
export async function animation(shots, { kind, panel, run, context: around, box, delay, signal, advance }) {
  const gifenc = await import('gifenc');
  const gif = gifenc.GIFEncoder();
  const area = { width: box.width, height: box.height + FOOT };
  const fitting = Math.sqrt(MOST_PIXELS / (area.width * area.height));
  const ratio = Math.min(window.devicePixelRatio || 1, 2, fitting);
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(area.width * ratio);
  canvas.height = Math.round(area.height * ratio);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('no 2d context');
  const stage = new Stage(kind, panel, run, box, around);

  /** @param {Uint8ClampedArray} rgba @param {number} stay */
  function write(rgba, stay) {
    const { index, palette } = indexed(rgba, gifenc);
    gif.writeFrame(index, canvas.width, canvas.height, { palette, delay: stay });
  }

  /** @type {Uint8ClampedArray | null} */
  let last = null; // is written when it is known whether another one follows
  let done = 0;
  try {
    for await (const { picture, label } of shots) {
      if (last) write(last, delay);
      await stage.show(picture);
      if (signal.aborted) return null;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.fillStyle = theme.colours.panel;
      context.fillRect(0, 0, area.width, area.height);
      await paint(context, stage.element);
      sign(context, area, panel.title, label);
      last = context.getImageData(0, 0, canvas.width, canvas.height).data;
      advance(++done);
    }
  } finally {
    stage.close();
  }
  if (!last) return null;
  write(last, HOLD);
  gif.finish();
  return new Blob([gif.bytes()], { type: 'image/gif' });
}

/**
 * A palette, and the place in it of each pixel: of the very colours, where they are no more than a frame may have.
 * @param {Uint8ClampedArray} rgba
 * @param {Pick<typeof import('gifenc'), 'quantize' | 'applyPalette'>} gifenc
 */
export function indexed(rgba, { quantize, applyPalette }) {
  const pixels = new Uint32Array(rgba.buffer);
  const index = new Uint8Array(pixels.length);
  /** @type {Map<number, number>} */
  const places = new Map();
  for (let i = 0; i < pixels.length; i++) {
    const place = places.get(pixels[i]) ?? places.size;
    if (place === COLOURS) {
      const palette = quantize(rgba, COLOURS);
      return { palette, index: applyPalette(rgba, palette) };
    }
    places.set(pixels[i], place);
    index[i] = place;
  }
  const palette = [...places.keys()].map((colour) => [
    colour & 255,
    (colour >> 8) & 255,
    (colour >> 16) & 255,
  ]);
  return { palette, index };
}

/**
 * The panel's title and the picture's label in the lower corners; the title gives way.
 * @param {CanvasRenderingContext2D} context
 * @param {Size} area
 * @param {string} title
 * @param {string} label
 */
function sign(context, { width, height }, title, label) {
  const y = height - FOOT / 2;
  context.font = FONT;
  context.textBaseline = 'middle';
  context.textAlign = 'right';
  context.fillStyle = theme.colours.text;
  context.fillText(label, width - MARGIN, y);
  context.textAlign = 'left';
  context.fillStyle = theme.colours.muted;
  const room = width - 4 * MARGIN - context.measureText(label).width;
  context.fillText(shorten(title, room), MARGIN, y);
}
