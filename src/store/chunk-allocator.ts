/**
 * Finds a chunk for a class that has none left: by evicting an item, by adopting, by borrowing from a larger class, or
 * by emptying a page of another class.
 */
import { adoptChunksOnDemand, adoptChunksPerRequest, seizeItemsMost } from '../base/limits.js';
import type { Eviction } from './eviction.js';
import { type Items, type PageMover, Seizure } from './page-mover.js';
import { FULL, type Reservation, WAIT } from './reservation.js';
import type { SlabClass } from './slab-class.js';
import type { Slabs } from './slabs.js';

/** With -M: items that are looked at for a dead one before a value is refused. */
const deadLooksMax = 50;

/** The items that may be evicted, and the calls by which the work here is reported. */
export interface AllocatorHooks extends Pick<Items, 'isDead' | 'evict'> {
  /** A command has cost more than others do. */
  onEffort(): void;
  /** Nothing could be evicted. True: some memory may soon be free. */
  onStarved(): boolean;
}

export interface AllocatorOptions {
  /** False with `-M`: a full cache refuses instead of evicting. */
  readonly evict: boolean;
  /** True when a command can be executed anew in a later tick, so that the answer to a reservation may be WAIT. */
  readonly patient?: boolean;
}

export class ChunkAllocator {
  /** Number of a class that had to do without a page of its own; 0: none. */
  wanted = 0;
  private readonly slabs: Slabs;
  private readonly eviction: Eviction;
  private readonly mover: PageMover;
  private readonly mayEvict: boolean;
  private readonly patient: boolean;
  private readonly hooks: AllocatorHooks;

  constructor(
    slabs: Slabs,
    eviction: Eviction,
    mover: PageMover,
    options: AllocatorOptions,
    hooks: AllocatorHooks,
  ) {
    this.slabs = slabs;
    this.eviction = eviction;
    this.mover = mover;
    this.mayEvict = options.evict;
    this.patient = options.patient ?? false;
    this.hooks = hooks;
  }

  /**
   * A reserved chunk for a class that has none left. A class with nothing to evict borrows a chunk of a larger class,
   * until the mover has brought it a page. Only where there is no larger class a page is emptied for it. WAIT when that
   * takes several ticks, or when memory that is being sent or filled may soon be free.
   */
  allocate(slabClass: SlabClass, shielded: number): Reservation {
    const { slabs, patient } = this;
    const own = this.within(slabClass, shielded);
    if (own !== 0) return own;
    if (!this.mayEvict) return FULL;
    this.wanted = slabClass.number;
    for (let number = slabClass.number + 1; number < slabs.classes.length; number++) {
      const larger = slabs.classes[number]!;
      if (larger.pages.length === 0) continue;
      const taken = slabs.take(larger);
      const ref = taken === 0 ? this.within(larger, shielded) : taken;
      if (ref !== 0) return ref;
    }
    this.hooks.onEffort();
    const most = patient ? seizeItemsMost : Number.MAX_SAFE_INTEGER;
    const seizure = this.mover.seize(slabClass, shielded, most);
    if (seizure !== Seizure.NONE) this.wanted = 0;
    if (seizure === Seizure.WHOLE) return slabs.take(slabClass);
    if (seizure === Seizure.PART) return WAIT;
    return this.hooks.onStarved() && patient ? WAIT : FULL;
  }

  /** The number of a class that had to do without a page, 0 if none had. It is returned only once. */
  takeWanted(): number {
    const { wanted } = this;
    this.wanted = 0;
    return wanted;
  }

  /**
   * A reserved chunk of this class, or 0: by evicting an item, or by finding a free chunk among those not adopted yet.
   */
  private within(slabClass: SlabClass, shielded: number): number {
    const { slabs, mayEvict, hooks } = this;
    let looks = mayEvict ? Number.MAX_SAFE_INTEGER : adoptChunksPerRequest;
    if (!mayEvict) hooks.onEffort();
    for (;;) {
      const victim = this.victimFor(slabClass, shielded);
      if (victim !== 0) {
        hooks.evict(victim, slabClass);
        return slabs.take(slabClass);
      }
      do {
        if (slabClass.unadopted.length === 0 || looks <= 0) return 0;
        const ref = slabs.take(slabClass);
        if (ref !== 0) return ref;
        looks -= adoptChunksOnDemand;
        // With -M there is seldom an item to evict, so first all chunks within the limit are looked at.
      } while (!mayEvict);
    }
  }

  /**
   * The item to evict, or 0. With -M only a dead item may go: a few are looked at, as memcached looks at a few from its
   * tail.
   */
  private victimFor(slabClass: SlabClass, shielded: number): number {
    const { eviction } = this;
    if (slabClass.items === 0) return 0;
    if (this.mayEvict) return eviction.victim(slabClass, shielded);
    for (let look = 0; look < deadLooksMax; look++) {
      const victim = eviction.victim(slabClass, shielded);
      if (victim === 0 || this.hooks.isDead(victim)) return victim;
    }
    return 0;
  }
}
