/** The class that this page is in: what the teacher shows and asks, who is here. One socket, which reconnects by itself. */

import { at } from './base.js';

const FIRST_RETRY = 500; // ms
const LONGEST_RETRY = 4000; // ms
const POINTED = 2000; // ms for which a place that was pointed at is shown
const AROUND = 'descent.class.around';
const PLACES = 10; // a second, that are told while the teacher points

/** @typedef {import('../net/server.js').components['schemas']['Asked']} Asked */
/** @typedef {{run: string, experiment: string, step: number | null, panel: string}} Shown */
/** @typedef {string | number | number[]} Guess */
/** @typedef {{panel: string, x: number, y: number}} Point  from 0 to 1, across and down */
/** @typedef {{id: string, name: string, role: string, experiment: string, run: string, right: number, answered: boolean}} Member */
/**
 * A question, see `descent/classroom/lesson.py`; texts by language.
 * @typedef {object} Asking
 * @property {string} id
 * @property {string} run
 * @property {string} experiment
 * @property {Record<string, string>} ask
 * @property {Record<string, string>} why
 * @property {number} until
 * @property {Record<string, Record<string, string>>} answers
 * @property {Asked | null} number
 * @property {Asked | null} curve
 * @property {'open' | 'closed' | 'going' | 'seen'} phase
 * @property {Guess[]} guesses
 * @property {Guess | null} mine
 * @property {boolean | null} is_right
 * @property {string[] | number | number[] | null} right
 * @property {boolean} by_hand
 */

function looksAround() {
  try {
    return sessionStorage.getItem(AROUND) === 'yes';
  } catch {
    return false;
  }
}

export class Classroom {
  shown = $state.raw(/** @type {Shown | null} */ (null));
  asking = $state.raw(/** @type {Asking | null} */ (null));
  /** For the teacher: the other pages that are open. @type {Member[]} */
  here = $state.raw([]);
  /** Questions decided so far, and how many of one's own guesses were right. */
  asked = $state(0);
  right = $state(0);
  /** Where the teacher points. */
  point = $state.raw(/** @type {Point | null} */ (null));
  /** Whether this page goes where the teacher goes; in this window, also when it is loaded again. */
  follows = $state(!looksAround());

  /** @type {WebSocket | null} */
  #socket = null;
  #retry = FIRST_RETRY;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pointed;
  #told = 0;
  #heard = false;
  #here = { experiment: '', run: '' };

  /** Come in; returns how to leave. */
  open() {
    this.#connect();
    return () => {
      clearTimeout(this.#timer);
      if (!this.#socket) return;
      this.#socket.onclose = null;
      this.#socket.close();
    };
  }

  #connect() {
    const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}${at('/api/class/stream')}`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#retry = FIRST_RETRY;
      this.#send({ type: 'here', ...this.#here });
    };
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    socket.onclose = () => {
      this.#timer = setTimeout(() => this.#connect(), this.#retry);
      this.#retry = Math.min(2 * this.#retry, LONGEST_RETRY);
    };
  }

  /** @param {any} said */
  #hear(said) {
    if (said.type === 'point') {
      this.point = said;
      clearTimeout(this.#pointed);
      this.#pointed = setTimeout(() => (this.point = null), POINTED);
      return;
    }
    if (said.shown && !this.shown && this.#heard) this.follow(true); // a new showing
    this.#heard = true;
    this.shown = said.shown;
    this.asking = said.asking;
    this.here = said.here;
    this.asked = said.asked;
    this.right = said.right;
  }

  /** Go where the teacher goes, or look around. @param {boolean} follows */
  follow(follows) {
    this.follows = follows;
    try {
      sessionStorage.setItem(AROUND, follows ? '' : 'yes');
    } catch {
      // Storage is not available: it is so until the page is loaded again.
    }
  }

  /** Tell where this page is. @param {string} experiment @param {string} run */
  at(experiment, run) {
    this.#here = { experiment, run };
    this.#send({ type: 'here', experiment, run });
  }

  /** Tell where one points. @param {Point} point */
  pointAt(point) {
    const now = performance.now();
    if (now - this.#told < 1000 / PLACES) return;
    this.#told = now;
    this.#send({ type: 'point', ...point });
  }

  /** @param {unknown} what */
  #send(what) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(what));
  }
}
