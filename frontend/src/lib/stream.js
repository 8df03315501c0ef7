/** A run's WebSocket: reconnects by itself and requests the missed messages. No DOM beyond WebSocket. */

import { decode } from './wire.js';

const FIRST_RETRY = 250; // ms
const LONGEST_RETRY = 5000; // ms
const NO_SUCH_RUN = 4404;
const POINTS = 2 ** 16; // rows of a long history: more than can be drawn; the rest is fetched on demand
const TRY_AGAIN_LATER = 1013; // too many viewers

/**
 * @typedef {object} Listener
 * @property {(event: import('./types.js').StreamEvent) => void} event  a JSON event
 * @property {(frame: import('./types.js').Frame) => void} frame
 * @property {(state: 'connecting' | 'open' | 'lost' | 'full' | 'gone') => void} connection
 */

export class Stream {
  /** @type {WebSocket | null} */
  #socket = null;
  #retry = FIRST_RETRY;
  #closed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** `seq` up to which all messages have arrived: scalars and events, not pictures. */
  #since = 0;
  /** @type {{panels: string[], max_fps: number} | null} */
  #watch = null;

  /**
   * @param {string} url  ws://…/api/runs/ID/stream
   * @param {Listener} listener
   */
  constructor(url, listener) {
    this.url = url;
    this.listener = listener;
    this.#connect();
  }

  #connect() {
    this.listener.connection('connecting');
    const socket = (this.#socket = new WebSocket(`${this.url}?since=${this.#since}&points=${POINTS}`));
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.#retry = FIRST_RETRY;
      this.listener.connection('open');
      if (this.#watch) this.send({ type: 'watch', ...this.#watch });
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === 'string') {
        /** @type {import('./types.js').StreamEvent} */
        const event = JSON.parse(data);
        if (event.type === 'gap') this.#since = event.last;
        else if (event.type !== 'hello' && 'seq' in event) this.#since = event.seq;
        this.listener.event(event);
      } else {
        const frame = decode(data);
        if (frame.type === 'scalars') this.#since = frame.seq;
        this.listener.frame(frame);
      }
    };
    socket.onclose = ({ code }) => {
      if (this.#closed) return;
      if (code === NO_SUCH_RUN) {
        this.listener.connection('gone');
        return;
      }
      const full = code === TRY_AGAIN_LATER;
      if (full) this.#retry = LONGEST_RETRY;
      this.listener.connection(full ? 'full' : 'lost');
      this.#timer = setTimeout(() => this.#connect(), this.#retry);
      this.#retry = Math.min(this.#retry * 2, LONGEST_RETRY);
    };
  }

  /**
   * @param {import('./types.js').Command} command
   * @returns {boolean} whether it could be sent
   */
  send(command) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(command));
    return true;
  }

  /**
   * Report the panels on screen; repeated after reconnects.
   * @param {string[]} panels
   * @param {number} maxFps
   */
  watch(panels, maxFps) {
    this.#watch = { panels, max_fps: maxFps };
    this.send({ type: 'watch', ...this.#watch });
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    if (!socket) return;
    socket.onmessage = null;
    if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close();
    else socket.close();
  }
}
