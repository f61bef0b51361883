/**
 * The keys that `stats` and its parts print, what their values look like, and which counters a command moves.
 * memcached built otherwise prints other ext_* and ssl_* keys; a server under test may add keys of its own that
 * begin with hotspare_ or mirror_.
 */
import { Client } from '../support/client.js';
import type { Server } from '../support/server.js';
import { set } from './table.js';

export type Part = '' | 'settings' | 'items' | 'slabs';

/** What a value looks like: a counter, seconds with a fraction, one of words, or any text. */
const looks = {
  number: /^\d+$/,
  signed: /^-?\d+$/,
  fraction: /^\d+\.\d+$/,
  yesNo: /^(?:yes|no)$/,
  onOff: /^(?:on|off)$/,
  text: /^\S.*$/,
};
type Look = keyof typeof looks;

const words = (text: string) => text.trim().split(/\s+/);

const general: Partial<Record<Look, string[]>> = {
  text: ['version', 'libevent'],
  fraction: ['rusage_user', 'rusage_system'],
  number: words(`
    pid uptime time pointer_size max_connections curr_connections total_connections rejected_connections
    connection_structures response_obj_oom response_obj_count response_obj_bytes read_buf_count
    read_buf_bytes read_buf_bytes_free read_buf_oom reserved_fds cmd_get cmd_set cmd_flush cmd_touch cmd_meta
    get_hits get_misses get_expired get_flushed delete_misses delete_hits incr_misses incr_hits decr_misses
    decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses store_too_large store_no_memory auth_cmds
    auth_errors bytes_read bytes_written limit_maxbytes accepting_conns listen_disabled_num
    time_in_listen_disabled_us threads conn_yields hash_power_level hash_bytes hash_is_expanding
    slab_reassign_rescues slab_reassign_chunk_rescues slab_reassign_evictions_nomem
    slab_reassign_inline_reclaim slab_reassign_busy_items slab_reassign_busy_deletes slab_reassign_running
    slabs_moved lru_crawler_running lru_crawler_starts lru_maintainer_juggles malloc_fails log_worker_dropped
    log_worker_written log_watcher_skipped log_watcher_sent log_watchers unexpected_napi_ids
    round_robin_fallback bytes curr_items total_items slab_global_page_pool expired_unfetched
    evicted_unfetched evicted_active evictions reclaimed crawler_reclaimed crawler_items_checked
    lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru direct_reclaims lru_bumps_dropped`),
};

const settings: Partial<Record<Look, string[]>> = {
  text: words(
    'inter domain_socket stat_key_prefix binding_protocol hash_algorithm num_napi_ids memory_file',
  ),
  onOff: ['evictions'],
  yesNo: words(`
    shutdown_command detail_enabled cas_enabled auth_enabled_sasl auth_enabled_ascii maxconns_fast
    slab_reassign lru_crawler flush_enabled dump_enabled lru_maintainer_thread lru_segmented temp_lru
    track_sizes inline_ascii_response`),
  fraction: words('growth_factor slab_automove_ratio hot_max_factor warm_max_factor'),
  signed: ['tcpport', 'udpport'],
  number: words(`
    maxbytes maxconns verbosity oldest umask chunk_size num_threads num_threads_per_udp reqs_per_event
    tcp_backlog item_size_max hashpower_init slab_automove slab_automove_window slab_chunk_max
    lru_crawler_sleep lru_crawler_tocrawl tail_repair_time hot_lru_pct warm_lru_pct temporary_ttl idle_timeout
    watcher_logbuf_size worker_logbuf_size read_buf_mem_limit`),
};

/**
 * What a stock server prints for settings that flags do not change. Not here, because hotspare tells the truth about
 * itself: num_threads and num_threads_per_udp (one thread serves).
 */
export const stockSettings: Readonly<Record<string, string>> = {
  maxbytes: '67108864',
  maxconns: '1024',
  udpport: '0',
  verbosity: '0',
  evictions: 'on',
  domain_socket: 'NULL',
  umask: '700',
  shutdown_command: 'no',
  growth_factor: '1.25',
  chunk_size: '48',
  stat_key_prefix: ':',
  detail_enabled: 'no',
  reqs_per_event: '20',
  cas_enabled: 'yes',
  tcp_backlog: '1024',
  auth_enabled_sasl: 'no',
  auth_enabled_ascii: 'no',
  item_size_max: '1048576',
  flush_enabled: 'yes',
  dump_enabled: 'yes',
  maxconns_fast: 'yes',
  binding_protocol: 'auto-negotiate',
  idle_timeout: '0',
  slab_reassign: 'yes',
  slab_automove: '1',
  slab_automove_ratio: '0.80',
  slab_automove_window: '30',
  lru_crawler: 'yes',
  lru_crawler_sleep: '100',
  lru_crawler_tocrawl: '0',
};

