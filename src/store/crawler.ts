/**
 * Finds items that are expired or flushed and unlinks them, in slices, so that their memory is free before a command
 * needs it. It walks the buckets, not the pages, as an item that is moved meanwhile stays in its bucket, and nothing
 * needs to be adopted first. A walk begins by `lru_crawler crawl`, or by itself after a time, which is shorter while
 * walks find something.
 */
import {
  classesMax,
  crawlSecondsLeast,
  crawlSecondsMost,
  upkeepLooksPerChange,
} from '../base/limits.js';
import type { Store } from './store.js';

/** Empty buckets that cost as much as one item. */
const bucketsPerLook = 4;
/** A walk that finds at least this share of dead items was worth it. */
const worthShare = 0.01;

export class Crawler {
  /** `lru_crawler enable` and `disable`. */
  enabled = true;
  /** `lru_crawler tocrawl`: items of a class that a walk looks at; 0: all. */
  itemsMost = 0;
  starts = 0;
  private readonly store: Store;
  private readonly wanted = new Uint8Array(classesMax);
  private readonly checkedOf = new Float64Array(classesMax);
  /** The next bucket; -1: no walk. */
  private bucket = -1;
  private found = 0;
  private seen = 0;
  private intervalSeconds = crawlSecondsLeast;
  private dueAt: number;
  private flushes = 0;

  constructor(store: Store) {
    this.store = store;
    this.dueAt = store.now + this.intervalSeconds;
  }

  get isRunning(): boolean {
    return this.bucket >= 0;
  }

  /** Begins a walk that looks at items of these classes; while one is under way they are added to it. */
  start(classes: readonly number[]): void {
    if (!this.isRunning) {
      this.wanted.fill(0);
      this.checkedOf.fill(0);
      this.bucket = 0;
      this.found = 0;
      this.seen = 0;
    }
    for (const number of classes) this.wanted[number] = 1;
    this.starts++;
  }

  stop(): void {
    this.bucket = -1;
  }

  /** Begins a walk by itself when one is due. To be called once a second. */
  tick(): void {
    const { store } = this;
    if (store.flushes !== this.flushes) {
      this.flushes = store.flushes;
      this.dueAt = store.now;
    }
    if (!this.enabled || this.isRunning || store.now < this.dueAt) return;
    const used = store.slabs.classes.filter(({ pages }) => pages.length > 0);
    this.dueAt = store.now + this.intervalSeconds;
    if (used.length > 0) this.start(used.map(({ number }) => number));
  }

  /** Works until about `budget` looks are used, and returns how many are left. */
  step(budget: number): number {
    const { buckets } = this.store;
    let left = budget;
    while (left > 0 && this.isRunning) {
      left -= 1 / bucketsPerLook;
      for (let ref = buckets.first(this.bucket); ref !== 0; ) {
        // The next item is read before this one may be unlinked.
        const next = buckets.next(ref);
        left -= this.look(ref);
        ref = next;
      }
      this.bucket++;
      if (this.bucket === buckets.count) this.finish();
    }
    return left;
  }

  private finish(): void {
    this.bucket = -1;
    const worth = this.found > this.seen * worthShare;
    const next = worth ? this.intervalSeconds / 2 : this.intervalSeconds * 2;
    this.intervalSeconds = Math.min(crawlSecondsMost, Math.max(crawlSecondsLeast, next));
    this.dueAt = this.store.now + this.intervalSeconds;
  }

  /** Looks at an item; returns the cost of that. */
  private look(ref: number): number {
    const { store } = this;
    const slabClass = store.slabs.classOf(ref);
    const { number } = slabClass;
    if (this.wanted[number] === 0) return 1;
    if (this.itemsMost > 0 && this.checkedOf[number]! >= this.itemsMost) return 1;
    this.checkedOf[number]!++;
    this.seen++;
    slabClass.crawlerChecked++;
    if (!store.isDead(ref)) return 1;
    this.found++;
    store.crawled(ref);
    return upkeepLooksPerChange;
  }
}
