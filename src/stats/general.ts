/** `stats` without a topic: the process, its traffic, the cache. */
import { Counter } from '../net/wire.js';
import { pagesBytes } from '../store/layout.js';
import type { SlabClass } from '../store/slab-class.js';
import {
  type CacheStatSource,
  type ServerStatSource,
  type StatRow,
  zeroes,
} from './stat-sources.js';

/** memcached's uptime begins with 2, and some dashboards divide by it. */
const uptimeFirst = 2;

/** All rows but the mirror's. */
export function general(cache: CacheStatSource, statSource: ServerStatSource): StatRow[] {
  return [
    ...process(cache, statSource),
    ...traffic(cache, statSource),
    ...items(cache, statSource),
  ];
}

function process(cache: CacheStatSource, statSource: ServerStatSource): StatRow[] {
  const { userUs, systemUs, pid, linesLost } = statSource.usage();
  const connections = statSource.transportCounters[Counter.CONNECTIONS]!;
  return [
    ['pid', pid],
    ['uptime', uptimeFirst + Math.floor(statSource.uptimeSeconds())],
    ['time', cache.store.now],
    ['version', '1.6.18'],
    ['libevent', 'none'],
    ['pointer_size', 64],
    ['rusage_user', (userUs / 1e6).toFixed(6)],
    ['rusage_system', (systemUs / 1e6).toFixed(6)],
    ['max_connections', statSource.settings.connections],
    ['curr_connections', connections],
    ['total_connections', statSource.counters.totalConnections],
    ['rejected_connections', statSource.transportCounters[Counter.REFUSED]!],
    ['connection_structures', connections],
    ['response_obj_oom', 0],
    ['response_obj_count', 0],
    ['response_obj_bytes', statSource.transportCounters[Counter.BYTES_PENDING]!],
    ['read_buf_count', 0],
    ['read_buf_bytes', 0],
    ['read_buf_bytes_free', 0],
    ['read_buf_oom', 0],
    ['reserved_fds', 0],
    ['hotspare_log_lines_lost', linesLost],
  ];
}

function traffic(cache: CacheStatSource, statSource: ServerStatSource): StatRow[] {
  const { counters } = statSource;
  const { store } = cache;
  return [
    ['cmd_get', counters.cmdGet],
    ['cmd_set', counters.sum('cmd_set')],
    ['cmd_flush', counters.cmdFlush],
    ['cmd_touch', counters.cmdTouch],
    ['cmd_meta', counters.cmdMeta],
    ['get_hits', counters.sum('get_hits')],
    ['get_misses', counters.getMisses],
    ['get_expired', store.metExpired],
    ['get_flushed', store.metFlushed],
    ['delete_misses', counters.deleteMisses],
    ['delete_hits', counters.sum('delete_hits')],
    ['incr_misses', counters.incrMisses],
    ['incr_hits', counters.sum('incr_hits')],
    ['decr_misses', counters.decrMisses],
    ['decr_hits', counters.sum('decr_hits')],
    ['cas_misses', counters.casMisses],
    ['cas_hits', counters.sum('cas_hits')],
    ['cas_badval', counters.sum('cas_badval')],
    ['touch_hits', counters.sum('touch_hits')],
    ['touch_misses', counters.touchMisses],
    ['store_too_large', counters.storeTooLarge],
    ['store_no_memory', counters.storeNoMemory],
    ['auth_cmds', counters.authCommands],
    ['auth_errors', counters.authErrors],
    ...(statSource.settings.idleSeconds > 0 ? [['idle_kicks', counters.idleKicks] as const] : []),
    ['bytes_read', statSource.transportCounters[Counter.BYTES_READ]!],
    ['bytes_written', statSource.transportCounters[Counter.BYTES_WRITTEN]!],
    ['limit_maxbytes', pagesBytes(cache.store.region.geometry)],
    ['accepting_conns', accepts(statSource) ? 1 : 0],
    ['listen_disabled_num', statSource.transportCounters[Counter.LISTEN_OFF_TIMES]!],
    ['time_in_listen_disabled_us', statSource.transportCounters[Counter.LISTEN_OFF_US]!],
    ['threads', 1],
    ['conn_yields', counters.connectionYields],
    ['hash_power_level', cache.store.region.geometry.bucketBits],
    ['hash_bytes', cache.store.region.buckets.length * 4],
    ['hash_is_expanding', 0],
  ];
}

/** False while clients wait until another leaves (`-o no_maxconns_fast`). */
function accepts({ settings, transportCounters }: ServerStatSource): boolean {
  return settings.refuseFast || transportCounters[Counter.CONNECTIONS]! < settings.connections;
}

function items(cache: CacheStatSource, statSource: ServerStatSource): StatRow[] {
  const { store, upkeep } = cache;
  const { slabs: state, mover } = store;
  const { watchers } = cache.observer;
  const total = (of: (slabClass: SlabClass) => number): number =>
    state.classes.reduce((sum, slabClass) => sum + of(slabClass), 0);
  return [
    ['slab_reassign_rescues', mover.rescues],
    ['slab_reassign_chunk_rescues', 0],
    ['slab_reassign_evictions_nomem', mover.evictions],
    ['slab_reassign_inline_reclaim', mover.reclaimed],
    ['slab_reassign_busy_items', mover.busyItems],
    ['slab_reassign_busy_deletes', 0],
    ['slab_reassign_running', mover.isRunning ? 1 : 0],
    ['slabs_moved', mover.moved],
    ['lru_crawler_running', upkeep.crawler.isRunning ? 1 : 0],
    ['lru_crawler_starts', upkeep.crawler.starts],
    ...zeroes('lru_maintainer_juggles malloc_fails log_worker_dropped'),
    ['log_worker_written', watchers.written],
    ['log_watcher_skipped', watchers.skipped],
    ['log_watcher_sent', watchers.sent],
    ['log_watchers', watchers.count],
    ...zeroes('unexpected_napi_ids round_robin_fallback'),
    ['bytes', total((slabClass) => slabClass.itemBytes)],
    ['curr_items', total((slabClass) => slabClass.items)],
    ['total_items', store.totalItems],
    ['slab_global_page_pool', state.pooledPages],
    ['expired_unfetched', store.expiredUnfetched],
    ['evicted_unfetched', store.evictedUnfetched],
    ['evicted_active', 0],
    ['evictions', store.evictions],
    ['reclaimed', store.reclaimed],
    ['crawler_reclaimed', store.crawlerReclaimed],
    ['crawler_items_checked', total((slabClass) => slabClass.crawlerChecked)],
    ...zeroes(
      'lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru',
      'direct_reclaims lru_bumps_dropped',
    ),
    ['hotspare_tick_us_max', Math.round(statSource.transportCounters[Counter.TICK_US_MAX]!)],
    ['hotspare_pages_unused', state.unusedPages],
    ['hotspare_pages_to_adopt', state.unadoptedPages],
  ];
}
