/**
 * Which item a full class gives up. CLOCK with a counter of up to three hits: a hand walks the chunks of the class and
 * takes the first item that was not read since it last came by. A new item starts with no hits, so a scan passes
 * through without pushing out what is read again and again.
 */
import { Meta, type SlabClass, type Slabs } from './slabs.js';

export interface Eviction {
  /** The meta word of an item that was just read. */
  hit(meta: number): number;
  /**
   * The ref of a live item of this class to give up, never `shielded`, one that is pinned or one in a chunk that is not
   * adopted yet; 0 when there is none.
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

  victim(slabClass: SlabClass, shielded: number): number {
    const rounds = 5; // Three to count down the hits, one to take, one for the rest of the round it began in.
    let steps = slabClass.pages.length * slabClass.perPage * rounds;
    while (steps-- > 0) {
      if (slabClass.handChunk >= slabClass.perPage) {
        slabClass.handChunk = 0;
        slabClass.handPage++;
      }
      if (slabClass.handPage >= slabClass.pages.length) slabClass.handPage = 0;
      const page = slabClass.pages[slabClass.handPage]!;
      const known = this.slabs.firstKnown(page);
      if (slabClass.handChunk < known) {
        slabClass.handChunk = known;
        if (known === slabClass.perPage) continue;
      }
      const chunk = slabClass.handChunk++;
      const meta = this.slabs.meta[page]!;
      const word = meta[chunk]!;
      if ((word & (Meta.LIVE | Meta.PINNED)) !== Meta.LIVE) continue;
      if ((word & Meta.HITS) !== 0) {
        meta[chunk] = word - Meta.HIT;
        continue;
      }
      const ref = this.slabs.refOf(page, chunk, slabClass);
      if (ref !== shielded) return ref;
    }
    return 0;
  }
}
