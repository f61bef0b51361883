/**
 * Finds a chunk where a class has none left: by giving up an item, by adopting, by borrowing from a larger class, or by
 * emptying a page of another one.
 */
import { adoptChunksOnDemand, adoptChunksPerRequest, seizeItemsMost } from '../base/limits.js';
import { Seizure } from './mover.js';
import type { SlabClass } from './slab-class.js';
import type { Store } from './store.js';

/** With -M: items looked at for a dead one before a value is refused. */
const deadLooksMax = 50;

export class Room {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  /**
   * A reserved chunk for a class that has none left. A class that has nothing to give up borrows a chunk of a larger
   * one, until the mover has brought it a page; only where there is no larger one a page is emptied for it.
   */
  make(slabClass: SlabClass, shielded: number): number {
    const { store } = this;
    const own = this.within(slabClass, shielded);
    if (own !== 0 || !store.mayEvict) return own;
    store.wanted = slabClass.number;
    const { slabs } = store;
    for (let number = slabClass.number + 1; number < slabs.classes.length; number++) {
      const larger = slabs.classes[number]!;
      if (larger.pages.length === 0) continue;
      const taken = slabs.take(larger);
      const ref = taken === 0 ? this.within(larger, shielded) : taken;
      if (ref !== 0) return ref;
    }
    store.onEffort();
    const mayWait = store.patient;
    const most = mayWait ? seizeItemsMost : Number.MAX_SAFE_INTEGER;
    const seizure = store.mover.seize(slabClass, shielded, most);
    if (seizure !== Seizure.NONE) store.wanted = 0;
    if (seizure === Seizure.WHOLE) return slabs.take(slabClass);
    if (seizure === Seizure.PART) store.waits = true;
    else if (store.onStarved()) store.waits = mayWait;
    return 0;
  }

  /** A reserved chunk of this class: by evicting an item, or by finding one among the chunks not adopted yet. */
  private within(slabClass: SlabClass, shielded: number): number {
    const { store } = this;
    const { slabs } = store;
    let looks = store.mayEvict ? Number.MAX_SAFE_INTEGER : adoptChunksPerRequest;
    if (!store.mayEvict) store.onEffort();
    for (;;) {
      const victim = this.victimFor(slabClass, shielded);
      if (victim !== 0) {
        store.evict(victim, slabClass);
        return slabs.take(slabClass);
      }
      do {
        if (slabClass.unadopted.length === 0 || looks <= 0) return 0;
        const ref = slabs.take(slabClass);
        if (ref !== 0) return ref;
        looks -= adoptChunksOnDemand;
        // With -M there is seldom somebody to evict: first all that may be looked at is.
      } while (!store.mayEvict);
    }
  }

  /** With -M only what is dead anyway may go: a few are looked at, as memcached looks at a few from its tail. */
  private victimFor(slabClass: SlabClass, shielded: number): number {
    const { store } = this;
    if (slabClass.items === 0) return 0;
    if (store.mayEvict) return store.eviction.victim(slabClass, shielded);
    for (let look = 0; look < deadLooksMax; look++) {
      const victim = store.eviction.victim(slabClass, shielded);
      if (victim === 0 || store.isDead(victim)) return victim;
    }
    return 0;
  }
}
