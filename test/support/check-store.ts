/**
 * Checks a whole region and a whole store, sharing nothing with the store but the layout's numbers. `RegionReader`
 * reads only bytes, so it can judge the content of a standby, a file or a cut stream of writes. `checkStore` compares
 * the books of an open store with a recount. Every violation is an Error that names it.
 */
import { segmentBytes } from '../../src/base/limits.js';
import { hashOf } from '../../src/store/hash.js';
import {
  bucketsOffset,
  CAS_HIGH,
  CAS_LOW,
  chunkSizes,
  EXPTIME,
  explicitCasBytes,
  FLAGS,
  type Geometry,
  HASH,
  headerBytes,
  ItemBit,
  KEY_AND_BITS,
  keyLengthMask,
  NEXT,
  pageTableOffset,
  SuperWord,
  VALUE_LENGTH,
} from '../../src/store/layout.js';
import type { RegionMemory } from '../../src/store/region.js';
import { ChunkState } from '../../src/store/slabs.js';
import type { Store } from '../../src/store/store.js';
import { inspect, readRecord, type SuperRecord } from '../../src/store/superblock.js';

/** An item that a chain leads to. */
export interface Linked {
  readonly ref: number;
  readonly page: number;
  readonly chunk: number;
  readonly key: string;
  /** The id in the header, which is in the order of sets and flushes. */
  readonly cas: number;
  /** The id behind the value, chosen by a client; null: none was chosen. */
  readonly explicit: bigint | null;
  readonly flags: number;
  readonly exptime: number;
  /** Item bits without EXPLICIT. */
  readonly bits: number;
  /** The value, where it stands. */
  readonly value: Uint8Array;
}

/** Reads a region's bytes. Cheap to keep: its views follow the memory. */
export class RegionReader {
  readonly geometry: Geometry;
  /** Chunk sizes by class number. */
  readonly sizes: readonly number[];
  readonly pageTable: Uint8Array;
  private readonly head: Int32Array;
  private readonly buckets: Int32Array;
  private readonly segments: readonly Segment[];

  constructor(memory: RegionMemory, geometry: Geometry) {
    this.geometry = geometry;
    this.sizes = chunkSizes(geometry);
    this.head = new Int32Array(memory.head);
    this.pageTable = new Uint8Array(memory.head, pageTableOffset, geometry.pageCount);
    const count = 2 ** geometry.bucketBits;
    this.buckets = new Int32Array(memory.head, bucketsOffset(geometry), count);
    this.segments = memory.segments.map((segment) => ({
      words: new Int32Array(segment),
      bytes: Buffer.from(segment),
      view: new DataView(segment),
    }));
  }

  /** The valid record of the superblock's two. */
  record(): SuperRecord {
    return readRecord(this.head);
  }

  /** Every linked item by its key. Throws when a chain breaks law 2's promise. */
  items(): Map<string, Linked> {
    const found = inspect(this.head);
    if (found.kind !== 'region') fail(`the superblock is ${found.kind}`);
    const items = new Map<string, Linked>();
    const seen = new Set<number>();
    for (let bucket = 0; bucket < this.buckets.length; bucket++) {
      let ref = this.buckets[bucket]! >>> 0;
      while (ref !== 0) {
        if (seen.has(ref)) fail(`ref ${ref} is in two chains, or twice in one`);
        seen.add(ref);
        const { item, next } = this.item(ref, bucket);
        if (items.has(item.key)) fail(`two linked items have the key ${item.key}`);
        items.set(item.key, item);
        ref = next;
      }
    }
    return items;
  }

