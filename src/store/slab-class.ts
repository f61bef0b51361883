/** A slab class: its pages, the items in them, and its part in `stats slabs` and `stats items`. Slabs maintains it. */

import { probationShareStart } from '../base/limits.js';
import { ProbationQueue } from './probation-queue.js';

export class SlabClass {
  readonly number: number;
  readonly chunkBytes: number;
  readonly chunkUnits: number;
  readonly perPage: number;
  /** Pages of this class, adopted or not. The hand of the eviction walks them in this order. */
  readonly pages: number[] = [];
  /** Pages that may have free chunks. */
  readonly partial: number[] = [];
  readonly unadopted: number[] = [];
  freeChunks = 0;
  readonly probation = new ProbationQueue();
  /** The share of its items that is on probation. */
  probationShare = probationShareStart;
  /** The second in which it got a page of another class. */
  gainedAt = 0;
  handPage = 0;
  handChunk = 0;
  /** Linked items, and the bytes of their chunks that they fill. */
  items = 0;
  itemBytes = 0;
  evicted = 0;
  evictedUnfetched = 0;
  evictedNonzero = 0;
  /** Seconds since the last evicted item had been read or written. */
  evictedAge = 0;
  outOfMemory = 0;
  reclaimed = 0;
  expiredUnfetched = 0;
  crawlerReclaimed = 0;
  crawlerChecked = 0;

  constructor(number: number, chunkBytes: number, unitBytes: number, pageBytes: number) {
    this.number = number;
    this.chunkBytes = chunkBytes;
    this.chunkUnits = chunkBytes / unitBytes;
    this.perPage = Math.floor(pageBytes / chunkBytes);
  }

  /** Removes an empty page from the class; the hand stays before the same chunk. */
  lose(page: number): void {
    const index = this.pages.indexOf(page);
    this.pages.splice(index, 1);
    this.freeChunks -= this.perPage;
    if (index < this.handPage) this.handPage--;
    else if (index === this.handPage) this.handChunk = 0;
  }

  resetCounters(): void {
    this.evicted = 0;
    this.evictedUnfetched = 0;
    this.evictedNonzero = 0;
    this.evictedAge = 0;
    this.outOfMemory = 0;
    this.reclaimed = 0;
    this.expiredUnfetched = 0;
    this.crawlerReclaimed = 0;
    this.crawlerChecked = 0;
  }
}

/** Sizes up to this are looked up in a table; larger ones are searched. */
export const smallBytes = 4096;

/** The smallest class for every multiple of 8 bytes up to `smallBytes`. */
export function tableOfClasses(sizes: readonly number[]): Uint8Array {
  const table = new Uint8Array(smallBytes / 8 + 1);
  let number = 1;
  for (let index = 0; index < table.length; index++) {
    while (number < sizes.length - 1 && sizes[number]! < index * 8) number++;
    table[index] = number;
  }
  return table;
}
