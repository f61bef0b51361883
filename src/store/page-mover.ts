/**
 * Empties one page at a time and gives it to another class, in slices. While a page is emptied no chunk of it is taken.
 * Dead items in it are unlinked. Items read lately move to another chunk of their class, for which a colder item is
 * evicted if there is no free one. The other items are evicted (with -M they stay, and so does the page). Each of these
 * changes is one publish, so a cut at any moment leaves a valid cache, and the page changes class only when nothing
 * refers into it any more.
 *
 *      IDLE ──begin──► DRAINING ──empty──► the page has its new class ──► IDLE
 *                         └──busy for moveSecondsMost, or abandoned──► IDLE
 */
import {
  moveBytesMost,
  moveSecondsMost,
  seizePagesMost,
  upkeepLooksPerChange,
} from '../base/limits.js';
import type { Eviction } from './eviction.js';
import type { SlabClass } from './slab-class.js';
import { ChunkState, type Slabs } from './slabs.js';

const busy = ChunkState.RESERVED | ChunkState.PINNED;

/** The result of `seize`: no page can be emptied now, a page is being emptied, or a page is there. */
export const Seizure = { NONE: 0, PART: 1, WHOLE: 2 } as const;

/** The items in the chunks that are moved. */
export interface Items {
  /** Unix seconds. */
  readonly now: number;
  /** True when the item is expired or flushed. */
  isDead(ref: number): boolean;
  /** Evicts an item. */
  evict(ref: number, slabClass: SlabClass): void;
  /** Moves an item into a chunk of its class that was taken for it. */
  relocate(ref: number, fresh: number): void;
}

export class PageMover {
  /** Pages that changed class. */
  moved = 0;
  /** Items that were moved to another chunk. */
  rescues = 0;
  /** Items that were evicted to empty a page. */
  evictions = 0;
  /** Dead items that the mover met. */
  reclaimed = 0;
  /** Chunks that could not be moved when they were met. */
  busyItems = 0;
  private readonly slabs: Slabs;
  private readonly eviction: Eviction;
  /** False with -M: live items are not evicted. */
  private readonly mayEvict: boolean;
  private readonly items: Items;
  private to: SlabClass | null = null;
  /** The next chunk of the page to look at. */
  private chunk = 0;
  private begunAt = 0;

  constructor(slabs: Slabs, eviction: Eviction, mayEvict: boolean, items: Items) {
    this.slabs = slabs;
    this.eviction = eviction;
    this.mayEvict = mayEvict;
    this.items = items;
  }

  get isRunning(): boolean {
    return this.slabs.draining >= 0;
  }

  resetCounters(): void {
    this.moved = 0;
    this.rescues = 0;
    this.evictions = 0;
    this.reclaimed = 0;
    this.busyItems = 0;
  }

  /** Begins to move a page from one class to another, or to none (null). False when no page can be emptied now. */
  begin(from: SlabClass, to: SlabClass | null): boolean {
    if (this.isRunning) return false;
    const page = this.emptiest(from);
    if (page < 0) return false;
    this.to = to;
    this.chunk = 0;
    this.begunAt = this.items.now;
    this.slabs.drain(page);
    return true;
  }

  /** Works until about `budget` looks are used, and returns how many are left: all of them when it must wait. */
  step(budget: number): number {
    const { slabs } = this;
    let left = budget;
    while (left > 0 && this.isRunning) {
      const from = slabs.classes[slabs.region.pageTable[slabs.draining]!]!;
      if (this.chunk < from.perPage) {
        left -= this.empty(from);
      } else if (slabs.isEmpty(slabs.draining)) {
        this.finish(this.to);
      } else {
        this.chunk = 0;
        if (this.items.now - this.begunAt > moveSecondsMost) slabs.stopDraining();
        return left;
      }
    }
    return left;
  }

  /**
   * Empties a page for a class that cannot go on without one, either all of it or `itemsMost` items, and gives it to
   * the class once it is empty.
   */
  seize(to: SlabClass, shielded: number, itemsMost: number): number {
    const { slabs } = this;
    // A page that is half empty already is the cheapest.
    if (this.isRunning && !this.canEmpty(slabs.draining, shielded)) slabs.stopDraining();
    while (!this.isRunning) {
      const page = this.pageToSeize(to, shielded);
      if (page >= 0) {
        slabs.drain(page);
        this.begunAt = this.items.now;
      } else if (!this.adoptOther(to, itemsMost)) {
        return Seizure.NONE;
      } else if (itemsMost < Number.MAX_SAFE_INTEGER) {
        return Seizure.PART;
      }
    }
    this.to = to;
    this.chunk = 0;
    const page = slabs.draining;
    const from = slabs.classes[slabs.region.pageTable[page]!]!;
    let left = itemsMost;
    for (let chunk = 0; chunk < from.perPage; chunk++) {
      if ((slabs.chunkStates[page]![chunk]! & ChunkState.LIVE) === 0) continue;
      if (left-- === 0) return Seizure.PART;
      this.items.evict(slabs.refOf(page, chunk, from), from);
    }
    this.finish(to);
    return Seizure.WHOLE;
  }