  private item(ref: number, bucket: number): { item: Linked; next: number } {
    const { pageBytes, pageCount, unitBytes } = this.geometry;
    const offset = (ref - 1) * unitBytes;
    const page = Math.floor(offset / pageBytes);
    if (page >= pageCount) fail(`ref ${ref} points behind the pages`);
    const chunkBytes = this.sizes[this.pageTable[page]!]!;
    if (this.pageTable[page] === 0) fail(`ref ${ref} points into page ${page}, which has no class`);
    const chunk = (offset - page * pageBytes) / chunkBytes;
    if (!Number.isInteger(chunk) || (chunk + 1) * chunkBytes > pageBytes) {
      fail(`ref ${ref} points into a chunk of page ${page}, not at one`);
    }
    const { words, bytes, view } = this.segments[Math.floor(offset / segmentBytes)]!;
    const at = offset % segmentBytes;
    const index = at / 4;
    const keyLength = words[index + KEY_AND_BITS]! & keyLengthMask;
    const valueLength = words[index + VALUE_LENGTH]! >>> 0;
    const keyAndBits = words[index + KEY_AND_BITS]!;
    const behind = (keyAndBits & ItemBit.EXPLICIT) === 0 ? 0 : explicitCasBytes;
    if (keyLength === 0 || headerBytes + keyLength + valueLength + behind > chunkBytes) {
      fail(`ref ${ref} points at lengths ${keyLength} and ${valueLength} in ${chunkBytes} bytes`);
    }
    const keyAt = at + headerBytes;
    const key = bytes.toString('latin1', keyAt, keyAt + keyLength);
    const seedLow = this.head[SuperWord.SEED_LOW]!;
    const hash = hashOf(view, keyAt, keyLength, seedLow, this.head[SuperWord.SEED_HIGH]!);
    if (words[index + HASH] !== hash) fail(`the item ${key} carries another key's hash`);
    if ((hash & (this.buckets.length - 1)) !== bucket) fail(`the item ${key} is in a wrong chain`);
    const item = {
      ref,
      page,
      chunk,
      key,
      cas: (words[index + CAS_LOW]! >>> 0) + (words[index + CAS_HIGH]! >>> 0) * 4294967296,
      flags: words[index + FLAGS]! >>> 0,
      exptime: words[index + EXPTIME]! >>> 0,
      explicit: behind === 0 ? null : view.getBigUint64(keyAt + keyLength + valueLength, true),
      bits: keyAndBits & ~keyLengthMask & ~ItemBit.EXPLICIT,
      value: bytes.subarray(keyAt + keyLength, keyAt + keyLength + valueLength),
    };
    return { item, next: words[index + NEXT]! >>> 0 };
  }
}

