/**
 * A digest of the mirrored bytes, read from outside: from the memory file (`-e`) of a node. The node's own half of the
 * superblock, and chunks that no key leads to, are no part of it. Nor is the cache's time in seconds, which moves while
 * one file is read after the other, even without writes (cache-clock.test.ts shows that it is mirrored).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { segmentBytes } from '../../src/base/limits.js';
import { Journal } from '../../src/store/journal.js';
import {
  headBytes,
  headerBytes,
  KEY_AND_BITS,
  NEXT,
  SuperWord,
  superblockBytes,
  VALUE_LENGTH,
} from '../../src/store/layout.js';
import { Region } from '../../src/store/region.js';
import { inspect } from '../../src/store/superblock.js';

const blockBytes = 4096;

export interface Mirrored {
  readonly digest: string;
  readonly items: number;
}

export function mirrored(file: string): Mirrored {
  return digestOf(regionIn(readFileSync(file)));
}

/**
 * Where two nodes' memory files hold different bytes: the first few offsets, of blocks of 4 KiB. Chunks that no key
 * leads to are left out, as a command that is refused behind its data block (add, cas) fills a chunk that is never
 * mirrored.
 */
export function unlike(file: string, other: string): number[] {
  const [one, two] = [readFileSync(file), readFileSync(other)];
  const region = regionIn(one);
  const start = headBytes(region.geometry);
  const spans: [from: number, to: number][] = [
    [0, SuperWord.TIME * 4],
    [SuperWord.TIME * 4 + 4, SuperWord.NODE * 4],
    [superblockBytes, start],
  ];
  for (const { words, index, length } of itemsOf(region)) {
    const from = start + region.words.indexOf(words) * segmentBytes + index * 4;
    spans.push([from, from + length]);
  }
  const blocks = new Set<number>();
  for (const [from, to] of spans) {
    for (let at = from; at < to; at += blockBytes) {
      const end = Math.min(to, at + blockBytes);
      if (!one.subarray(at, end).equals(two.subarray(at, end))) blocks.add(at);
      if (blocks.size === 8) return [...blocks];
    }
  }
  return [...blocks];
}

function regionIn(bytes: Buffer<ArrayBuffer>): Region {
  const whole = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const found = inspect(new Int32Array(whole, 0, superblockBytes / 4));
  if (found.kind !== 'region') throw new Error(`that is no region: ${found.kind}`);
  const start = headBytes(found.geometry);
  const segments: ArrayBuffer[] = [];
  for (let at = start; at < whole.byteLength; at += segmentBytes) {
    segments.push(whole.slice(at, Math.min(at + segmentBytes, whole.byteLength)));
  }
  const head = whole.slice(0, start);
  return new Region({ head, segments }, found.geometry, new Journal());
}

/** All items that a key leads to, bucket by bucket. */
function* itemsOf(region: Region) {
  for (const bucket of region.buckets) {
    for (let ref = bucket; ref !== 0; ) {
      const words = region.wordsOf(ref);
      const index = region.indexOf(ref);
      const keyLength = words[index + KEY_AND_BITS]! & 0xff;
      yield {
        words,
        index,
        length: headerBytes + keyLength + (words[index + VALUE_LENGTH]! >>> 0),
      };
      ref = words[index + NEXT]!;
    }
  }
}

function digestOf(region: Region): Mirrored {
  const hash = createHash('sha256');
  region.head[SuperWord.TIME] = 0;
  const head = new Uint8Array(region.head.buffer);
  hash.update(head.subarray(0, SuperWord.NODE * 4));
  hash.update(head.subarray(superblockBytes));
  let items = 0;
  for (const { words, index, length } of itemsOf(region)) {
    hash.update(new Uint8Array(words.buffer, index * 4, length));
    items++;
  }
  return { digest: hash.digest('hex'), items };
}
