/** Bytes to frames: the safetensors layout written by the server's `wire.py`. No DOM, no sockets. */

/** @typedef {import('./types.js').Frame} Frame */
/** @typedef {import('./types.js').TypedArray} TypedArray */

/** @type {Record<string, {new (buffer: ArrayBuffer, offset: number, length: number): TypedArray, BYTES_PER_ELEMENT: number}>} */
const ARRAYS = { F32: Float32Array, I32: Int32Array, U8: Uint8Array, I64: BigInt64Array };

/**
 * The frames in a body that has several, each after its length in four bytes.
 * @param {ArrayBuffer} buffer
 * @returns {Frame[]}
 * @throws {Error} when the bytes are no frames
 */
export function unpack(buffer) {
  const view = new DataView(buffer);
  const frames = [];
  for (let at = 0; at < buffer.byteLength;) {
    const length = view.getUint32(at, true);
    if (at + 4 + length > buffer.byteLength) throw new Error(`invalid frames: one of ${length} bytes`);
    frames.push(decode(buffer.slice(at + 4, at + 4 + length))); // a copy: its arrays are aligned
    at += 4 + length;
  }
  return frames;
}

/**
 * The frames in a body that is still coming, each after its length in four bytes.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<Frame>}
 */
export async function* unpackAll(body) {
  const reader = body.getReader();
  let held = new Uint8Array();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    let at = 0;
    while (joined.length >= at + 4) {
      const end = at + 4 + new DataView(joined.buffer).getUint32(at, true);
      if (joined.length < end) break;
      yield decode(joined.buffer.slice(at + 4, end));
      at = end;
    }
    held = joined.slice(at);
  }
}

/**
 * Decode one binary frame. The tensors are views into `buffer`, nothing is copied.
 * @param {ArrayBuffer} buffer
 * @returns {Frame}
 * @throws {Error} when the bytes are no frame
 */
export function decode(buffer) {
  if (buffer.byteLength < 8) throw new Error(`invalid frame: ${buffer.byteLength} bytes`);
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  if (length > buffer.byteLength - 8) throw new Error(`invalid frame: header of ${length} bytes`);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const { __metadata__: metadata, ...entries } = header;
  /** @type {Record<string, import('./types.js').Tensor>} */
  const tensors = {};
  for (const [name, entry] of Object.entries(entries)) {
    const Type = ARRAYS[entry.dtype];
    if (!Type) throw new Error(`invalid frame: ${name} has dtype ${entry.dtype}`);
    const [begin, end] = entry.data_offsets;
    const data = new Type(buffer, 8 + length + begin, (end - begin) / Type.BYTES_PER_ELEMENT);
    tensors[name] = { shape: entry.shape, data };
  }
  const frame = {
    type: metadata.type,
    run: metadata.run,
    seq: Number(metadata.seq),
    step: Number(metadata.step),
    panel: metadata.panel ?? '',
    kind: metadata.kind ?? '',
    meta: metadata.meta ? JSON.parse(metadata.meta) : {},
    tensors,
    ...(metadata.final && { final: metadata.final === '1' }),
  };
  return /** @type {Frame} */ (frame);
}
