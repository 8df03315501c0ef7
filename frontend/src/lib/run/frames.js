/** The frames of a run: applied once per animation frame, so that every panel redraws at most once, whatever the message rate. */

import { SvelteMap } from 'svelte/reactivity';
import { Soon } from './soon.js';

/** @typedef {import('../types.js').Frame} Frame */
/** @typedef {import('../types.js').Picture} Picture */
/** @typedef {import('../types.js').ScalarsFrame} ScalarsFrame */

export class Frames {
  /** The frame of each panel at the step shown. @type {SvelteMap<string, Picture>} */
  shown = new SvelteMap();

  /** The newest frame of each panel. @type {Map<string, Picture>} */
  #present = new Map();
  /** @type {Frame[]} */
  #arrived = [];
  #past;
  #applied;
  #applying = new Soon(() => this.#apply());

  /**
   * @param {() => boolean} past  whether a past step is shown
   * @param {(scalars: ScalarsFrame[], seq: number) => void} applied  everything up to `seq`
   */
  constructor(past, applied) {
    this.#past = past;
    this.#applied = applied;
  }

  /** @param {Frame} frame */
  arrive(frame) {
    this.#arrived.push(frame);
    this.#applying.ask();
  }

  /** The page was hidden: apply what waits. */
  hurry() {
    this.#applying.now();
  }

  showPresent() {
    for (const [panel, frame] of this.#present) this.shown.set(panel, frame);
  }

  #apply() {
    const frames = this.#arrived.splice(0);
    /** @type {Map<string, Picture>} */
    const latest = new Map();
    for (const frame of frames) if (frame.type === 'panel') latest.set(frame.panel, frame);
    this.#applied(
      frames.filter((frame) => frame.type === 'scalars'),
      Math.max(...frames.map((frame) => frame.seq)),
    );
    for (const [panel, frame] of latest) {
      if ((this.#present.get(panel)?.seq ?? -1) >= frame.seq) continue;
      this.#present.set(panel, frame);
      if (!this.#past()) this.shown.set(panel, frame);
    }
  }
}
