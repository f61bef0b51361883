/** Counters of serving. They are plain numbers, incremented on the hot path; `stats reset` sets them to zero. */
import { classesMax } from '../base/limits.js';

/** Counters that memcached keeps a slab class, in the order of `stats slabs`. */
export const classCounters = [
  'get_hits',
  'cmd_set',
  'delete_hits',
  'incr_hits',
  'decr_hits',
  'cas_hits',
  'cas_badval',
  'touch_hits',
] as const;
export type ClassCounter = (typeof classCounters)[number];

export class Counters {
  cmdGet = 0;
  cmdFlush = 0;
  cmdTouch = 0;
  cmdMeta = 0;
  getMisses = 0;
  deleteMisses = 0;
  incrMisses = 0;
  decrMisses = 0;
  casMisses = 0;
  touchMisses = 0;
  storeTooLarge = 0;
  storeNoMemory = 0;
  totalConnections = 0;
  /** Connections closed because of `-o idle_timeout`. */
  idleKicks = 0;
  authCommands = 0;
  authErrors = 0;
  /** Times a connection with more requests had to wait for the next tick. */
  connectionYields = 0;
  /** Counters of each slab class: by the counter's name, then by class number. */
  readonly byClass = Object.fromEntries(
    classCounters.map((name) => [name, new Float64Array(classesMax)]),
  ) as Record<ClassCounter, Float64Array>;

  /** Deletes, touches and flushes before the last `reset`. */
  private readonly before = { unversioned: 0 };

  /** Changes by clients that draw no CAS id: deletes, touches, flushes. `reset` does not change it. */
  get unversionedChanges(): number {
    const changes = this.sum('delete_hits') + this.sum('touch_hits') + this.cmdFlush;
    return this.before.unversioned + changes;
  }

  sum(name: ClassCounter): number {
    return this.byClass[name].reduce((total, value) => total + value, 0);
  }

  reset(): void {
    this.before.unversioned = this.unversionedChanges;
    for (const [key, value] of Object.entries(this)) {
      if (typeof value === 'number') (this as unknown as Record<string, number>)[key] = 0;
    }
    for (const name of classCounters) this.byClass[name].fill(0);
  }
}
