import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decode } from '../../frontend/src/lib/wire.js';

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
