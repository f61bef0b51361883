/**
 * The superblock: formatting a new region, checking one that is found, and the words in it that change.
 *
 * A region is opened in constant time: the buckets are in place, chunks are adopted later. A region in a file, or left
 * by a primary that died, is checked here and never served when it is damaged, half copied or of another layout.
 */
import { hashOf } from './hash.js';
import { type Geometry, layoutVersion, magic, NodeWord, RecordWord, SuperWord } from './layout.js';
import type { Region } from './region.js';

/** The findings of `inspect` in a superblock. */
export type Inspection =
  | { readonly kind: 'region'; readonly geometry: Geometry; readonly inconsistent: boolean }
  | { readonly kind: 'empty' }
  /** Marked as the copy of a standby, which died before the first block of the copy came. */
  | { readonly kind: 'copy' }
  | { readonly kind: 'damaged'; readonly reason: string }
  | { readonly kind: 'version'; readonly version: number };

/** Damage of memory that was never a region, or of a region whose format was cut. */
export const noMagic = 'no magic';

/** Writes the superblock of an all-zero region. `seed` is two random words for the hash. */
export function format(
  head: Int32Array,
  geometry: Geometry,
  seed: readonly [number, number],
): void {
  head[SuperWord.LAYOUT] = layoutVersion;
  head[SuperWord.PAGE_BYTES] = geometry.pageBytes;
  head[SuperWord.PAGE_COUNT] = geometry.pageCount;
  head[SuperWord.BUCKET_BITS] = geometry.bucketBits;
  head[SuperWord.UNIT_BYTES] = geometry.unitBytes;
  head[SuperWord.CHUNK_MIN] = geometry.chunkMin;
  head[SuperWord.GROWTH] = Math.round(geometry.growthFactor * 1e6);
  head[SuperWord.ITEM_BYTES_MAX] = geometry.itemBytesMax;
  head[SuperWord.SEED_LOW] = seed[0];
  head[SuperWord.SEED_HIGH] = seed[1];
  head[SuperWord.EPOCH] = 1;
  head[SuperWord.RECORD_0 + RecordWord.CHECKSUM] = recordChecksum(head, SuperWord.RECORD_0);
  // The magic is written last, before only its checksum, so that a format that was cut is found damaged.
  head[SuperWord.MAGIC] = magic;
  head[SuperWord.CHECKSUM] = checksum(head);
}

/** Reads a superblock that may hold anything. */
export function inspect(head: Int32Array): Inspection {
  const marked = head[SuperWord.NODE + NodeWord.INCONSISTENT] !== 0;
  if (head.subarray(0, SuperWord.CHECKSUM + 1).every((word) => word === 0)) {
    return { kind: marked ? 'copy' : 'empty' };
  }
  if (head[SuperWord.MAGIC] !== magic) return { kind: 'damaged', reason: noMagic };
  if (head[SuperWord.LAYOUT] !== layoutVersion) {
    return { kind: 'version', version: head[SuperWord.LAYOUT]! >>> 0 };
  }
  if (head[SuperWord.CHECKSUM] !== checksum(head)) {
    return { kind: 'damaged', reason: 'the checksum of the superblock is wrong' };
  }
  const damage = damageBeyondGeometry(head);
  if (damage !== null) return { kind: 'damaged', reason: damage };
  const geometry: Geometry = {
    pageBytes: head[SuperWord.PAGE_BYTES]!,
    pageCount: head[SuperWord.PAGE_COUNT]!,
    bucketBits: head[SuperWord.BUCKET_BITS]!,
    unitBytes: head[SuperWord.UNIT_BYTES]!,
    chunkMin: head[SuperWord.CHUNK_MIN]!,
    growthFactor: head[SuperWord.GROWTH]! / 1e6,
    itemBytesMax: head[SuperWord.ITEM_BYTES_MAX]!,
  };
  return { kind: 'region', geometry, inconsistent: marked };
}

