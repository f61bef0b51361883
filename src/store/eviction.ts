/**
 * Chooses the item that a full class evicts: S3-FIFO (Yang and others, "FIFO queues are all you need for cache
 * eviction", SOSP 2023) with CLOCK as its main queue. Most new items are never read, and should not hold room for a
 * whole round.
 *
 *      new item ──► probation, the newest few ──read──► main ──not read since the hand came by last──► evicted
 *                       └──not read──► evicted, its hash remembered: if its key comes again soon, it goes to main
 *
 * The number of items on probation is learnt, as in ARC (Megiddo and Modha, FAST 2003): a key that is set again soon
 * after its item failed the probation makes the probation longer, a key that is set again after main evicted its item
 * makes it shorter.
 *
 * Probation is a ring of refs by age. Main is all the chunks, which a hand walks, counting down up to three reads of
 * each. A hand that has counted down very many takes the least read of them, so that no command waits for a round
 * through a large class. A read is one small store in either.
 */
import {
  evictionLooksMost,
  ghostBitsLeast,
  probationItemsLeast,
  probationItemsMost,
  probationShareLeast,
  probationShareMost,
} from '../base/limits.js';
import { HASH } from './layout.js';
import type { SlabClass } from './slab-class.js';
import { ChunkState, type Slabs } from './slabs.js';

export interface Eviction {
  /** The state word of an item after a read. */
  hit(state: number): number;
  /** True when the item is among those that are evicted next. */
  isCold(state: number): boolean;
  /** Notes an item whose key was not there; returns the first bits of its state word. */
  admit(ref: number, hash: number, slabClass: SlabClass): number;
  /** Roughly the item that is evicted next, or 0 when that is up to the hand. */
  peek(slabClass: SlabClass): number;
  /**
   * The ref of a live item of this class to evict; 0 when there is none. It is never `shielded`, nor pinned, nor in a
   * chunk that is not adopted yet, nor in the page that is being emptied.
   */
  victim(slabClass: SlabClass, shielded: number): number;
}

export class Fifos implements Eviction {
  private readonly slabs: Slabs;
  /** Fingerprints of evicted items, at the upper bits of their hash; a later one replaces an earlier. */
  private readonly ghosts: Uint16Array;
  private readonly ghostShift: number;
  /** False until an item was evicted, as there is nothing to look up before. */
  private remembers = false;

  constructor(slabs: Slabs) {
    this.slabs = slabs;
    const bits = Math.max(ghostBitsLeast, slabs.region.geometry.bucketBits - 1);
    this.ghosts = new Uint16Array(2 ** bits);
    this.ghostShift = 32 - bits;
  }

  hit(state: number): number {
    return (state & ChunkState.HITS) === ChunkState.HITS
      ? state | ChunkState.FETCHED
      : (state + ChunkState.HIT) | ChunkState.FETCHED;
  }

  isCold(state: number): boolean {
    return (state & ChunkState.HITS) === 0;
  }

  admit(ref: number, hash: number, slabClass: SlabClass): number {
    if (this.remembers) {
      const ghost = hash >>> this.ghostShift;
      const found = this.ghosts[ghost]!;
      if (found !== 0 && (found & ~1) === ghostOf(hash, 0)) {
        this.ghosts[ghost] = 0;
        learn(slabClass, (found & 1) === 1);
        return 0;
      }
    }
    slabClass.probation.push(ref, slabClass.pages.length * slabClass.perPage * probationShareMost);
    return ChunkState.PROBATION;
  }

  peek(slabClass: SlabClass): number {
    const { probation } = slabClass;
    if (probation.length <= limitOf(slabClass)) return 0;
    const ref = probation.oldest();
    return (this.chunkStateOf(ref, slabClass) & ChunkState.PROBATION) === 0 ? 0 : ref;
  }

