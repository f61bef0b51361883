/**
 * The copy of a region: what is zero is passed over, what was never written is neither read nor allocated, and no call
 * looks at more than its budget, whatever the region holds.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Link } from '../../backup/link/link.js';
import { Resync } from '../../backup/primary/resync.js';
import {
  blockBytes,
  copyBytesInFlightMax,
  lookBytesMax,
  segmentBytes,
} from '../../src/base/limits.js';
import { native } from '../../src/native/addon.js';
import { machine } from '../../src/native/ports.js';
import { anonymousMemory, type MappedRegion, mapRegion } from '../../src/server/region-mapping.js';
import { Journal } from '../../src/store/journal.js';
import { geometryOf, headBytes, SuperWord } from '../../src/store/layout.js';
import { allocatedBytes } from '../support/region.js';

const MiB = 2 ** 20;
/** What a window of a scan may go beyond its budget. */
const windowBytes = 65_536;

const opened: MappedRegion[] = [];
const folders: string[] = [];

afterEach(() => {
  for (const { nativeRegion } of opened.splice(0)) native.regionClose(nativeRegion.id);
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function open(mebibytes: number, file: string | null = null): MappedRegion {
  const flags = {
    memoryBytes: mebibytes * MiB,
    itemBytesMax: MiB,
    chunkMin: 48,
    growthFactor: 1.25,
  };
  const mapped = mapRegion(geometryOf(flags), { ...anonymousMemory, file }, new Journal());
  opened.push(mapped);
  return mapped;
}

interface Copied {
  readonly resync: Resync;
  readonly blocks: readonly (readonly [offset: number, length: number])[];
  readonly calls: number;
}

/** Copies everything to a link that acks what it is given when the call is over. */
function copyAll({ region, nativeRegion }: MappedRegion): Copied {
  const blocks: [number, number][] = [];
  const sendBlock = (offset: number, length: number): void => {
    blocks.push([offset, length]);
  };
  // Time stands still: the budget of bytes alone decides.
  const resync = new Resync(region, nativeRegion.id, { ...machine, clock: () => 0 });
  let calls = 0;
  let sent = 0;
  while (!resync.isSent) {
    const goesOn = resync.proceed({ sendBlock } as unknown as Link, 1, blocks.length);
    calls++;
    const bytes = blocks.slice(sent).reduce((sum, [, length]) => sum + length, 0);
    expect(bytes).toBeLessThanOrEqual(copyBytesInFlightMax + blockBytes);
    expect(goesOn || resync.isSent || blocks.length > sent).toBe(true);
    sent = blocks.length;
  }
  expect(resync.lookedBytesMost).toBeLessThanOrEqual(lookBytesMax + windowBytes);
  expect(resync.doneBytes).toBe(resync.totalBytes - (4096 - SuperWord.NODE * 4));
  return { resync, blocks, calls };
}

describe('memory', () => {
  test('of 16 GiB, empty: next to nothing is looked at, and nothing is allocated', () => {
    const mapped = open(16_384);
    // The page table is read to find the pages that have a class.
    expect(mapped.region.pageTable.every((slabClass) => slabClass === 0)).toBe(true);
    const before = allocatedBytes();
    const { resync, blocks } = copyAll(mapped);
    expect(blocks).toEqual([[0, SuperWord.NODE * 4]]);
    expect(resync.lookedBytes).toBeLessThan(2 * windowBytes);
    expect(allocatedBytes()).toBe(before);
  });

  test('with a page here and there: those are sent, and nothing else is allocated', () => {
    const mapped = open(4096);
    const { region } = mapped;
    const { geometry, pagesOffset } = region;
    const last = 3 * segmentBytes + segmentBytes - 4096;
    region.buckets[0] = 1;
    region.buckets[2 ** geometry.bucketBits - 1] = 1;
    for (const page of [3, 4, geometry.pageCount - 1]) region.pageTable[page] = 1;
    region.words[0]![(3 * MiB) / 4 + 1024 * 5] = 7;
    region.words[0]![(3 * MiB) / 4 + 1024 * 7] = 7;
    region.words[3]![(last - 3 * segmentBytes) / 4] = 7;
    // A page without a class is nobody's.
    region.words[1]![0] = 7;
    const before = allocatedBytes();
    const { blocks } = copyAll(mapped);
    expect(blocks).toEqual([
      [0, SuperWord.NODE * 4],
      // The page table, and the first bucket behind it.
      [4096, 8192],
      [headBytes(geometry) - 4096, 4096],
      [pagesOffset + 3 * MiB + 5 * 4096, 4096],
      [pagesOffset + 3 * MiB + 7 * 4096, 4096],
      [pagesOffset + last, 4096],
    ]);
    expect(allocatedBytes()).toBe(before);
  });

  test('that was written, and is zero: it is looked at in as many calls as it needs', () => {
    const mapped = open(64);
    mapped.region.pageTable.fill(1);
    mapped.region.words[0]!.fill(0);
    const { resync, blocks, calls } = copyAll(mapped);
    expect(blocks.map(([offset]) => offset)).toEqual([0, 4096]);
    expect(resync.lookedBytes).toBeGreaterThanOrEqual(64 * MiB);
    expect(calls).toBeGreaterThanOrEqual((64 * MiB) / (lookBytesMax + windowBytes));
  });

  test('that is full goes in whole blocks', () => {
    const mapped = open(8);
    mapped.region.pageTable.fill(1);
    mapped.region.words[0]!.fill(7);
    const { blocks } = copyAll(mapped);
    const { pagesOffset } = mapped.region;
    const pages = blocks.filter(([offset]) => offset >= pagesOffset);
    const whole = Array.from({ length: (8 * MiB) / blockBytes }, (_, i) => [
      pagesOffset + i * blockBytes,
      blockBytes,
    ]);
    expect(pages).toEqual(whole);
  });
});

test('a file is copied like memory', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hotspare-resync-'));
  folders.push(folder);
  const mapped = open(8, join(folder, 'memory'));
  const { region } = mapped;
  region.pageTable[2] = 1;
  region.words[0]![(2 * MiB) / 4 + 1024 * 9 + 3] = 7;
  expect(copyAll(mapped).blocks).toEqual([
    [0, SuperWord.NODE * 4],
    [4096, 4096],
    [region.pagesOffset + 2 * MiB + 9 * 4096, 4096],
  ]);
});

test('a call ends when its time is over, and the next one goes on', () => {
  const mapped = open(8);
  mapped.region.pageTable.fill(1);
  let now = 0;
  const resync = new Resync(mapped.region, mapped.nativeRegion.id, {
    ...machine,
    clock: () => now++,
  });
  const link = { sendBlock: () => {} } as unknown as Link;
  expect(resync.proceed(link, 1, 0)).toBe(true);
  let calls = 1;
  while (resync.proceed(link, 1, resync.blocksSent)) calls++;
  expect(resync.isSent).toBe(true);
  expect(calls).toBeGreaterThan(3);
});
