/** Memory for a standby's copy: what a file held is told, and gone, and the loop goes on while it is wiped. */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { native } from '../../src/native/addon.js';
import { anonymousMemory, mapCopy, mapRegion } from '../../src/server/region-mapping.js';
import { Journal } from '../../src/store/journal.js';
import { headBytes, NodeWord, pagesBytes, SuperWord } from '../../src/store/layout.js';
import { promote } from '../../src/store/superblock.js';
import { geometries } from '../support/region.js';

const geometry = { ...geometries.mixed, pageBytes: 2 ** 20, pageCount: 80 };
const totalBytes = headBytes(geometry) + pagesBytes(geometry);
const mark = SuperWord.NODE + NodeWord.INCONSISTENT;

let folder = '';
let file = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-copy-'));
  file = join(folder, 'memory');
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Leaves a cache of epoch 2 in the file, full of sevens. */
function leaveCache(): void {
  const { nativeRegion, region } = mapRegion(geometry, { ...anonymousMemory, file }, new Journal());
  promote(region);
  region.pageTable.fill(1);
  region.buckets.fill(7);
  for (const words of region.words) words.fill(7);
  native.regionClose(nativeRegion.id);
}

test('a cache in the file is told and wiped, and the loop turns meanwhile', async () => {
  leaveCache();
  let turns = 0;
  let mapped = false;
  const turn = (): void => {
    turns++;
    if (!mapped) setImmediate(turn);
  };
  turn();
  const { nativeRegion, gaveUp } = await mapCopy(geometry, { ...anonymousMemory, file });
  mapped = true;
  expect(gaveUp).toBe(2);
  expect(turns).toBeGreaterThan(1);
  const head = new Int32Array(nativeRegion.head);
  expect(head[mark]).toBe(1);
  head[mark] = 0;
  for (const buffer of [nativeRegion.head, ...nativeRegion.segments]) {
    expect(new Int32Array(buffer).every((word) => word === 0)).toBe(true);
  }
  expect(statSync(file).blocks * 512).toBeGreaterThanOrEqual(totalBytes);
  native.regionClose(nativeRegion.id);
  expect(readFileSync(file).every((byte) => byte === 0)).toBe(true);
});

test('a copy that was not whole is no cache that is given up', async () => {
  leaveCache();
  native.regionClose((await mapCopy(geometry, { ...anonymousMemory, file })).nativeRegion.id);
  const { nativeRegion, gaveUp } = await mapCopy(geometry, { ...anonymousMemory, file });
  expect(gaveUp).toBeNull();
  native.regionClose(nativeRegion.id);
});

test('memory without a file is new', async () => {
  const { nativeRegion, gaveUp } = await mapCopy(geometry, anonymousMemory);
  expect({ gaveUp, created: nativeRegion.created }).toEqual({ gaveUp: null, created: true });
  expect(new Int32Array(nativeRegion.head)[mark]).toBe(1);
  native.regionClose(nativeRegion.id);
});

test('a file in use, or of another size, is refused, unless that may be given up', async () => {
  leaveCache();
  const holder = await mapCopy(geometry, { ...anonymousMemory, file });
  await expect(mapCopy(geometry, { ...anonymousMemory, file })).rejects.toThrow(
    /in use by another/,
  );
  native.regionClose(holder.nativeRegion.id);
  rmSync(file);
  leaveCache();
  truncateSync(file, totalBytes / 2);
  await expect(mapCopy(geometry, { ...anonymousMemory, file })).rejects.toThrow(/bytes long/);
  const { nativeRegion } = await mapCopy(geometry, { ...anonymousMemory, file, discard: true });
  expect(nativeRegion.created).toBe(true);
  native.regionClose(nativeRegion.id);
});