/** The damage in the words that change, or null. No checksum covers all these words: each is published by itself. */
function damageBeyondGeometry(head: Int32Array): string | null {
  if (head[SuperWord.EPOCH] === 0) return 'there is no epoch';
  const selector = head[SuperWord.SELECTOR]!;
  if (selector !== 0 && selector !== 1) return 'no record is selected';
  const at = recordAt(selector);
  if (head[at + RecordWord.CHECKSUM] !== recordChecksum(head, at)) {
    return 'the checksum of the record of CAS ids and flushes is wrong';
  }
  return null;
}

export function epochOf(head: Int32Array): number {
  return head[SuperWord.EPOCH]! >>> 0;
}

/** The identity of the cache in a region, wherever it is copied: the seed of its hash, drawn when it was made. */
export function identityOf(head: Int32Array): string {
  const hex = (word: number): string => (head[word]! >>> 0).toString(16).padStart(8, '0');
  return hex(SuperWord.SEED_HIGH) + hex(SuperWord.SEED_LOW);
}

/** Begins a new reign in this region, whose epoch is above the region's last and above `known`. */
export function promote(region: Region, known = 0): number {
  const epoch = Math.max(epochOf(region.head), known) + 1;
  region.publishHeadWord(SuperWord.EPOCH, epoch | 0);
  return epoch;
}

/** Marks the node's own copy as inconsistent, so that nobody serves it, or as whole. The mark is never mirrored. */
export function markInconsistent(head: Int32Array, inconsistent: boolean): void {
  Atomics.store(head, SuperWord.NODE + NodeWord.INCONSISTENT, inconsistent ? 1 : 0);
}

/** The fields of the superblock that are larger than a word. */
export interface SuperRecord {
  /** No CAS id above this has been given out. */
  casCeiling: number;
  /** Items with a CAS id up to this are dead. */
  flushCas: number;
  /** Unix seconds at which all present items will die; 0 = no flush is waiting. */
  flushAt: number;
}

export function readRecord(head: Int32Array): SuperRecord {
  const at = recordAt(head[SuperWord.SELECTOR]!);
  return {
    casCeiling: wide(head, at + RecordWord.CAS_CEILING_LOW),
    flushCas: wide(head, at + RecordWord.FLUSH_CAS_LOW),
    flushAt: head[at + RecordWord.FLUSH_AT]! >>> 0,
  };
}

/** Writes the record that is not selected, then selects it: one publish for all its fields. */
export function writeRecord(region: Region, record: SuperRecord): void {
  const { head } = region;
  const selector = head[SuperWord.SELECTOR]! ^ 1;
  const at = recordAt(selector);
  setWide(head, at + RecordWord.CAS_CEILING_LOW, record.casCeiling);
  setWide(head, at + RecordWord.FLUSH_CAS_LOW, record.flushCas);
  head[at + RecordWord.FLUSH_AT] = record.flushAt;
  head[at + RecordWord.CHECKSUM] = recordChecksum(head, at);
  region.reportHead(at, RecordWord.WORDS);
  region.publishHeadWord(SuperWord.SELECTOR, selector);
}

function recordAt(selector: number): number {
  return selector === 0 ? SuperWord.RECORD_0 : SuperWord.RECORD_1;
}

function wide(words: Int32Array, at: number): number {
  return (words[at]! >>> 0) + (words[at + 1]! >>> 0) * 4294967296;
}

function setWide(words: Int32Array, at: number, value: number): void {
  words[at] = value | 0;
  words[at + 1] = (value / 4294967296) | 0;
}

/** The hash of the words before the checksum. */
function checksum(head: Int32Array): number {
  return hashOfWords(head, 0, SuperWord.CHECKSUM);
}

function recordChecksum(head: Int32Array, at: number): number {
  return hashOfWords(head, at, RecordWord.CHECKSUM);
}

/** The hash has a fixed key, as it shall find damage, not malice. */
function hashOfWords(head: Int32Array, at: number, words: number): number {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  return hashOf(view, at * 4, words * 4, 0x68617368, 0x73757065);
}
