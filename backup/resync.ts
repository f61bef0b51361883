/**
 * A full copy of the region while it is being served: every used page and what stands before the pages, block by
 * block. Batches flow at the same time, in order after the blocks they touch, so the copy converges. At most a few
 * blocks are on their way at once, which is the rate limit: clients share the loop with the copy.
 */
import { blockBytes } from '../src/limits.js';
import { headBytes, SuperWord, superblockBytes } from '../src/store/layout.js';
import type { Region } from '../src/store/region.js';
import type { Link } from './link.js';

/** Copies smaller than this are done before anybody has read how far they are. */
const loggedBytesLeast = 64 * 2 ** 20;

export class Resync {
  /** Bytes that were looked at, and that there are to look at, as of the start. */
  doneBytes = 0;
  readonly totalBytes: number;
  blocksSent = 0;
  /** True when no block is left to send. */
  isSent = false;
  private quarter = 0;
  private readonly region: Region;
  private readonly blocks: Iterator<readonly [offset: number, length: number]>;

  constructor(region: Region) {
    this.region = region;
    const { pageTable, geometry } = region;
    const used = pageTable.reduce((count, slabClass) => count + (slabClass === 0 ? 0 : 1), 0);
    this.totalBytes = headBytes(geometry) + used * geometry.pageBytes;
    this.blocks = blocksOf(region);
  }

  /** Percent of the copy passed since the last call, in quarters, for the log; null in between and for small copies. */
  passedQuarter(): number | null {
    const quarter = Math.floor((this.doneBytes / this.totalBytes) * 4);
    if (this.totalBytes < loggedBytesLeast || quarter <= this.quarter || quarter === 4) return null;
    this.quarter = quarter;
    return quarter * 25;
  }

  /** Sends the next block that is not all zero (the copy starts as zeroes). False when none is left. */
  sendNext(link: Link, epoch: number): boolean {
    for (;;) {
      const next = this.blocks.next();
      if (next.done === true) {
        this.isSent = true;
        return false;
      }
      const [offset, length] = next.value;
      this.doneBytes += length;
      if (isZero(this.region.wordsAt(offset, length))) continue;
      link.sendBlock(offset, length, epoch);
      this.blocksSent++;
      return true;
    }
  }
}

/**
 * The superblock's mirrored half, the page table and buckets, then the pages that had a class when the copy began: a
 * page that gets its class later is filled by batches alone.
 */
function* blocksOf(region: Region): Generator<readonly [number, number]> {
  const { geometry, pageTable, pagesOffset } = region;
  const used = [...pageTable.keys()].filter((page) => pageTable[page] !== 0);
  yield [0, SuperWord.NODE * 4];
  yield* cut(superblockBytes, headBytes(geometry));
  for (const page of used) {
    const start = pagesOffset + page * geometry.pageBytes;
    yield* cut(start, start + geometry.pageBytes);
  }
}

function* cut(from: number, to: number): Generator<readonly [number, number]> {
  for (let at = from; at < to; at += blockBytes) yield [at, Math.min(blockBytes, to - at)];
}

function isZero(words: Int32Array): boolean {
  for (let i = 0; i < words.length; i++) {
    if (words[i] !== 0) return false;
  }
  return true;
}
