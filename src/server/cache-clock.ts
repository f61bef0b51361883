/**
 * The time of a cache: seconds since 1970, seeded with the wall clock when the cache is made and carried on by a clock
 * that does not step. It stands in the superblock, so an heir carries it on, whatever its own wall clock says; a step
 * of a wall clock changes no TTL. Exptimes are in this time, which is Unix time for as long as no clock steps.
 */
import { NodeWord, SuperWord } from '../store/layout.js';
import type { Region } from '../store/region.js';

/** The origin of the cache in a region. The node that served it last has written how far the cache's time had come. */
export type CacheOrigin = 'here' | 'primary';

export class CacheClock {
  private readonly region: Region;
  private readonly wall: () => number;
  /** The difference between the cache's time and the clock that does not step, in ms. */
  private readonly offsetMs: number;
  private seconds = 0;

  /** `nowMs` is of the clock that does not step; `wall` gives Unix time in ms. */
  constructor(region: Region, origin: CacheOrigin, nowMs: number, wall: () => number) {
    this.region = region;
    this.wall = wall;
    this.offsetMs = beginningMs(region.head, origin, wall()) - nowMs;
  }

  /** The cache's time in seconds. Each new second is written to the region, for an heir. */
  at(nowMs: number): number {
    const seconds = Math.floor((nowMs + this.offsetMs) / 1000);
    if (seconds > this.seconds) this.note(seconds);
    return this.seconds;
  }

  private note(seconds: number): void {
    const { region } = this;
    this.seconds = seconds;
    region.publishHeadWord(SuperWord.TIME, seconds | 0);
    Atomics.store(region.head, SuperWord.NODE + NodeWord.WALL, Math.floor(this.wall() / 1000) | 0);
  }
}

function beginningMs(head: Int32Array, origin: CacheOrigin, wallMs: number): number {
  const reached = head[SuperWord.TIME]! >>> 0;
  if (reached === 0) return wallMs;
  // The primary may have come to the end of that second, and items that were dead there must be dead here.
  if (origin === 'primary') return (reached + 1) * 1000;
  // A memory file: time went on while no node served from it, and only the wall clock knows how long.
  const left = head[SuperWord.NODE + NodeWord.WALL]! >>> 0;
  return left === 0
    ? Math.max(wallMs, reached * 1000)
    : reached * 1000 + Math.max(0, wallMs - left * 1000);
}
