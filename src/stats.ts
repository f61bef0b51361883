/**
 * The answers to `stats`: memcached's keys with memcached's meanings. A key whose inside does not exist here stands
 * with its neutral value, so that dashboards find it; docs/PROTOCOL.md lists those.
 */
import { type Counters, classCounters } from './counters.js';
import type { Executor } from './execute.js';
import type { Mirror } from './mirror.js';
import type { Settings } from './options.js';
import type { SlabClass } from './store/slabs.js';
import { Counter } from './wire.js';

export type StatRow = readonly [name: string, value: string | number];

/**
 * What `stats` needs to know of the process. Times and usage come in through it, so that this file stays a
 * function.
 */
export interface ServerFacts {
  readonly settings: Settings;
  readonly counters: Counters;
  /** The transport's counters, see `Counter`. */
  readonly wire: Float64Array;
  /** The port clients are served on; 0 when there is none. */
  port: number;
  verbosity: number;
  /** Seconds since the server began. */
  uptimeSeconds(): number;
  /** User and system time of the process, in microseconds, and its pid. */
  usage(): { readonly userUs: number; readonly systemUs: number; readonly pid: number };
}

/** The rows of one topic, or null when there is no such topic. */
export function statistics(
  topic: string,
  executor: Executor,
  facts: ServerFacts,
  mirror: Mirror,
): StatRow[] | null {
  switch (topic) {
    case '':
      return [
        ...process(executor, facts),
        ...traffic(executor, facts),
        ...cache(executor),
        ...mirror.stats(),
      ];
    case 'settings':
      return settings(facts);
    case 'items':
      return classesInUse(executor).flatMap((slabClass) => items(executor, slabClass));
    case 'slabs':
      return slabs(executor);
    default:
      return null;
  }
}

/** `stats reset`: what was counted begins again, what is there stays. */
export function resetStatistics(executor: Executor, facts: ServerFacts): void {
  executor.counters.reset();
  executor.store.resetCounters();
  const { BYTES_READ, BYTES_WRITTEN, REFUSED, LISTEN_OFF_US, LISTEN_OFF_TIMES } = Counter;
  for (const cell of [BYTES_READ, BYTES_WRITTEN, REFUSED, LISTEN_OFF_US, LISTEN_OFF_TIMES]) {
    facts.wire[cell] = 0;
  }
}

function process(executor: Executor, facts: ServerFacts): StatRow[] {
  const { userUs, systemUs, pid } = facts.usage();
  const connections = facts.wire[Counter.CONNECTIONS]!;
  return [
    ['pid', pid],
    ['uptime', Math.floor(facts.uptimeSeconds())],
    ['time', executor.store.now],
    ['version', '1.6.18'],
    ['libevent', 'none'],
    ['pointer_size', 64],
    ['rusage_user', (userUs / 1e6).toFixed(6)],
    ['rusage_system', (systemUs / 1e6).toFixed(6)],
    ['max_connections', facts.settings.connections],
    ['curr_connections', connections],
    ['total_connections', facts.counters.totalConnections],
    ['rejected_connections', facts.wire[Counter.REFUSED]!],
    ['connection_structures', connections],
    ['response_obj_oom', 0],
    ['response_obj_count', 0],
    ['response_obj_bytes', facts.wire[Counter.BYTES_PENDING]!],
    ['read_buf_count', 0],
    ['read_buf_bytes', 0],
    ['read_buf_bytes_free', 0],
    ['read_buf_oom', 0],
    ['reserved_fds', 0],
  ];
}

