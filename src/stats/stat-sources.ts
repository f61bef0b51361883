/** Types that the files of statistics share: a row, the sources of the rows; and rows that are always zero. */

import type { Settings } from '../flags/settings.js';
import type { Store } from '../store/store.js';
import type { Upkeep } from '../store/upkeep.js';
import type { Counters } from './counters.js';
import type { PrefixCounts } from './prefix-counts.js';

export type StatRow = readonly [name: string, value: string | number];

/** The server as a source of `stats`. Times and usage come in through it, so that the rows are pure functions of it. */
export interface ServerStatSource {
  readonly settings: Settings;
  readonly counters: Counters;
  /** The transport's counters, see `Counter`. */
  readonly transportCounters: Float64Array;
  /** The port clients are served on; 0 when there is none. */
  port: number;
  /** The port of UDP; 0 when there is none. */
  udpPort: number;
  verbosity: number;
  /** Seconds since the server began. */
  uptimeSeconds(): number;
  /** User and system time of the process, in microseconds, its pid, and the lines that its log has lost. */
  usage(): {
    readonly userUs: number;
    readonly systemUs: number;
    readonly pid: number;
    readonly linesLost: number;
  };
}

/** The cache as `stats` sees it, and the commands that were run on it. */
export interface CacheStatSource {
  readonly store: Store;
  readonly counters: Counters;
  readonly upkeep: Upkeep;
  readonly observer: { readonly prefixes: PrefixCounts; readonly watchers: WatcherStatSource };
  readonly administration: AdministrationStatSource;
}

/** Counts of lines for watchers, and the number of watchers. */
export interface WatcherStatSource {
  readonly written: number;
  readonly skipped: number;
  readonly sent: number;
  readonly count: number;
  resetCounters(): void;
}

/** Settings of the commands `lru` and `lru_crawler`. */
export interface AdministrationStatSource {
  readonly mayDump: boolean;
  readonly crawlerSleepMicros: number;
  readonly lruWords: {
    readonly segmented: boolean;
    readonly hotPercent: number;
    readonly warmPercent: number;
    readonly hotFactor: number;
    readonly warmFactor: number;
    readonly temporary: boolean;
    readonly temporarySeconds: number;
  };
}

/** Rows for parts of memcached that hotspare does not have. */
export function zeroes(...names: string[]): StatRow[] {
  return names.flatMap((some) => some.split(' ')).map((name) => [name, 0]);
}
