/** Files as they are chosen or dropped, folders too, made into the one file that is sent. */

/** @typedef {{path: string, file: File}} Found  `path`: with the folders it lies in, between slashes */

const PICTURE = /\.(png|jpe?g)$/i;
const UTF8 = 0x800; // the flag of an entry whose name is UTF-8

/** What a file is, by its name. @param {string} name @returns {'text' | 'table' | 'images'} */
export function kindOf(name) {
  if (/\.zip$/i.test(name) || PICTURE.test(name)) return 'images';
  return /\.(csv|tsv)$/i.test(name) ? 'table' : 'text';
}

/**
 * What to send of several files: of pictures one file with all of them, else each by itself.
 * @param {Found[]} found
 * @returns {{kind: 'text' | 'table' | 'images', found: Found[]}[]}
 */
export function sorted(found) {
  if (found.some(({ path }) => PICTURE.test(path))) return [{ kind: 'images', found }];
  return found
    .filter(({ file }) => !file.name.startsWith('.')) // what a system leaves in folders
    .map((one) => ({ kind: kindOf(one.path), found: [one] }));
}

/** Files from a dialog. @param {FileList | null} files @returns {Found[]} */
export const chosen = (files) =>
  [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));

/** What was dropped, with all that lies in dropped folders. @param {DataTransfer | null} data @returns {Promise<Found[]>} */
export async function dropped(data) {
  // Entries can be asked for only while the event is handled.
  const entries = [...(data?.items ?? [])].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (!entries.length || entries.includes(null)) return chosen(data?.files ?? null);
  const found = await Promise.all(entries.map((entry) => within(/** @type {FileSystemEntry} */ (entry), '')));
  return found.flat();
}

/** @param {FileSystemEntry} entry @param {string} above @returns {Promise<Found[]>} */
async function within(entry, above) {
  const path = above + entry.name;
  if (entry.isFile) {
    const at = /** @type {FileSystemFileEntry} */ (entry);
    return [{ path, file: await new Promise((done, failed) => at.file(done, failed)) }];
  }
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((done, failed) => reader.readEntries(done, failed)); // at most a hundred
    if (!some.length) return found.flat();
    found.push(...(await Promise.all(some.map((one) => within(one, `${path}/`)))));
  }
}

/**
 * One file to send: the only one, or, of pictures, a zip file with all of them.
 * @param {Found[]} found
 * @param {'text' | 'table' | 'images'} kind
 * @returns {Promise<File | undefined>}
 */
export async function asOne(found, kind) {
  const pictures = found.filter(({ path }) => PICTURE.test(path));
  if (kind !== 'images' || (found.length === 1 && !pictures.length)) return found[0]?.file;
  const top = pictures[0]?.path.split('/')[0] ?? 'pictures';
  return new File([await zipOf(pictures)], pictures.length > 1 ? `${top.replace(PICTURE, '')}.zip` : top);
}

/** A zip file of files as they are: pictures are packed already. @param {Found[]} found */
export async function zipOf(found) {
  const parts = [];
  const list = [];
  let at = 0;
  for (const { path, file } of found) {
    const data = new Uint8Array(await file.arrayBuffer());
    const name = new TextEncoder().encode(path);
    /** The fields that stand before each entry, and again in the list at the end. */
    const fields = new Uint8Array(26);
    const view = new DataView(fields.buffer);
    view.setUint16(0, 20, true); // version 2.0
    view.setUint16(2, UTF8, true);
    view.setUint32(10, crc32(data), true);
    view.setUint32(14, data.length, true);
    view.setUint32(18, data.length, true);
    view.setUint16(22, name.length, true);
    parts.push(signed('PK\x03\x04'), fields, name, data);
    const rest = new Uint8Array(14);
    new DataView(rest.buffer).setUint32(10, at, true);
    list.push(signed('PK\x01\x02'), Uint8Array.of(20, 0), fields, rest, name);
    at += 30 + name.length + data.length;
  }
  const end = new DataView(new ArrayBuffer(18));
  end.setUint16(4, found.length, true);
  end.setUint16(6, found.length, true);
  end.setUint32(8, sizeOf(list), true);
  end.setUint32(12, at, true);
  return new Blob([...parts, ...list, signed('PK\x05\x06'), end.buffer]);
}

/** @param {string} mark */
const signed = (mark) => Uint8Array.from(mark, (sign) => sign.charCodeAt(0));
/** @param {Uint8Array[]} parts */
const sizeOf = (parts) => parts.reduce((sum, part) => sum + part.length, 0);

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** The checksum of zip files. @param {Uint8Array} data */
export function crc32(data) {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