function traffic(executor: Executor, facts: ServerFacts): StatRow[] {
  const { counters } = facts;
  return [
    ['cmd_get', counters.cmdGet],
    ['cmd_set', counters.sum('cmd_set')],
    ['cmd_flush', counters.cmdFlush],
    ['cmd_touch', counters.cmdTouch],
    ['cmd_meta', 0],
    ['get_hits', counters.sum('get_hits')],
    ['get_misses', counters.getMisses],
    ['get_expired', counters.getExpired],
    ['get_flushed', counters.getFlushed],
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
    ['auth_cmds', 0],
    ['auth_errors', 0],
    ['bytes_read', facts.wire[Counter.BYTES_READ]!],
    ['bytes_written', facts.wire[Counter.BYTES_WRITTEN]!],
    ['limit_maxbytes', facts.settings.memoryBytes],
    ['accepting_conns', 1],
    ['listen_disabled_num', facts.wire[Counter.LISTEN_OFF_TIMES]!],
    ['time_in_listen_disabled_us', facts.wire[Counter.LISTEN_OFF_US]!],
    ['threads', 1],
    ['conn_yields', counters.connectionYields],
    ['hash_power_level', executor.store.region.geometry.bucketBits],
    ['hash_bytes', executor.store.region.buckets.length * 4],
    ['hash_is_expanding', 0],
  ];
}

function cache(executor: Executor): StatRow[] {
  const { store } = executor;
  const { slabs: state } = store;
  const total = (of: (slabClass: SlabClass) => number): number =>
    state.classes.reduce((sum, slabClass) => sum + of(slabClass), 0);
  return [
    ...zeroes(
      'slab_reassign_rescues slab_reassign_chunk_rescues slab_reassign_evictions_nomem slab_reassign_inline_reclaim',
      'slab_reassign_busy_items slab_reassign_busy_deletes slab_reassign_running',
    ),
    ['slabs_moved', store.pagesMoved],
    ...zeroes(
      'lru_crawler_running lru_crawler_starts lru_maintainer_juggles malloc_fails log_worker_dropped',
      'log_worker_written log_watcher_skipped log_watcher_sent log_watchers unexpected_napi_ids round_robin_fallback',
    ),
    ['bytes', total((slabClass) => slabClass.itemBytes)],
    ['curr_items', total((slabClass) => slabClass.items)],
    ['total_items', store.totalItems],
    ['slab_global_page_pool', 0],
    ['expired_unfetched', store.expiredUnfetched],
    ['evicted_unfetched', store.evictedUnfetched],
    ['evicted_active', 0],
    ['evictions', store.evictions],
    ['reclaimed', store.reclaimed],
    ...zeroes(
      'crawler_reclaimed crawler_items_checked lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru',
      'direct_reclaims lru_bumps_dropped',
    ),
    ['hotspare_pages_unused', state.unusedPages],
    ['hotspare_pages_to_adopt', state.unadoptedPages],
  ];
}

function classesInUse(executor: Executor): SlabClass[] {
  return executor.store.slabs.classes.filter((slabClass) => slabClass.items > 0);
}

function items(executor: Executor, slabClass: SlabClass): StatRow[] {
  const age = executor.store.oldestAge(slabClass);
  const rows: StatRow[] = [
    ['number', slabClass.items],
    ['number_hot', 0],
    ['number_warm', 0],
    ['number_cold', slabClass.items],
    ['age_hot', 0],
    ['age_warm', 0],
    ['age', age],
    ['mem_requested', slabClass.itemBytes],
    ['evicted', slabClass.evicted],
    ['evicted_nonzero', slabClass.evictedNonzero],
    ['evicted_time', slabClass.evictedAge],
    ['outofmemory', slabClass.outOfMemory],
    ['tailrepairs', 0],
    ['reclaimed', slabClass.reclaimed],
    ['expired_unfetched', slabClass.expiredUnfetched],
    ['evicted_unfetched', slabClass.evictedUnfetched],
    ...zeroes(
      'evicted_active crawler_reclaimed crawler_items_checked lrutail_reflocked moves_to_cold moves_to_warm',
      'moves_within_lru direct_reclaims hits_to_hot hits_to_warm',
    ),
    ['hits_to_cold', executor.counters.byClass.get_hits[slabClass.number]!],
    ['hits_to_temp', 0],
  ];
  return rows.map(([name, value]) => [`items:${slabClass.number}:${name}`, value]);
}

