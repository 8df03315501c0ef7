import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decode, unpack } from '../../frontend/src/lib/wire.js';

const fixture = (/** @type {string} */ name) => new URL(`../fixtures/${name}`, import.meta.url);
const golden = JSON.parse(readFileSync(fixture('golden.json'), 'utf-8'));
const DTYPES = {
  float32: Float32Array,
  uint8: Uint8Array,
  int32: Int32Array,
  int64: BigInt64Array,
};

/** @param {string} name */
function bytes(name) {
  const file = readFileSync(fixture(`${name}.safetensors`));
  return file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
}

/** @param {ArrayLike<number | bigint>} data */
const plain = (data) =>
  Array.from(data, Number).map((v) =>
    Number.isNaN(v) ? null : v === Infinity ? 'inf' : v === -Infinity ? '-inf' : v,
  );

describe.each(Object.keys(golden))('golden frame %s', (name) => {
  const frame = decode(bytes(name));

  test('has the header that Python wrote', () => {
    const { type, run, seq, step, panel, kind, meta } = golden[name];
    expect({ ...frame, tensors: undefined }).toEqual({
      type,
      run,
      seq,
      step,
      panel,
      kind,
      meta,
    });
  });

  test('has the values that Python wrote, NaN and infinities too', () => {
    expect(Object.keys(frame.tensors).sort()).toEqual(Object.keys(golden[name].tensors).sort());
    for (const [key, { dtype, shape, values }] of Object.entries(golden[name].tensors)) {
      expect(frame.tensors[key].data).toBeInstanceOf(DTYPES[dtype]);
      expect(frame.tensors[key].shape).toEqual(shape);
      expect(plain(frame.tensors[key].data)).toEqual(values);
    }
  });
});

test('tensors are views of the frame, not copies', () => {
  const buffer = bytes('heatmap');
  expect(decode(buffer).tensors.values.data.buffer).toBe(buffer);
});

test.each([
  ['nothing', new ArrayBuffer(0), /invalid frame: 0 bytes/],
  ['too few bytes', new ArrayBuffer(7), /invalid frame: 7 bytes/],
  [
    'a header longer than the frame',
    new Uint8Array([99, 0, 0, 0, 0, 0, 0, 0, 123, 125]).buffer,
    /header of 99 bytes/,
  ],
  ['a header that is no JSON', new Uint8Array([2, 0, 0, 0, 0, 0, 0, 0, 110, 111]).buffer, /JSON/],
  ['half a frame', bytes('heatmap').slice(0, -8), /length/i],
])('%s is refused', (_, buffer, message) => {
  expect(() => decode(buffer)).toThrow(message);
});

test('a type of number the page does not know is refused by name', () => {
  const header = '{"__metadata__":{},"w":{"dtype":"F64","shape":[0],"data_offsets":[0,0]}}';
  const buffer = new Uint8Array(8 + header.length);
  buffer[0] = header.length;
  buffer.set(new TextEncoder().encode(header), 8);
  expect(() => decode(buffer.buffer)).toThrow('w has dtype F64');
});

describe('several frames in one body', () => {
  const frames = Object.keys(golden).map((name) => new Uint8Array(bytes(name)));
  const body = Buffer.concat(
    frames.flatMap((frame) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(frame.length);
      return [length, frame];
    }),
  );
  const whole = body.buffer.slice(body.byteOffset, body.byteOffset + body.byteLength);

  test('are the frames that went in', () => {
    expect(unpack(whole)).toEqual(Object.keys(golden).map((name) => decode(bytes(name))));
  });

  test('none in an empty one', () => {
    expect(unpack(new ArrayBuffer(0))).toEqual([]);
  });

  test('are refused where the last one is cut off', () => {
    expect(() => unpack(whole.slice(0, -1))).toThrow(/^invalid frames: one of \d+ bytes$/);
  });
});
