import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { readFileSync } from 'node:fs';
import { Stream } from '../../frontend/src/lib/stream.js';

/** A socket that the test plays the server of. */
class FakeSocket {
  static OPEN = 1;
  /** @type {FakeSocket[]} */
  static all = [];
  readyState = 0;
  /** @type {any[]} */
  sent = [];

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  open() {
    this.readyState = FakeSocket.OPEN;
    this.onopen();
  }

  /** @param {any} data */
  hear(data) {
    this.onmessage({ data });
  }

  /** @param {number} [code] */
  close(code = 1006) {
    this.readyState = 3;
    this.onclose({ code });
  }
}

/** A frame written by Python, as its own buffer. @param {string} name */
function golden(name) {
  const bytes = readFileSync(new URL(`../fixtures/${name}.safetensors`, import.meta.url));
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/** @type {{events: any[], frames: any[], connections: string[]}} */
let heard;
/** @type {Stream} */
let stream;

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', FakeSocket);
  FakeSocket.all = [];
  heard = { events: [], frames: [], connections: [] };
  stream = new Stream('ws://here/api/runs/r/stream', {
    event: (event) => heard.events.push(event),
    frame: (frame) => heard.frames.push(frame),
    connection: (state) => heard.connections.push(state),
  });
});
afterEach(() => {
  stream.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('events and frames reach the listener, decoded', () => {
  FakeSocket.all[0].open();
  FakeSocket.all[0].hear('{"type": "state", "seq": 1, "status": "running"}');
  FakeSocket.all[0].hear(golden('heatmap'));
  expect(heard.events[0].status).toBe('running');
  expect(heard.frames[0].kind).toBe('heatmap');
});

test('after a lost connection it asks for what came after the last scalars or event, and watches as before', () => {
  const [first] = FakeSocket.all;
  first.open();
  stream.watch(['map'], 30);
  first.hear('{"type": "hello", "seq": 99, "run": {}}');
  first.hear(golden('scalars'));
  const { seq } = heard.frames[0];
  first.hear(golden('heatmap'));
  first.close();
  expect(heard.connections.at(-1)).toBe('lost');
  vi.advanceTimersByTime(300);
  const second = FakeSocket.all[1];
  expect(second.url).toBe(`ws://here/api/runs/r/stream?since=${seq}&points=65536`);
  second.open();
  expect(second.sent).toEqual([{ type: 'watch', panels: ['map'], max_fps: 30 }]);
});

test('it tries again ever more slowly, and fast again once it was connected', () => {
  FakeSocket.all[0].close();
  vi.advanceTimersByTime(250);
  FakeSocket.all[1].close();
  vi.advanceTimersByTime(250);
  expect(FakeSocket.all.length).toBe(2);
  vi.advanceTimersByTime(250);
  expect(FakeSocket.all.length).toBe(3);
  FakeSocket.all[2].open();
  FakeSocket.all[2].close();
  vi.advanceTimersByTime(250);
  expect(FakeSocket.all.length).toBe(4);
});

test('one viewer too many says so, and asks seldom', () => {
  FakeSocket.all[0].open();
  FakeSocket.all[0].close(1013);
  expect(heard.connections.at(-1)).toBe('full');
  vi.advanceTimersByTime(4900);
  expect(FakeSocket.all.length).toBe(1);
  vi.advanceTimersByTime(200);
  expect(FakeSocket.all.length).toBe(2);
});

test('a run that is gone is not asked for again', () => {
  FakeSocket.all[0].close(4404);
  vi.advanceTimersByTime(60_000);
  expect(heard.connections.at(-1)).toBe('gone');
  expect(FakeSocket.all.length).toBe(1);
});

test('nothing is sent into a closed socket', () => {
  expect(stream.send({ type: 'pause' })).toBe(false);
  FakeSocket.all[0].open();
  expect(stream.send({ type: 'pause' })).toBe(true);
});