function slabs(executor: Executor): StatRow[] {
  const { store, counters } = executor;
  const active = store.slabs.classes.filter((slabClass) => slabClass.pages.length > 0);
  const rows = active.flatMap((slabClass) => {
    const { number, chunkBytes, perPage, pages } = slabClass;
    const chunks = pages.length * perPage;
    const own: StatRow[] = [
      ['chunk_size', chunkBytes],
      ['chunks_per_page', perPage],
      ['total_pages', pages.length],
      ['total_chunks', chunks],
      ['used_chunks', chunks - slabClass.freeChunks],
      ['free_chunks', slabClass.freeChunks],
      ['free_chunks_end', 0],
      ...classCounters.map((name): StatRow => [name, counters.byClass[name][number]!]),
    ];
    return own.map(([name, value]): StatRow => [`${number}:${name}`, value]);
  });
  const pages = active.reduce((sum, slabClass) => sum + slabClass.pages.length, 0);
  return [
    ...rows,
    ['active_slabs', active.length],
    ['total_malloced', pages * store.region.geometry.pageBytes],
  ];
}

function settings(facts: ServerFacts): StatRow[] {
  const { settings: own, port, verbosity } = facts;
  return [
    ['maxbytes', own.memoryBytes],
    ['maxconns', own.connections],
    ['tcpport', port],
    ['udpport', 0],
    ['inter', own.listen.length === 0 ? 'NULL' : own.listen.join(',')],
    ['verbosity', verbosity],
    ['oldest', 0],
    ['evictions', own.evict ? 'on' : 'off'],
    ['domain_socket', own.unixSocket ?? 'NULL'],
    ['umask', own.unixMode.toString(8)],
    ['shutdown_command', 'no'],
    ['growth_factor', own.growthFactor.toFixed(2)],
    ['chunk_size', own.chunkMin],
    ['num_threads', 1],
    ['num_threads_per_udp', 1],
    ['stat_key_prefix', ':'],
    ['detail_enabled', 'no'],
    ['reqs_per_event', 20],
    ['cas_enabled', 'yes'],
    ['tcp_backlog', own.backlog],
    ['binding_protocol', 'ascii'],
    ['auth_enabled_sasl', 'no'],
    ['auth_enabled_ascii', 'no'],
    ['item_size_max', own.itemBytesMax],
    ['maxconns_fast', 'yes'],
    ['hashpower_init', 0],
    ['slab_reassign', 'no'],
    ['slab_automove', 0],
    ['slab_automove_ratio', '0.80'],
    ['slab_automove_window', 30],
    ['slab_chunk_max', 524288],
    ['lru_crawler', 'no'],
    ['lru_crawler_sleep', 100],
    ['lru_crawler_tocrawl', 0],
    ['tail_repair_time', 0],
    ['flush_enabled', own.flush ? 'yes' : 'no'],
    ['dump_enabled', 'no'],
    ['hash_algorithm', 'halfsiphash13'],
    ['lru_maintainer_thread', 'no'],
    ['lru_segmented', 'no'],
    ['hot_lru_pct', 20],
    ['warm_lru_pct', 40],
    ['hot_max_factor', '0.20'],
    ['warm_max_factor', '2.00'],
    ['temp_lru', 'no'],
    ['temporary_ttl', 61],
    ['idle_timeout', 0],
    ['watcher_logbuf_size', 262144],
    ['worker_logbuf_size', 65536],
    ['read_buf_mem_limit', 0],
    ['track_sizes', 'no'],
    ['inline_ascii_response', 'no'],
    ['ssl_enabled', 'no'],
    ['num_napi_ids', '(null)'],
    ['memory_file', own.memoryFile ?? '(null)'],
  ];
}

/** Keys of insides that hotspare does not have. */
function zeroes(...names: string[]): StatRow[] {
  return names.flatMap((some) => some.split(' ')).map((name) => [name, 0]);
}
