/**
 * A digest of what is mirrored, read from outside: from the memory file (`-e`) of a node. The node's own half of the
 * superblock, and chunks that no key leads to, are no part of it. Nor is the second of the cache's time: it moves while
 * one file is read behind the other, also where nobody writes (timeline.test.ts shows that it is mirrored).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Journal } from '../../src/journal.js';
import { segmentBytes } from '../../src/limits.js';
import {
  headBytes,
  headerBytes,
  KEY_AND_BITS,
  NEXT,
  SuperWord,
  superblockBytes,
  VALUE_LENGTH,
} from '../../src/store/layout.js';
import { inspect } from '../../src/store/open.js';
import { Region } from '../../src/store/region.js';

const blockBytes = 4096;

export interface Mirrored {
  readonly digest: string;
  readonly items: number;
}

export function mirrored(file: string): Mirrored {
  const bytes = readFileSync(file);
  const whole = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  const found = inspect(new Int32Array(whole, 0, superblockBytes / 4));
  if (found.kind !== 'region') throw new Error(`${file} holds no region: ${found.kind}`);
  const start = headBytes(found.geometry);
  const segments: ArrayBuffer[] = [];
  for (let at = start; at < whole.byteLength; at += segmentBytes) {
    segments.push(whole.slice(at, Math.min(at + segmentBytes, whole.byteLength)));
  }
  const head = whole.slice(0, start);
  return digestOf(new Region({ head, segments }, found.geometry, new Journal()));
}

/** In which blocks two nodes' memory files hold different bytes, but for the node's own half: the first few offsets. */
export function unlike(file: string, other: string): number[] {
  const [one, two] = [readFileSync(file), readFileSync(other)];
  for (const bytes of [one, two]) {
    bytes.fill(0, SuperWord.NODE * 4, superblockBytes);
    bytes.writeInt32LE(0, SuperWord.TIME * 4);
  }
  const offsets: number[] = [];
  for (let at = 0; at < one.length && offsets.length < 8; at += blockBytes) {
    const [ours, theirs] = [one, two].map((bytes) => bytes.subarray(at, at + blockBytes));
    if (ours!.equals(theirs!)) continue;
    offsets.push(at + ours!.findIndex((byte, i) => byte !== theirs![i]));
  }
  return offsets;
}

function digestOf(region: Region): Mirrored {
  const hash = createHash('sha256');
  region.head[SuperWord.TIME] = 0;
  const head = new Uint8Array(region.head.buffer);
  hash.update(head.subarray(0, SuperWord.NODE * 4));
  hash.update(head.subarray(superblockBytes));
  let items = 0;
  for (const bucket of region.buckets) {
    for (let ref = bucket; ref !== 0; items++) {
      const words = region.wordsOf(ref);
      const index = region.indexOf(ref);
      const keyLength = words[index + KEY_AND_BITS]! & 0xff;
      const length = headerBytes + keyLength + (words[index + VALUE_LENGTH]! >>> 0);
      hash.update(new Uint8Array(words.buffer, index * 4, length));
      ref = words[index + NEXT]!;
    }
  }
  return { digest: hash.digest('hex'), items };
}
