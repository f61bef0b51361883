/**
 * The answers to `stats`: memcached's keys with memcached's meanings. A key for a part of memcached that is not here
 * has a neutral value, so that dashboards find it; docs/PROTOCOL.md lists such keys.
 */
import type { Executor } from '../commands/execute.js';
import { Counter } from '../net/wire.js';
import type { Mirror } from '../store/mirror.js';
import type { ServerFacts, StatRow } from './facts.js';
import { general } from './general.js';
import { itemRows } from './items.js';
import { settingRows } from './settings.js';
import { slabRows } from './slabs.js';

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
  executor: Executor,
  facts: ServerFacts,
  mirror: Mirror,
): StatRow[] | null {
  switch (topic) {
    case '':
      return [...general(executor, facts), ...mirror.stats()];
    case 'mirror':
      return [...mirror.details()];
    case 'settings':
      return settingRows(executor, facts);
    case 'items':
      return itemRows(executor);
    case 'slabs':
      return slabRows(executor);
    // A memcached without a file for extstore answers with nothing, too.
    case 'extstore':
      return [];
    default:
      return null;
  }
}

/** `stats reset`: counters begin again at zero, present quantities stay. */
export function resetStatistics(executor: Executor, facts: ServerFacts): void {
  executor.counters.reset();
  executor.store.resetCounters();
  executor.observer.prefixes.clear();
  executor.observer.watchers.resetCounters();
  for (const cell of resettable) facts.wire[cell] = 0;
}
