/**
 * Decides which class gives a page to which. As in memcached's slab_automove.c a class has an age: how long ago the
 * items that it evicts next were used. Memory is well shared when all classes that evict have about the same age,
 * so the page goes from the class with the highest age to the evicting class with the lowest, when these are far enough
 * apart. Ages and evictions are averaged over a window of seconds, so that a burst moves nothing
 * (docs/decisions/page-balance.md).
 */
import { balanceMovesShare, classesMax } from '../base/limits.js';
import type { SlabClass } from './slab-class.js';
import { ChunkState } from './slabs.js';
import type { Store } from './store.js';

/** Most items, and chunks, that are looked at for the age of a class. */
const ageItems = 64;
const ageLooksMost = 512;
/** A class can spare a page when it has the free chunks of this many. */
const sparePages = 1.5;
/** A class that was given a page has this time to use it. */
const keepSeconds = 10;

export interface Move {
  readonly from: SlabClass;
  readonly to: SlabClass;
}

/** Seconds since the next victim was used: the oldest item on probation, or the oldest of the items before the hand. */
export function ageOf(store: Store, slabClass: SlabClass): number {
  const next = store.eviction.peek(slabClass);
  if (next !== 0) return store.idleSeconds(store.chunkStateOf(next));
  const { pages, perPage } = slabClass;
  let oldest = 0;
  let live = 0;
  let chunk = slabClass.handChunk;
  let index = slabClass.handPage;
  for (let looks = ageLooksMost; looks > 0 && live < ageItems && pages.length > 0; looks--) {
    if (chunk >= perPage) {
      chunk = 0;
      index++;
    }
    if (index >= pages.length) index = 0;
    // A page that is not adopted yet has no state words.
    const word = store.slabs.chunkStates[pages[index]!]![chunk++] ?? 0;
    if ((word & ChunkState.LIVE) === 0) continue;
    live++;
    oldest = Math.max(oldest, store.idleSeconds(word));
  }
  return oldest;
}

export class PageBalancer {
  /** `slabs automove ratio`: a page moves when the lowest age is less than this share of the highest. */
  ratio = 0.8;
  /** `-o slab_automove_window`: seconds that ages and evictions are averaged over. */
  windowSeconds = 30;
  private readonly store: Store;
  private readonly ages = new Float64Array(classesMax);
  /** Evictions a second. */
  private readonly rates = new Float64Array(classesMax);
  private readonly evictedBefore = new Float64Array(classesMax);
  private samples = 0;
  /** Pages that may still move before the next sample. */
  private movesLeft = 0;

  constructor(store: Store) {
    this.store = store;
  }

  /** Takes a sample; called once a second. */
  sample(): void {
    this.samples++;
    const weight = 1 / Math.min(this.samples, Math.max(1, this.windowSeconds));
    for (const slabClass of this.store.slabs.classes) {
      const { number } = slabClass;
      // With -M a class that needs memory counts its refusals, as it evicts nothing.
      const evicted = slabClass.evicted + slabClass.outOfMemory;
      // `stats reset` makes the count smaller.
      const fresh = Math.max(0, evicted - this.evictedBefore[number]!);
      this.evictedBefore[number] = evicted;
      this.rates[number]! += (fresh - this.rates[number]!) * weight;
      this.ages[number]! += (ageOf(this.store, slabClass) - this.ages[number]!) * weight;
    }
    const { pageCount } = this.store.region.geometry;
    this.movesLeft = Math.max(1, Math.floor(pageCount * balanceMovesShare));
  }

  /**
   * The page move that is due, or null. `atOnce`: as soon as a class evicts, and without a limit on the number of
   * moves.
   */
  decide(atOnce: boolean): Move | null {
    const { slabs } = this.store;
    if (slabs.unusedPages > 0 || (this.movesLeft === 0 && !atOnce)) return null;
    const to = this.youngest();
    if (to === null) return null;
    const from = this.donorFor(to);
    if (from === null) return null;
    if (!this.store.mayEvict && !this.canSpare(from)) return null;
    const ages = this.ages[to.number]! < this.ratio * this.ages[from.number]!;
    if (!ages && !this.canSpare(from)) return null;
    this.movesLeft = Math.max(0, this.movesLeft - 1);
    return { from, to };
  }

  /** The class that can best do without a page, for another that needs it; null when there is none. */
  donorFor(to: SlabClass): SlabClass | null {
    let best: SlabClass | null = null;
    let bestAge = -1;
    for (const slabClass of this.store.slabs.classes) {
      if (slabClass === to || slabClass.pages.length === 0) continue;
      if (this.store.now - slabClass.gainedAt < keepSeconds) continue;
      // The last page of a class goes only when the page is empty.
      if (slabClass.pages.length === 1 && slabClass.items > 0) continue;
      const age = this.canSpare(slabClass) ? Number.MAX_SAFE_INTEGER : this.ages[slabClass.number]!;
      if (age <= bestAge) continue;
      best = slabClass;
      bestAge = age;
    }
    return best;
  }

  private canSpare(slabClass: SlabClass): boolean {
    if (slabClass.items === 0) return true;
    return this.store.slabs.available(slabClass) > sparePages * slabClass.perPage;
  }

  /** The class with the lowest age among those that evicted in the window. */
  private youngest(): SlabClass | null {
    let best: SlabClass | null = null;
    for (const slabClass of this.store.slabs.classes) {
      const { number } = slabClass;
      if (this.rates[number]! * this.windowSeconds < 1 || this.canSpare(slabClass)) continue;
      if (best === null || this.ages[number]! < this.ages[best.number]!) best = slabClass;
    }
    return best;
  }
}