interface Segment {
  readonly words: Int32Array;
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** State of a store that its region does not show. */
export interface Busy {
  /** Refs whose values are arriving. */
  readonly reserved: ReadonlySet<number>;
  /** Refs whose bytes are being sent, linked or not. */
  readonly pinned: ReadonlySet<number>;
}

export const idle: Busy = { reserved: new Set(), pinned: new Set() };

/**
 * Compares a store's books with a recount of its region: each known chunk is live, reserved, doomed or free, and which.
 * Chunks that are not adopted yet are left out; their pages must say so.
 */
export function checkStore(store: Store, reader: RegionReader, busy: Busy = idle): void {
  const { slabs } = store;
  const linked = new Map<number, Linked>();
  for (const item of reader.items().values()) linked.set(item.ref, item);
  const unknown = unknownOf(store);
  let unused = 0;
  let unadopted = 0;
  const counts = slabs.classes.map(() => ({ items: 0, bytes: 0, free: 0, pages: 0 }));
  for (let page = 0; page < reader.geometry.pageCount; page++) {
    const number = reader.pageTable[page]!;
    if (number === 0) {
      unused++;
      continue;
    }
    const slabClass = slabs.classes[number]!;
    const count = counts[number]!;
    count.pages++;
    if (!slabClass.pages.includes(page)) fail(`class ${number} does not know its page ${page}`);
    if (unknown[page]! > 0) unadopted++;
    for (let chunk = unknown[page]!; chunk < slabClass.perPage; chunk++) {
      const ref = slabs.refOf(page, chunk, slabClass) >>> 0;
      const item = linked.get(ref);
      const state = slabs.chunkStates[page]![chunk]!;
      checkChunk(ref, state, item !== undefined, busy);
      if (item !== undefined) {
        count.items++;
        count.bytes += headerBytes + item.key.length + item.value.length;
        if (item.explicit !== null) count.bytes += explicitCasBytes;
      } else if (!busy.reserved.has(ref) && !busy.pinned.has(ref)) {
        count.free++;
      }
    }
  }
  equal(slabs.unusedPages, unused, 'unused pages');
  equal(slabs.unadoptedPages, unadopted, 'pages not adopted');
  for (const slabClass of slabs.classes.slice(1)) {
    const count = counts[slabClass.number]!;
    equal(slabClass.items, count.items, `items of class ${slabClass.number}`);
    equal(slabClass.itemBytes, count.bytes, `item bytes of class ${slabClass.number}`);
    equal(slabClass.freeChunks, count.free, `free chunks of class ${slabClass.number}`);
    equal(slabClass.pages.length, count.pages, `pages of class ${slabClass.number}`);
    equal(new Set(slabClass.pages).size, count.pages, `pages of class ${slabClass.number}, once`);
  }
  drain(store, linked, busy);
}

/** Adopts the rest and checks: live and free chunks are then all chunks that are not busy. */
export function checkAdopted(store: Store, reader: RegionReader, busy: Busy = idle): void {
  if (!store.slabs.adoptSome(Number.MAX_SAFE_INTEGER)) fail('adoption does not end');
  checkStore(store, reader, busy);
}

function checkChunk(ref: number, state: number, linked: boolean, busy: Busy): void {
  const is = (bit: number) => (state & bit) !== 0;
  const reserved = busy.reserved.has(ref);
  const pinned = busy.pinned.has(ref);
  if (is(ChunkState.LIVE) !== linked) fail(`chunk ${ref}: linked ${linked}, meta ${state}`);
  if (is(ChunkState.RESERVED) !== reserved)
    fail(`chunk ${ref}: reserved ${reserved}, meta ${state}`);
  if (is(ChunkState.PINNED) !== pinned) fail(`chunk ${ref}: pinned ${pinned}, meta ${state}`);
  const doomed = pinned && !linked;
  if (is(ChunkState.DOOMED) !== doomed) fail(`chunk ${ref}: doomed ${doomed}, meta ${state}`);
  if (linked && reserved) fail(`chunk ${ref} is linked and reserved`);
}

/** Takes every free chunk and gives it back: each is indeed free, and there are as many as the store says. */
function drain(store: Store, linked: ReadonlyMap<number, Linked>, busy: Busy): void {
  const { slabs } = store;
  for (const slabClass of slabs.classes.slice(1)) {
    const { pages } = slabClass;
    const { freeChunks } = slabClass;
    // Chunks of a page that is being emptied are never taken.
    const count = slabs.available(slabClass);
    const pagesBefore = pages.length;
    const taken = new Set<number>();
    for (let i = 0; i < count; i++) {
      const ref = slabs.take(slabClass) >>> 0;
      if (ref === 0 || pages.length > pagesBefore) fail(`class ${slabClass.number} hides chunks`);
      if (store.region.pageOf(ref) === slabs.draining)
        fail(`chunk ${ref} was taken from a page in motion`);
      if (taken.has(ref)) fail(`chunk ${ref} was taken twice`);
      if (linked.has(ref)) fail(`chunk ${ref} was taken and is linked`);
      if (busy.reserved.has(ref) || busy.pinned.has(ref))
        fail(`chunk ${ref} was taken and is busy`);
      taken.add(ref);
    }
    for (const ref of [...taken].reverse()) slabs.release(ref);
    equal(slabClass.freeChunks, freeChunks, `free chunks of class ${slabClass.number} given back`);
  }
}

/**
 * The number of chunks of each page that are not adopted: those with lower numbers. The field is private to the store.
 */
function unknownOf(store: Store): Int32Array {
  return (store.slabs as unknown as { unknown: Int32Array }).unknown;
}

function equal(actual: number, expected: number, what: string): void {
  if (actual !== expected) fail(`${what}: ${actual}, recounted ${expected}`);
}

function fail(sentence: string): never {
  throw new Error(sentence);
}