const items: Partial<Record<Look, string[]>> = {
  number: words(`
    number number_hot number_warm number_cold age_hot age_warm age mem_requested evicted evicted_nonzero
    evicted_time outofmemory tailrepairs reclaimed expired_unfetched evicted_unfetched evicted_active
    crawler_reclaimed crawler_items_checked lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru
    direct_reclaims hits_to_hot hits_to_warm hits_to_cold hits_to_temp`).map(
    (key) => `items:N:${key}`,
  ),
};

const slabs: Partial<Record<Look, string[]>> = {
  number: [
    ...words(`
      chunk_size chunks_per_page total_pages total_chunks used_chunks free_chunks free_chunks_end get_hits
      cmd_set delete_hits incr_hits decr_hits cas_hits cas_badval touch_hits`).map(
      (key) => `N:${key}`,
    ),
    'active_slabs',
    'total_malloced',
  ],
};

const parts: Record<Part, Partial<Record<Look, string[]>>> = {
  '': general,
  settings,
  items,
  slabs,
};
const ownKey = /^(?:hotspare|mirror)_/;
const buildKey = /^(?:ext|ssl)_|^slab_automove_freeratio$/;

export async function stats(server: Server, part: Part): Promise<Map<string, string>> {
  const client = await Client.connect(server.host, server.port);
  try {
    await client.send(part === '' ? 'stats\r\n' : `stats ${part}\r\n`);
    const found = new Map<string, string>();
    for (let line = await client.readLine(); line !== 'END'; line = await client.readLine()) {
      const [, key, value] = /^STAT (\S+) (.*)$/.exec(line) ?? [];
      if (key === undefined || value === undefined) {
        throw new Error(`stats ${part} printed ${JSON.stringify(line)}`);
      }
      if (found.has(key)) {
        throw new Error(`stats ${part} printed ${key} twice`);
      }
      found.set(key, value);
    }
    return found;
  } finally {
    client.close();
  }
}

/** What is wrong with the keys and values of a part: missing, unknown, or of another look. */
export function faults(part: Part, found: ReadonlyMap<string, string>): string[] {
  const wanted = new Map<string, Look>();
  for (const [look, keys] of Object.entries(parts[part])) {
    for (const key of keys) {
      wanted.set(key, look as Look);
    }
  }
  const bad: string[] = [];
  const met = new Set<string>();
  for (const [key, value] of found) {
    const general = key.replace(/(?<=^|^items:)\d+(?=:)/, 'N');
    const look = wanted.get(general);
    met.add(general);
    if (look !== undefined && !looks[look].test(value)) {
      bad.push(`${key} is ${value}, not a ${look}`);
    } else if (look === undefined && !ownKey.test(key) && !buildKey.test(key)) {
      bad.push(`${key} is unknown`);
    }
  }
  return [
    ...bad,
    ...[...wanted.keys()].filter((key) => !met.has(key)).map((key) => `${key} is missing`),
  ];
}

/** The counters that `counting` says something about; those it leaves out do not move. */
export const counters = words(`
  cmd_get cmd_set cmd_flush cmd_touch cmd_meta get_hits get_misses delete_misses delete_hits incr_misses incr_hits
  decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses store_too_large`);

/** Counters that `stats reset` sets to zero. */
export const resetCounters = [...counters, 'total_items', 'evictions', 'reclaimed'];

export interface Counting {
  readonly name: string;
  /** Sent first, and not counted. */
  readonly before?: string;
  readonly sent: string;
  readonly moves: Readonly<Record<string, number>>;
}

const one = set('k', '1');
const count = (name: string, before: string, sent: string, moves: Counting['moves']): Counting => ({
  name,
  before,
  sent,
  moves,
});

