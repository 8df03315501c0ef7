/** Files that are chosen or dropped: of which kind, and pictures as one zip file. */

import { writeFileSync, mkdtempSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { asOne, crc32, kindOf, zipOf } from '../../frontend/src/lib/bringing.js';

/** @param {string} path @param {string} text */
const found = (path, text) => ({ path, file: new File([text], path.split('/').at(-1) ?? '') });

describe('files that are brought', () => {
  it('are of a kind by their name', () => {
    expect(['a.ZIP', 'b.jpeg', 'c.PNG'].map(kindOf)).toEqual(Array(3).fill('images'));
    expect(['a.csv', 'b.TSV', 'c.txt', 'd'].map(kindOf)).toEqual(['table', 'table', 'text', 'text']);
  });

  it('have the checksum of zip files', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });

  it('are one zip file that others can read, folders and all', async () => {
    const files = [found('pets/고양이/1.png', 'one'), found('pets/dog/2.jpg', 'three')];
    const zip = await zipOf(files);
    const at = join(mkdtempSync(join(tmpdir(), 'zip-')), 'a.zip');
    writeFileSync(at, Buffer.from(await zip.arrayBuffer()));
    const read =
      'import json, sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(json.dumps([z.testzip(), {n: z.read(n).decode() for n in z.namelist()}]))';
    expect(JSON.parse(execFileSync('python3', ['-c', read, at]).toString())).toEqual([
      null,
      { 'pets/고양이/1.png': 'one', 'pets/dog/2.jpg': 'three' },
    ]);
  });

  it('are sent as they are but for pictures, of which what is none is left out', async () => {
    const zip = found('a.zip', 'x');
    expect(await asOne([zip], 'images')).toBe(zip.file);
    const text = found('a.txt', 'x');
    expect(await asOne([text], 'text')).toBe(text.file);
    const sent = await asOne([found('pets/a/1.png', 'x'), found('pets/notes.txt', 'y')], 'images');
    expect(sent?.name).toBe('pets');
    const both = await asOne([found('pets/a/1.png', 'x'), found('pets/b/2.png', 'y')], 'images');
    expect(both?.name).toBe('pets.zip');
    expect(both?.size).toBeGreaterThan(100);
  });
});