  victim(slabClass: SlabClass, shielded: number): number {
    const limit = limitOf(slabClass);
    const { probation } = slabClass;
    let looks = evictionLooksMost;
    while (probation.length > limit && looks-- > 0) {
      const ref = probation.shift();
      const word = this.chunkStateOf(ref, slabClass);
      // The chunk may have been given back and filled again, by an item that went to main at once.
      if ((word & ChunkState.PROBATION) === 0) continue;
      this.slabs.chunkStates[this.slabs.region.pageOf(ref)]![this.slabs.chunkOf(ref, slabClass)] =
        word & ~ChunkState.PROBATION;
      const may =
        (word & (ChunkState.LIVE | ChunkState.PINNED | ChunkState.HITS)) === ChunkState.LIVE &&
        ref !== shielded;
      if (!may || this.slabs.region.pageOf(ref) === this.slabs.draining) continue;
      this.remember(ref, 1);
      return ref;
    }
    const ref = this.fromMain(slabClass, shielded);
    if (ref !== 0) this.remember(ref, 0);
    return ref;
  }

  private remember(ref: number, onProbation: number): void {
    const { region } = this.slabs;
    const hash = region.wordsOf(ref)[region.indexOf(ref) + HASH]!;
    this.ghosts[hash >>> this.ghostShift] = ghostOf(hash, onProbation);
    this.remembers = true;
  }

  /** The state word of a chunk that was once in the class; 0 when its page no longer is. */
  private chunkStateOf(ref: number, slabClass: SlabClass): number {
    const { region, chunkStates } = this.slabs;
    const page = region.pageOf(ref);
    if (region.pageTable[page] !== slabClass.number) return 0;
    return chunkStates[page]![this.slabs.chunkOf(ref, slabClass)]!;
  }

  private fromMain(slabClass: SlabClass, shielded: number): number {
    // The first of the least read items that the hand has passed: the item to take when the hand must stop.
    let spare = 0;
    let spareHits: number = ChunkState.HITS + 1;
    let looks = evictionLooksMost;
    const rounds = 5; // Three count down the hits, one takes the item, one is the rest of the first.
    let steps = slabClass.pages.length * slabClass.perPage * rounds;
    while (steps-- > 0) {
      if (slabClass.handChunk >= slabClass.perPage) {
        slabClass.handChunk = 0;
        slabClass.handPage++;
      }
      if (slabClass.handPage >= slabClass.pages.length) slabClass.handPage = 0;
      const page = slabClass.pages[slabClass.handPage]!;
      if (page === this.slabs.draining) {
        slabClass.handChunk = slabClass.perPage;
        continue;
      }
      const known = this.slabs.firstKnown(page);
      if (slabClass.handChunk < known) {
        slabClass.handChunk = known;
        if (known === slabClass.perPage) continue;
      }
      const chunk = slabClass.handChunk++;
      const states = this.slabs.chunkStates[page]!;
      const word = states[chunk]!;
      if ((word & (ChunkState.LIVE | ChunkState.PINNED)) !== ChunkState.LIVE) continue;
      const hits = word & ChunkState.HITS;
      const ref = this.slabs.refOf(page, chunk, slabClass);
      if (hits === 0) {
        if (ref !== shielded) return ref;
        continue;
      }
      states[chunk] = word - ChunkState.HIT;
      if (hits < spareHits && ref !== shielded) {
        spare = ref;
        spareHits = hits;
      }
      if (--looks <= 0 && spare !== 0) return spare;
    }
    return spare;
  }
}

/** Items that may be on probation before the oldest of them are judged. */
function limitOf(slabClass: SlabClass): number {
  const { items, probationShare } = slabClass;
  const least = Math.min(probationItemsLeast, items / 2);
  return Math.min(Math.max(items * probationShare, least), probationItemsMost);
}

/**
 * A key was set again soon after its item was evicted: from now on a quarter of an item more, or less, is on probation.
 */
function learn(slabClass: SlabClass, failedProbation: boolean): void {
  const step = 0.25 / Math.max(1, slabClass.items);
  const share = slabClass.probationShare + (failedProbation ? step : -step);
  slabClass.probationShare = Math.min(probationShareMost, Math.max(probationShareLeast, share));
}

/** The fingerprint of an evicted item, whose lowest bit says whether it was on probation. 0 is an empty place. */
function ghostOf(hash: number, onProbation: number): number {
  return (hash & 0xfffe) | onProbation;
}