export const counting: readonly Counting[] = [
  count('get: a hit', one, 'get k\r\n', { cmd_get: 1, get_hits: 1 }),
  count('get: a miss', '', 'get k\r\n', { cmd_get: 1, get_misses: 1 }),
  count('get: every key counts', one, 'get k k j\r\n', { cmd_get: 3, get_hits: 2, get_misses: 1 }),
  count('get: an expired item is a miss', set('k', '1', 0, -1), 'get k\r\n', {
    cmd_get: 1,
    get_misses: 1,
  }),
  count('set', '', one, { cmd_set: 1, curr_items: 1, total_items: 1 }),
  count('set again', one, one, { cmd_set: 1, curr_items: 0, total_items: 1 }),
  count('add that does not store', one, 'add k 0 0 1\r\n1\r\n', { cmd_set: 1, total_items: 0 }),
  count('replace of nothing', '', 'replace k 0 0 1\r\n1\r\n', { cmd_set: 1, total_items: 0 }),
  count('append', one, 'append k 0 0 1\r\n1\r\n', { cmd_set: 1, total_items: 1 }),
  count('a bad data chunk', '', 'set k 0 0 1\r\n1xx', { cmd_set: 1, total_items: 0 }),
  count('a bad line', '', 'set k 0 0 x\r\n', {}),
  count('a value too large', '', `set k 0 0 2000000\r\n${'x'.repeat(2_000_000)}\r\n`, {
    store_too_large: 1,
    total_items: 0,
  }),
  count('cas of nothing', '', 'cas k 0 0 1 1\r\n1\r\n', { cmd_set: 1, cas_misses: 1 }),
  count('cas with a wrong unique', one, 'cas k 0 0 1 0\r\n1\r\n', { cmd_set: 1, cas_badval: 1 }),
  count('delete: a hit', one, 'delete k\r\n', { delete_hits: 1, curr_items: -1 }),
  count('delete: a miss', '', 'delete k\r\n', { delete_misses: 1 }),
  count('delete with noreply', one, 'delete k noreply\r\n', { delete_hits: 1, curr_items: -1 }),
  count('incr: a hit', one, 'incr k 1\r\n', { incr_hits: 1 }),
  count('incr: a miss', '', 'incr k 1\r\n', { incr_misses: 1 }),
  count('incr: a bad delta', one, 'incr k x\r\n', {}),
  count('incr: a value that does not count', set('k', 'x'), 'incr k 1\r\n', {}),
  count('decr: a hit', one, 'decr k 1\r\n', { decr_hits: 1 }),
  count('decr: a miss', '', 'decr k 1\r\n', { decr_misses: 1 }),
  count('touch: a hit', one, 'touch k 0\r\n', { cmd_touch: 1, touch_hits: 1 }),
  count('touch: a miss', '', 'touch k 0\r\n', { cmd_touch: 1, touch_misses: 1 }),
  count('gat counts as a touch only: a hit', one, 'gat 0 k\r\n', { cmd_touch: 1, touch_hits: 1 }),
  count('gat counts as a touch only: a miss', '', 'gat 0 k\r\n', { cmd_touch: 1, touch_misses: 1 }),
  count('mg: a hit', one, 'mg k v\r\n', { cmd_get: 1, get_hits: 1 }),
  count('mg: a miss', '', 'mg k v\r\nmg k q\r\n', { cmd_get: 2, get_misses: 2 }),
  count('mg T counts as a touch only', one, 'mg k T0\r\n', { cmd_touch: 1, touch_hits: 1 }),
  count('mg T of nothing counts as a get', '', 'mg k T0\r\n', { cmd_get: 1, get_misses: 1 }),
  count('mg N that makes an item is a hit', '', 'mg k N0\r\n', {
    cmd_get: 1,
    get_hits: 1,
    curr_items: 1,
    total_items: 1,
  }),
  count('mg with a wrong flag', one, 'mg k !\r\n', {}),
  count('ms', '', 'ms k 1\r\n1\r\n', { cmd_set: 1, curr_items: 1, total_items: 1 }),
  count('ms with a wrong flag', '', 'ms k 1 !\r\n1\r\n', {}),
  count('ms with a wrong CAS id', one, 'ms k 1 C18446744073709551615\r\n1\r\n', {
    cmd_set: 1,
    cas_badval: 1,
  }),
  count('ms with a CAS id of nothing', '', 'ms k 1 C1\r\n1\r\n', { cmd_set: 1, cas_misses: 1 }),
  count('ms A with a wrong CAS id', one, 'ms k 1 MA C1\r\n1\r\n', { cmd_set: 1 }),
  count('ms C I that makes the item stale', one, 'ms k 1 C1 I\r\n1\r\n', {
    cmd_set: 1,
    cas_hits: 1,
    total_items: 1,
  }),
  count('md: a hit', one, 'md k\r\n', { delete_hits: 1, curr_items: -1 }),
  count('md: a miss, and a wrong CAS id', one, 'md j\r\nmd k C0\r\n', { delete_misses: 2 }),
  count('md I counts as nothing', one, 'md k I\r\n', { curr_items: 0 }),
  count('ma: hits', one, 'ma k\r\nma k MD q\r\n', { incr_hits: 1, decr_hits: 1 }),
  count('ma: misses', '', 'ma k\r\nma k MD\r\n', { incr_misses: 1, decr_misses: 1 }),
  count('ma N that makes a number', '', 'ma k N0\r\n', { curr_items: 1, total_items: 1 }),
  count('ma: a wrong CAS id, and no number', one, 'ma k C18446744073709551615\r\n', {}),
  count('me', one, 'me k\r\nme j\r\nme k x\r\nme\r\n', { cmd_meta: 3 }),
  count('mn', '', 'mn\r\n', {}),
  count('flush_all', '', 'flush_all\r\n', { cmd_flush: 1 }),
  count('flush_all that is refused', '', 'flush_all x\r\n', { cmd_flush: 1 }),
  count('nonsense', '', 'bogus\r\nversion\r\nverbosity 0\r\n', {}),
];
