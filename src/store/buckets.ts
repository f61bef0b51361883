/**
 * The hash table: chains of refs from fixed buckets. It finds, links and unlinks. Every visible change is one publish,
 * so a reader of the bytes sees a chain with or without an item, never half of one.
 */
import { assert } from '../base/errors.js';
import { lookaheadKeysMost } from '../base/limits.js';
import { hashOf } from './hash.js';
import {
  HASH,
  headerBytes,
  headerWords,
  KEY_AND_BITS,
  keyLengthMask,
  NEXT,
  SuperWord,
} from './layout.js';
import type { Region } from './region.js';

/** No chain is this long unless the region is damaged: a walk this long would be a cycle. */
const chainMax = 2 ** 24;
/** Words in a line of the processor's cache. */
const lineWords = 16;

export class Buckets {
  /** Predecessor of the item that `find` or `locate` met last, 0 when it is its chain's head. */
  previous = 0;
  /** The sum of the words that `prefetch` has read. Nothing uses it, but the compiler drops reads without a use. */
  read = 0;
  private readonly region: Region;
  private readonly heads: Int32Array;
  private readonly mask: number;
  private readonly seedLow: number;
  private readonly seedHigh: number;
  /** First items of the chains that `prefetch` looks at. */
  private readonly refs = new Int32Array(lookaheadKeysMost);

  constructor(region: Region) {
    this.region = region;
    this.heads = region.buckets;
    this.mask = region.buckets.length - 1;
    this.seedLow = region.head[SuperWord.SEED_LOW]!;
    this.seedHigh = region.head[SuperWord.SEED_HIGH]!;
  }

  hash(view: DataView, at: number, length: number): number {
    return hashOf(view, at, length, this.seedLow, this.seedHigh);
  }

  /** The ref of the item with this key, or 0. `previous` is its predecessor until something is changed. */
  find(view: DataView, at: number, length: number, hash: number): number {
    const region = this.region;
    let previous = 0;
    let ref = this.heads[hash & this.mask]!;
    while (ref !== 0) {
      const words = region.wordsOf(ref);
      const index = region.indexOf(ref);
      if (
        words[index + HASH] === hash &&
        (words[index + KEY_AND_BITS]! & keyLengthMask) === length &&
        sameKey(words, index + headerWords, view, at, length)
      ) {
        this.previous = previous;
        return ref;
      }
      previous = ref;
      ref = words[index + NEXT]!;
    }
    return 0;
  }

  /**
   * Reads the words that `find` will read for these hashes: first all heads, then all first items, then the second item
   * of a chain whose first has another hash. The reads of one pass do not wait for each other; those of `find` would.
   */
  prefetch(hashes: Int32Array, count: number): void {
    const { heads, mask, region, refs } = this;
    let sum = 0;
    for (let i = 0; i < count; i++) refs[i] = heads[hashes[i]! & mask]!;
    for (let i = 0; i < count; i++) {
      const ref = refs[i]!;
      if (ref === 0) continue;
      const words = region.wordsOf(ref);
      const index = region.indexOf(ref);
      // Most items reach into a second line of the processor's cache, where their keys are compared and their values
      // begin.
      sum ^= words[index + HASH]! ^ words[Math.min(index + lineWords, words.length - 1)]!;
    }
    for (let i = 0; i < count; i++) {
      const ref = refs[i]!;
      if (ref === 0) continue;
      const words = region.wordsOf(ref);
      const index = region.indexOf(ref);
      if (words[index + HASH] === hashes[i]) continue;
      const next = words[index + NEXT]!;
      if (next !== 0) sum ^= region.wordsOf(next)[region.indexOf(next) + HASH]!;
    }
    this.read = sum;
  }

  /** True when the chain of the chunk's own hash leads to this very chunk; then sets `previous`. */
  locate(ref: number): boolean {
    const region = this.region;
    let previous = 0;
    let at = this.heads[region.wordsOf(ref)[region.indexOf(ref) + HASH]! & this.mask]!;
    for (let steps = 0; at !== 0; steps++) {
      if (at === ref) {
        this.previous = previous;
        return true;
      }
      assert(steps < chainMax, 'a chain has an end');
      previous = at;
      at = region.wordsOf(at)[region.indexOf(at) + NEXT]!;
    }
    return false;
  }

  /**
   * The word that a chunk's `next` must hold before `publish` links it: the old item's successor, or the chain's head.
   */
  successor(hash: number, old: number): number {
    if (old === 0) return this.heads[hash & this.mask]!;
    return this.region.wordsOf(old)[this.region.indexOf(old) + NEXT]!;
  }

  /** Links `ref` in the place of `old`, whose predecessor is `previous`; as the chain's head when `old` is 0. */
  publish(ref: number, hash: number, old: number): void {
    if (old === 0 || this.previous === 0) this.region.publishBucket(hash & this.mask, ref);
    else this.region.publishItemWord(this.previous, NEXT, ref);
  }

  /** Takes an item out of its chain. */
  unlink(ref: number): void {
    const found = this.locate(ref);
    assert(found, 'an item that is unlinked was linked');
    const index = this.region.indexOf(ref);
    const words = this.region.wordsOf(ref);
    this.publish(words[index + NEXT]!, words[index + HASH]!, ref);
  }

  /** Links a copy in the place of its original. */
  replace(copy: number, old: number): void {
    const found = this.locate(old);
    assert(found, 'an item that is moved was linked');
    this.publish(copy, this.region.wordsOf(old)[this.region.indexOf(old) + HASH]!, old);
  }

  get count(): number {
    return this.heads.length;
  }

  /** The first item of a bucket's chain, or 0. */
  first(bucket: number): number {
    return this.heads[bucket]!;
  }

  /** The next item in the chain of an item, or 0. */
  next(ref: number): number {
    return this.region.wordsOf(ref)[this.region.indexOf(ref) + NEXT]!;
  }

  /** The view in which a chunk's key stands, for `find`. */
  viewOf(ref: number): DataView {
    return this.region.views[(ref - 1) >>> this.region.segmentShift]!;
  }

  keyAt(ref: number): number {
    return this.region.indexOf(ref) * 4 + headerBytes;
  }
}

/** Compares word by word; the bytes behind the key in its last word are masked out. */
function sameKey(
  words: Int32Array,
  index: number,
  view: DataView,
  at: number,
  length: number,
): boolean {
  const whole = length >>> 2;
  for (let i = 0; i < whole; i++) {
    if (words[index + i] !== view.getInt32(at + i * 4, true)) return false;
  }
  const rest = length & 3;
  if (rest === 0) return true;
  const differs = words[index + whole]! ^ view.getInt32(at + whole * 4, true);
  return (differs & ((1 << (rest * 8)) - 1)) === 0;
}