  private finish(to: SlabClass | null): void {
    this.slabs.reassign(to);
    this.moved++;
    if (to !== null) to.gainedAt = this.items.now;
  }

  /** Looks at the next chunk; returns the cost of that. */
  private empty(from: SlabClass): number {
    const { slabs, items } = this;
    const page = slabs.draining;
    const chunk = this.chunk++;
    const state = slabs.chunkStates[page]![chunk]!;
    if ((state & busy) !== 0) {
      this.busyItems++;
      return 1;
    }
    if ((state & ChunkState.LIVE) === 0) return 1;
    const ref = slabs.refOf(page, chunk, from);
    if (items.isDead(ref)) {
      this.reclaimed++;
      items.evict(ref, from);
      return upkeepLooksPerChange;
    }
    const bytes = slabs.itemBytes(ref);
    const fresh = bytes > moveBytesMost ? 0 : this.place(from, state);
    if (fresh !== 0) {
      this.rescues++;
      items.relocate(ref, fresh);
    } else if (this.mayEvict) {
      this.evictions++;
      items.evict(ref, from);
    } else {
      this.busyItems++;
    }
    return upkeepLooksPerChange * (1 + (bytes >>> 10));
  }

  /** A chunk outside of the page for an item with this state word; 0 when the item itself is to be evicted. */
  private place(from: SlabClass, state: number): number {
    const { slabs, items } = this;
    if (slabs.available(from) > 0) return slabs.take(from);
    if (!this.mayEvict || this.eviction.isCold(state)) return 0;
    const colder = this.eviction.victim(from, 0);
    if (colder === 0) return 0;
    this.evictions++;
    items.evict(colder, from);
    return slabs.available(from) > 0 ? slabs.take(from) : 0;
  }

  /** The page of a class with the fewest items; if all are full, the page before the hand. -1: no page is adopted. */
  private emptiest(from: SlabClass): number {
    const { slabs } = this;
    const { pages, handPage } = from;
    let best = -1;
    for (let i = 0; i < pages.length; i++) {
      const page = pages[(handPage + i) % pages.length]!;
      if (!slabs.isAdopted(page)) continue;
      if (best < 0 || slabs.freeIn(page) > slabs.freeIn(best)) best = page;
    }
    return best;
  }

  /** A page of the class with the most pages, the emptiest first; -1: no adopted page can be emptied. */
  private pageToSeize(to: SlabClass, shielded: number): number {
    for (const donor of this.donors(to)) {
      const emptiest = this.emptiest(donor);
      if (emptiest >= 0 && this.canEmpty(emptiest, shielded)) return emptiest;
      const { pages, handPage } = donor;
      const most = Math.min(pages.length, seizePagesMost);
      for (let i = 0; i < most; i++) {
        const page = pages[(handPage + i) % pages.length]!;
        if (this.canEmpty(page, shielded)) return page;
      }
    }
    return -1;
  }

  private donors(to: SlabClass): SlabClass[] {
    return this.slabs.classes
      .filter((slabClass) => slabClass !== to && slabClass.pages.length > 0)
      .sort((a, b) => b.pages.length - a.pages.length);
  }

  /** Looks at chunks of a page that could be emptied once it is adopted; false when there is none. */
  private adoptOther(to: SlabClass, chunksMost: number): boolean {
    const donor = this.donors(to).find(({ unadopted }) => unadopted.length > 0);
    if (donor === undefined) return false;
    this.slabs.adoptOf(donor, chunksMost);
    return true;
  }

  private canEmpty(page: number, shielded: number): boolean {
    const { slabs } = this;
    const { region } = slabs;
    if (!slabs.isAdopted(page)) return false;
    if (shielded !== 0 && region.pageOf(shielded) === page) return false;
    return slabs.chunkStates[page]!.every((word) => (word & busy) === 0);
  }
}
