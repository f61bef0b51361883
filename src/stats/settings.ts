/**
 * `stats settings`: the server's settings, as started or as changed since, under memcached's keys and in their order.
 * Settings for parts of memcached that are not here keep their given value, or memcached's default; a switch of such a
 * part is off.
 */
import { pagesBytes } from '../store/layout.js';
import type { CacheStatSource, ServerStatSource, StatRow } from './stat-sources.js';

export function settingRows(cache: CacheStatSource, statSource: ServerStatSource): StatRow[] {
  return [
    ...server(cache, statSource),
    ...slabs(cache, statSource),
    ...recency(cache, statSource),
    ...storage,
    ...tls(statSource),
  ];
}

function server(cache: CacheStatSource, statSource: ServerStatSource): StatRow[] {
  const { settings: own, port, verbosity } = statSource;
  // A node that took over serves the region that it inherited, whatever its own flags say.
  const { geometry } = cache.store.region;
  return [
    ['maxbytes', pagesBytes(geometry)],
    ['maxconns', own.connections],
    ['tcpport', port],
    ['udpport', statSource.udpPort],
    ['inter', own.interfaces ?? 'NULL'],
    ['verbosity', verbosity],
    ['oldest', 0],
    ['evictions', own.evict ? 'on' : 'off'],
    ['domain_socket', own.unixSocket ?? 'NULL'],
    ['umask', own.unixMode.toString(8)],
    ['shutdown_command', yes(own.shutdown)],
    ['growth_factor', geometry.growthFactor.toFixed(2)],
    ['chunk_size', geometry.chunkMin],
    ['num_threads', 1],
    ['num_threads_per_udp', 1],
    ['stat_key_prefix', own.prefixDelimiter],
    ['detail_enabled', yes(cache.observer.prefixes.on)],
    ['reqs_per_event', own.tuning.get('reqs_per_event') ?? 20],
    ['cas_enabled', 'yes'],
    ['tcp_backlog', own.backlog],
    ['binding_protocol', own.protocol === 'auto' ? 'auto-negotiate' : own.protocol],
    ['auth_enabled_sasl', 'no'],
    ['auth_enabled_ascii', own.authFile ?? 'no'],
    ['item_size_max', geometry.itemBytesMax],
    ['maxconns_fast', yes(own.refuseFast)],
  ];
}

function slabs({ upkeep }: CacheStatSource, { settings: { tuning } }: ServerStatSource): StatRow[] {
  const { balancer } = upkeep;
  return [
    ['hashpower_init', tuning.get('hashpower_init') ?? 0],
    ['slab_reassign', yes(upkeep.reassigns)],
    ['slab_automove', upkeep.automove],
    ['slab_automove_ratio', balancer.ratio.toFixed(2)],
    ['slab_automove_window', balancer.windowSeconds],
    ['slab_chunk_max', tuning.get('slab_chunk_max') ?? 524288],
  ];
}

function recency(cache: CacheStatSource, { settings: own }: ServerStatSource): StatRow[] {
  const { tuning } = own;
  const { administration } = cache;
  const { crawler } = cache.upkeep;
  const { lruWords } = administration;
  return [
    ['lru_crawler', yes(crawler.enabled)],
    ['lru_crawler_sleep', administration.crawlerSleepMicros],
    ['lru_crawler_tocrawl', crawler.itemsMost],
    ['tail_repair_time', tuning.get('tail_repair_time') ?? 0],
    ['flush_enabled', yes(own.flush)],
    ['dump_enabled', yes(administration.mayDump)],
    ['hash_algorithm', 'halfsiphash13'],
    ['lru_maintainer_thread', 'no'],
    ['lru_segmented', yes(lruWords.segmented)],
    ['hot_lru_pct', lruWords.hotPercent],
    ['warm_lru_pct', lruWords.warmPercent],
    ['hot_max_factor', lruWords.hotFactor.toFixed(2)],
    ['warm_max_factor', lruWords.warmFactor.toFixed(2)],
    ['temp_lru', yes(lruWords.temporary)],
    ['temporary_ttl', lruWords.temporarySeconds],
    ['idle_timeout', own.idleSeconds],
    ['watcher_logbuf_size', tuning.get('watcher_logbuf_size') ?? 262144],
    ['worker_logbuf_size', tuning.get('worker_logbuf_size') ?? 65536],
    ['read_buf_mem_limit', tuning.get('read_buf_mem_limit') ?? 0],
    ['track_sizes', 'no'],
    ['inline_ascii_response', 'no'],
  ];
}

/** extstore's settings, as a memcached that does not use it shows them. */
const storage: readonly StatRow[] = [
  ['ext_item_size', 512],
  ['ext_item_age', 4294967295],
  ['ext_low_ttl', 0],
  ['ext_recache_rate', 2000],
  ['ext_wbuf_size', 4194304],
  ['ext_compact_under', 0],
  ['ext_drop_under', 0],
  ['ext_max_sleep', 1000000],
  ['ext_max_frag', '0.80'],
  ['slab_automove_freeratio', '0.010'],
  ['ext_drop_unread', 'no'],
];

/** TLS settings; without -Z as a memcached without it shows them. */
function tls({ settings: { tls: own, memoryFile } }: ServerStatSource): StatRow[] {
  return [
    ['ssl_enabled', yes(own !== null)],
    ['ssl_chain_cert', own?.chainCert ?? '(null)'],
    ['ssl_key', own?.key ?? '(null)'],
    ['ssl_verify_mode', own?.verifyMode ?? 0],
    ['ssl_keyformat', own?.keyFormat ?? 1],
    ['ssl_ciphers', own?.ciphers ?? 'NULL'],
    ['ssl_ca_cert', own?.caCert ?? 'NULL'],
    ['ssl_wbuf_size', own?.writeBufferBytes ?? 16384],
    ['ssl_session_cache', yes(own?.sessionCache ?? false)],
    ['ssl_kernel_tls', 'no'],
    ['ssl_min_version', `tlsv1.${own?.minVersion ?? 2}`],
    ['num_napi_ids', '(null)'],
    ['memory_file', memoryFile ?? '(null)'],
  ];
}

function yes(value: boolean): string {
  return value ? 'yes' : 'no';
}
