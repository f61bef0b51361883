/**
 * `stats settings`: what the server was started with, under memcached's keys and in their order. What tunes an inside
 * that is not here stands as it was set, or with memcached's default; a switch of such an inside is off.
 */
import type { ServerFacts, StatRow } from './facts.js';

export function settingRows(facts: ServerFacts): StatRow[] {
  return [...server(facts), ...slabs(facts), ...recency(facts), ...storage, ...tls(facts)];
}

function server({ settings: own, port, verbosity }: ServerFacts): StatRow[] {
  return [
    ['maxbytes', own.memoryBytes],
    ['maxconns', own.connections],
    ['tcpport', port],
    ['udpport', own.udpPort],
    ['inter', own.interfaces ?? 'NULL'],
    ['verbosity', verbosity],
    ['oldest', 0],
    ['evictions', own.evict ? 'on' : 'off'],
    ['domain_socket', own.unixSocket ?? 'NULL'],
    ['umask', own.unixMode.toString(8)],
    ['shutdown_command', yes(own.shutdown)],
    ['growth_factor', own.growthFactor.toFixed(2)],
    ['chunk_size', own.chunkMin],
    ['num_threads', 1],
    ['num_threads_per_udp', 1],
    ['stat_key_prefix', own.prefixDelimiter],
    ['detail_enabled', yes(own.detail)],
    ['reqs_per_event', own.tuning.get('reqs_per_event') ?? 20],
    ['cas_enabled', 'yes'],
    ['tcp_backlog', own.backlog],
    ['binding_protocol', own.protocol === 'auto' ? 'auto-negotiate' : own.protocol],
    ['auth_enabled_sasl', 'no'],
    ['auth_enabled_ascii', yes(own.authFile !== null)],
    ['item_size_max', own.itemBytesMax],
    ['maxconns_fast', yes(own.refuseFast)],
  ];
}

function slabs({ settings: { tuning } }: ServerFacts): StatRow[] {
  return [
    ['hashpower_init', tuning.get('hashpower_init') ?? 0],
    ['slab_reassign', 'no'],
    ['slab_automove', 0],
    ['slab_automove_ratio', tuning.get('slab_automove_ratio') ?? '0.80'],
    ['slab_automove_window', tuning.get('slab_automove_window') ?? 30],
    ['slab_chunk_max', tuning.get('slab_chunk_max') ?? 524288],
  ];
}

function recency({ settings: own }: ServerFacts): StatRow[] {
  const { tuning } = own;
  return [
    ['lru_crawler', 'no'],
    ['lru_crawler_sleep', tuning.get('lru_crawler_sleep') ?? 100],
    ['lru_crawler_tocrawl', tuning.get('lru_crawler_tocrawl') ?? 0],
    ['tail_repair_time', tuning.get('tail_repair_time') ?? 0],
    ['flush_enabled', yes(own.flush)],
    ['dump_enabled', yes(own.dump)],
    ['hash_algorithm', 'halfsiphash13'],
    ['lru_maintainer_thread', 'no'],
    ['lru_segmented', 'no'],
    ['hot_lru_pct', tuning.get('hot_lru_pct') ?? 20],
    ['warm_lru_pct', tuning.get('warm_lru_pct') ?? 40],
    ['hot_max_factor', tuning.get('hot_max_factor') ?? '0.20'],
    ['warm_max_factor', tuning.get('warm_max_factor') ?? '2.00'],
    ['temp_lru', 'no'],
    ['temporary_ttl', tuning.get('temporary_ttl') ?? 61],
    ['idle_timeout', own.idleSeconds],
    ['watcher_logbuf_size', tuning.get('watcher_logbuf_size') ?? 262144],
    ['worker_logbuf_size', tuning.get('worker_logbuf_size') ?? 65536],
    ['read_buf_mem_limit', tuning.get('read_buf_mem_limit') ?? 0],
    ['track_sizes', 'no'],
    ['inline_ascii_response', 'no'],
  ];
}

/** extstore's, as a memcached that does not use it shows them. */
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

/** Without -Z as a memcached without it shows them. */
function tls({ settings: { tls: own, memoryFile } }: ServerFacts): StatRow[] {
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
