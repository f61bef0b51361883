/**
 * Which item a full class gives up. CLOCK with a counter of up to three hits: a hand walks the chunks of the class and
 * takes the first item that was not read since it last came by. A new item starts with no hits, so a scan passes
 * through without pushing out what is read again and again. A hand that has counted down very many takes the one of
 * them that was read least: nobody waits for a round through a large class.
 */
import { evictionLooksMost } from '../limits.js';
import type { SlabClass } from './slab-class.js';
import { Meta, type Slabs } from './slabs.js';

export interface Eviction {
  /** The meta word of an item that was just read. */
  hit(meta: number): number;
  /** True when the item is among those that are given up next. */
  isCold(meta: number): boolean;
  /**
   * The ref of a live item of this class to give up, never `shielded`, one that is pinned, one in a chunk that is not
   * adopted yet or in the page that is being emptied; 0 when there is none.
   */
  victim(slabClass: SlabClass, shielded: number): number;
}

export class Clock implements Eviction {
  private readonly slabs: Slabs;

  constructor(slabs: Slabs) {
    this.slabs = slabs;
  }

  hit(meta: number): number {
    return (meta & Meta.HITS) === Meta.HITS
      ? meta | Meta.FETCHED
      : (meta + Meta.HIT) | Meta.FETCHED;
  }

  isCold(meta: number): boolean {
    return (meta & Meta.HITS) === 0;
  }

  victim(slabClass: SlabClass, shielded: number): number {
    // The first that was read least of those the hand has passed: it goes when the hand must stop.
    let spare = 0;
    let spareHits: number = Meta.HITS + 1;
    let looks = evictionLooksMost;
    const rounds = 5; // Three to count down the hits, one to take, one for the rest of the round it began in.
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
      const meta = this.slabs.meta[page]!;
      const word = meta[chunk]!;
      if ((word & (Meta.LIVE | Meta.PINNED)) !== Meta.LIVE) continue;
      const hits = word & Meta.HITS;
      const ref = this.slabs.refOf(page, chunk, slabClass);
      if (hits === 0) {
        if (ref !== shielded) return ref;
        continue;
      }
      meta[chunk] = word - Meta.HIT;
      if (hits < spareHits && ref !== shielded) {
        spare = ref;
        spareHits = hits;
      }
      if (--looks <= 0 && spare !== 0) return spare;
    }
    return spare;
  }
}
