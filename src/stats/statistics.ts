/**
 * The answers to `stats`: memcached's keys with memcached's meanings. A key for a part of memcached that is not here
 * has a neutral value, so that dashboards find it; docs/PROTOCOL.md lists such keys.
 */
import { Counter } from '../net/wire.js';
import type { Mirror } from '../store/mirror.js';
import { general } from './general.js';
import { itemRows } from './items.js';
import { settingRows } from './settings.js';
import { slabRows } from './slabs.js';
import type { CacheStatSource, ServerStatSource, StatRow } from './stat-sources.js';

/** Cells of the transport's counters that `stats reset` sets to zero. */
const resettable = [
  Counter.BYTES_READ,
  Counter.BYTES_WRITTEN,
  Counter.REFUSED,
  Counter.LISTEN_OFF_US,
  Counter.LISTEN_OFF_TIMES,
  Counter.TICK_US_MAX,
];

/** The rows of one topic, or null when there is no such topic. */
export function statistics(
  topic: string,
  cache: CacheStatSource,
  statSource: ServerStatSource,
  mirror: Mirror,
): StatRow[] | null {
  switch (topic) {
    case '':
      return [...general(cache, statSource), ...mirror.stats()];
    case 'mirror':
      return [...mirror.details()];
    case 'settings':
      return settingRows(cache, statSource);
    case 'items':
      return itemRows(cache);
    case 'slabs':
      return slabRows(cache);
    // A memcached without a file for extstore answers with nothing, too.
    case 'extstore':
      return [];
    default:
      return null;
  }
}

/** `stats reset`: counters begin again at zero, present quantities stay. */
export function resetStatistics(cache: CacheStatSource, statSource: ServerStatSource): void {
  cache.counters.reset();
  cache.store.resetCounters();
  cache.observer.prefixes.clear();
  cache.observer.watchers.resetCounters();
  for (const cell of resettable) statSource.transportCounters[cell] = 0;
}
