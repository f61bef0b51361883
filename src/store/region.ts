/**
 * Typed views of a region's memory, and the only two ways to change it: a publish (one aligned 4-byte atomic store) of
 * a word that others can reach, and a report of bytes that nothing refers to yet. Publishes and reports go
 * into the journal, in order.
 *
 * Views are Int32Array throughout: refs and hashes are then small integers for V8, also above 2^31.
 */
import { assert } from '../base/errors.js';
import { segmentBytes } from '../base/limits.js';
import type { Journal } from './journal.js';
import {
  bucketsOffset,
  type Geometry,
  headBytes,
  headerBytes,
  KEY_AND_BITS,
  keyLengthMask,
  pagesBytes,
  pageTableOffset,
} from './layout.js';

/** Memory of a region: mapped by native.regionOpen, or plain ArrayBuffers in tests. */
export interface RegionMemory {
  readonly head: ArrayBuffer;
  readonly segments: readonly ArrayBuffer[];
}

export class Region {
  readonly geometry: Geometry;
  readonly journal: Journal;
  /** All words before the pages. */
  readonly head: Int32Array;
  readonly pageTable: Uint8Array;
  readonly buckets: Int32Array;
  /** The pages, with a view for each segment. */
  readonly words: Int32Array[];
  readonly bytes: Uint8Array[];
  readonly views: DataView[];
  /** Shifts ref - 1 right, to its segment. */
  readonly segmentShift: number;
  /** Masks ref - 1, to its place in the segment. */
  readonly segmentMask: number;
  /** Shifts units left, to words. */
  readonly wordShift: number;
  /** Shifts ref - 1 right, to its page. */
  readonly pageShift: number;
  /** Bytes in a unit of refs. */
  readonly unitBytes: number;
  /** Byte offset of the pages in the region. */
  readonly pagesOffset: number;
  private readonly bucketsOffset: number;

  constructor(memory: RegionMemory, geometry: Geometry, journal: Journal) {
    assert(
      memory.head.byteLength === headBytes(geometry),
      'the head is as large as the geometry says',
    );
    this.geometry = geometry;
    this.journal = journal;
    this.head = new Int32Array(memory.head);
    this.pageTable = new Uint8Array(memory.head, pageTableOffset, geometry.pageCount);
    this.bucketsOffset = bucketsOffset(geometry);
    this.buckets = new Int32Array(memory.head, this.bucketsOffset, 2 ** geometry.bucketBits);
    this.words = memory.segments.map((segment) => new Int32Array(segment));
    this.bytes = memory.segments.map((segment) => new Uint8Array(segment));
    this.views = memory.segments.map((segment) => new DataView(segment));
    const total = memory.segments.reduce((sum, segment) => sum + segment.byteLength, 0);
    assert(total === pagesBytes(geometry), 'the segments hold all pages');
    this.unitBytes = geometry.unitBytes;
    const unitBits = Math.log2(geometry.unitBytes);
    this.segmentShift = Math.log2(segmentBytes) - unitBits;
    this.segmentMask = 2 ** this.segmentShift - 1;
    this.wordShift = unitBits - 2;
    this.pageShift = Math.log2(geometry.pageBytes) - unitBits;
    this.pagesOffset = headBytes(geometry);
  }

  /** The words of the segment that holds a chunk. */
  wordsOf(ref: number): Int32Array {
    return this.words[(ref - 1) >>> this.segmentShift]!;
  }

  /** Index of a chunk's first word in `wordsOf(ref)`. */
  indexOf(ref: number): number {
    return ((ref - 1) & this.segmentMask) << this.wordShift;
  }

  /** A word of an item's header. */
  itemWord(ref: number, word: number): number {
    return this.wordsOf(ref)[this.indexOf(ref) + word]!;
  }

  /** Offset of an item's value in the segment that holds it. */
  valueOffset(ref: number): number {
    const index = this.indexOf(ref);
    return index * 4 + headerBytes + (this.wordsOf(ref)[index + KEY_AND_BITS]! & keyLengthMask);
  }

  /** Number of the page a chunk stands in. */
  pageOf(ref: number): number {
    return (ref - 1) >>> this.pageShift;
  }

  /** Byte offset of a chunk in the region. */
  offsetOf(ref: number): number {
    return this.pagesOffset + ((ref - 1) >>> 0) * this.unitBytes;
  }

  /** Makes a bucket's chain begin at `ref`. */
  publishBucket(bucket: number, ref: number): void {
    Atomics.store(this.buckets, bucket, ref);
    this.journal.word(this.bucketsOffset + bucket * 4, ref);
  }

  /** Changes one word of an item that others can reach. */
  publishItemWord(ref: number, word: number, value: number): void {
    Atomics.store(this.wordsOf(ref), this.indexOf(ref) + word, value);
    this.journal.word(this.offsetOf(ref) + word * 4, value);
  }

  /** Changes one word of the superblock. */
  publishHeadWord(word: number, value: number): void {
    Atomics.store(this.head, word, value);
    this.journal.word(word * 4, value);
  }

  /** Gives a page its class. The page table's bytes are published by the words that hold them. */
  publishPageClass(page: number, slabClass: number): void {
    const offset = pageTableOffset + page;
    const word = offset >>> 2;
    const shift = (offset & 3) * 8;
    const value = (this.head[word]! & ~(0xff << shift)) | (slabClass << shift);
    this.publishHeadWord(word, value);
  }

  /** Reports the first `length` bytes of a chunk that nothing refers to yet. */
  reportChunk(ref: number, length: number): void {
    this.journal.range(this.offsetOf(ref), length, this.wordsOf(ref), this.indexOf(ref));
  }

  /** Reports a part of a chunk that nothing refers to yet; `from` is a multiple of 4. */
  reportPart(ref: number, from: number, length: number): void {
    const offset = this.offsetOf(ref) + from;
    this.journal.range(offset, length, this.wordsOf(ref), this.indexOf(ref) + (from >>> 2));
  }

  /** Reports words of the superblock that are not selected yet. */
  reportHead(word: number, count: number): void {
    this.journal.range(word * 4, count * 4, this.head, word);
  }

  /** Words of the region; the range may not span two segments. */
  wordsAt(offset: number, length: number): Int32Array {
    if (offset < this.pagesOffset) {
      return this.head.subarray(offset >>> 2, (offset + length) >>> 2);
    }
    const segment = Math.floor((offset - this.pagesOffset) / segmentBytes);
    const from = offset - this.pagesOffset - segment * segmentBytes;
    return this.words[segment]!.subarray(from >>> 2, (from + length) >>> 2);
  }
}
