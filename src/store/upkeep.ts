/**
 * The work of the store beside its clients' commands: adopting pages of an opened region, moving pages between classes,
 * finding dead items. All of it runs in slices of `upkeepLooks`; the caller decides when. A function of the store and
 * its clock.
 */
import { upkeepLooks } from '../base/limits.js';
import { Crawler } from './crawler.js';
import { PageBalancer } from './page-balancer.js';
import type { SlabClass } from './slab-class.js';
import type { Store } from './store.js';

/** When the next slice is wanted. */
export const Pace = { NOW: 0, SOON: 1, LATER: 2 } as const;

/** `slabs automove`: 0, never by itself; 1, by ages over a window; 2, as soon as a class evicts. */
export type Automove = 0 | 1 | 2;

export class Upkeep {
  readonly balancer: PageBalancer;
  readonly crawler: Crawler;
  /** False with `-o no_slab_reassign`: pages move only to a class that would starve without one. */
  reassigns = true;
  automove: Automove = 1;
  private readonly store: Store;
  private sampledAt = 0;
  /** A client began some work since the last slice. */
  private begun = false;

  constructor(store: Store) {
    this.store = store;
    this.balancer = new PageBalancer(store);
    this.crawler = new Crawler(store);
  }

  /** True when work waits for the next slice that was not there after the last. */
  get isWanted(): boolean {
    const { mover, allocator } = this.store;
    return this.begun || (allocator.wanted !== 0 && !mover.isRunning);
  }

  /** Does a slice, and returns when the next one is wanted. */
  work(): number {
    const { store, crawler } = this;
    const { mover, slabs } = store;
    const half = upkeepLooks / 2;
    this.begun = false;
    if (!slabs.adoptSome(half)) return Pace.NOW;
    if (store.now !== this.sampledAt) {
      this.sampledAt = store.now;
      this.balancer.sample();
      crawler.tick();
    }
    if (!mover.isRunning) this.choose();
    const moves = mover.isRunning;
    const moverLeft = moves ? mover.step(half) : half;
    const crawlerLeft = crawler.isRunning ? crawler.step(half) : half;
    // A mover that waits for busy chunks does not use up its looks, and need not run soon; one that is done may go on.
    const more = moverLeft <= 0 || crawlerLeft <= 0 || (moves && !mover.isRunning);
    return more ? Pace.SOON : Pace.LATER;
  }

  /** `slabs reassign`: false when no page of the class can be moved now. */
  reassign(from: SlabClass, to: SlabClass | null): boolean {
    this.begun = true;
    return this.store.mover.begin(from, to);
  }

  /** `lru_crawler crawl`. */
  crawl(classes: readonly number[]): void {
    this.begun = true;
    this.crawler.start(classes);
  }

  private choose(): void {
    const { store, balancer } = this;
    const { mover } = store;
    const wanted = store.allocator.takeWanted();
    if (wanted !== 0) {
      const to = store.slabs.classes[wanted]!;
      const starves = to.pages.length === 0 && store.slabs.unusedPages === 0;
      const from = starves ? balancer.donorFor(to) : null;
      if (from !== null && mover.begin(from, to)) return;
    }
    if (!this.reassigns || this.automove === 0) return;
    const move = balancer.decide(this.automove === 2);
    if (move !== null) mover.begin(move.from, move.to);
  }
}
