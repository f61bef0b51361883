/**
 * The time that a cache lives by: one line, seeded with the wall clock when the cache is made and carried on by a clock
 * that does not step. The line stands in the superblock, so an heir goes on with it, whatever its own wall clock says;
 * no TTL feels a step of either. Exptimes are seconds of this line, which are Unix time for as long as no clock steps.
 */
import { NodeWord, SuperWord } from '../store/layout.js';
import type { Region } from '../store/region.js';

/** Where the cache in a region comes from: its last node has written how far the line had come. */
export type Origin = 'here' | 'primary';

export class Timeline {
  private readonly region: Region;
  private readonly wall: () => number;
  /** From milliseconds of the clock that does not step to those of the line. */
  private readonly offsetMs: number;
  private seconds = 0;

  /** `nowMs` of the clock that does not step; `wall` gives Unix time in ms. */
  constructor(region: Region, origin: Origin, nowMs: number, wall: () => number) {
    this.region = region;
    this.wall = wall;
    this.offsetMs = beginningMs(region.head, origin, wall()) - nowMs;
  }

  /** Seconds of the line; once a second they are left for whoever goes on with it. */
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

function beginningMs(head: Int32Array, origin: Origin, wallMs: number): number {
  const reached = head[SuperWord.TIME]! >>> 0;
  if (reached === 0) return wallMs;
  // The primary may have come to the end of that second: what was dead there is dead here.
  if (origin === 'primary') return (reached + 1) * 1000;
  // A memory file: time went on while nobody served from it, and only the wall clock knows how long.
  const left = head[SuperWord.NODE + NodeWord.WALL]! >>> 0;
  return left === 0
    ? Math.max(wallMs, reached * 1000)
    : reached * 1000 + Math.max(0, wallMs - left * 1000);
}
