/**
 * Every word of memcached's `-o`, including words that `memcached -h` does not show: its meaning here, its possible
 * values, and the key under which `stats settings` shows it. docs/OPERATING.md has the same table; test/tidy.test.ts
 * compares them.
 */
import type { Kind } from './flag.js';

/** Says how a value is wrong (null: the word stands alone), or null when it is right. */
export type Check = (value: string | null) => string | null;

export interface ExtendedWord {
  readonly kind: Kind;
  readonly sentence: string;
  readonly check: Check;
  /** Refused words: the alternative. */
  readonly remedy?: string;
  /** The key of `stats settings`, and the value as it stands there. */
  readonly shown?: readonly [key: string, as: (value: string) => string];
}

const alone: Check = () => null;
const anyText =
  (missing: string): Check =>
  (value) =>
    value === null || value === '' ? missing : null;
const number =
  (missing: string, wrong: string, least = 0, most = 2 ** 32 - 1, whole = true): Check =>
  (value) => {
    if (value === null || value === '') return missing;
    const found = (whole ? /^\d+$/ : /^\d+(\.\d+)?$/).test(value) ? Number(value) : Number.NaN;
    return found >= least && found <= most ? null : wrong;
  };
const optional =
  (check: Check): Check =>
  (value) =>
    value === null ? null : check(value);

const asIs = (value: string): string => String(Number(value));
const hundredths = (value: string): string => Number(value).toFixed(2);
const kibibytes = (value: string): string => String(Number(value) * 1024);
const mebibytes = (value: string): string => String(Number(value) * 2 ** 20);

const implemented = (
  sentence: string,
  check: Check = alone,
  more: Partial<ExtendedWord> = {},
): ExtendedWord => ({
  kind: 'implemented',
  sentence,
  check,
  ...more,
});
const tuning = (
  sentence: string,
  check: Check = alone,
  more: Partial<ExtendedWord> = {},
): ExtendedWord => ({
  kind: 'tuning',
  sentence,
  check,
  ...more,
});
const refused = (sentence: string, remedy: string, check: Check): ExtendedWord => ({
  kind: 'refused',
  sentence,
  remedy,
  check,
});
const percent = (name: string): ExtendedWord =>
  tuning(
    'recency is counted, not kept in lists',
    number(`Missing ${name} argument`, `${name} must be > 1 and < 80`, 1, 79),
    { shown: [name, asIs] },
  );
const idleFactor = (name: string): ExtendedWord =>
  tuning(
    'recency is counted, not kept in lists',
    number(`Missing ${name} argument`, `${name} must be > 0`, 1e-9, 1e9, false),
    { shown: [name, hundredths] },
  );
const logBuffer = (name: string): ExtendedWord =>
  tuning(
    'there are no threads to log for',
    number(`Missing ${name} argument`, `could not parse argument to ${name}`, 0, 2 ** 22),
    { shown: [name, kibibytes] },
  );
const storage = (name: string): ExtendedWord =>
  tuning('it tunes extstore, which is not there', anyText(`Missing ${name} argument`));
const tls = (
  name: string,
  sentence: string,
  check: Check = anyText(`Missing ${name} argument`),
): ExtendedWord => implemented(sentence, check);
const tlsNumber = (name: string, most: number): Check => {
  const invalid = `Invalid ${name}. Use help to see valid options.`;
  return (value) =>
    number(`Missing ${name} argument`, `could not parse argument to ${name}`)(value) ??
    number('', invalid, 0, most)(value);
};

export const words: Readonly<Record<string, ExtendedWord>> = {
  maxconns_fast: implemented('a client too many is told so and closed'),
  no_maxconns_fast: implemented('a client too many waits until another leaves'),
  idle_timeout: implemented(
    'clients that are idle for so many seconds are closed',
    number(
      'Missing numeric argument for idle_timeout',
      'a number of seconds is needed',
      0,
      2 ** 31,
    ),
  ),
  no_drop_privileges: implemented('there is no sandbox'),
  drop_privileges: refused(
    'there is no seccomp sandbox',
    'leave it out, or give up root with -u',
    alone,
  ),
  hashpower: tuning(
    'the table of buckets is fixed by -m',
    (value) => {
      const at = `Initial hashtable multiplier of ${value} is`;
      return (
        number('Missing numeric argument for hashpower', `${at} too low`, 12)(value) ??
        number('', `${at} too high`, 0, 32)(value)
      );
    },
    { shown: ['hashpower_init', asIs] },
  ),
  no_hashexpand: tuning('the table of buckets never grows'),
  tail_repair_time: tuning(
    'no item can be stuck',
    number(
      'Missing numeric argument for tail_repair_time',
      'Cannot set tail_repair_time to less than 10 seconds',
      10,
    ),
    { shown: ['tail_repair_time', asIs] },
  ),
  hash_algorithm: tuning('the hash is HalfSipHash under a random seed', (value) => {
    if (value === null || value === '') return 'Missing hash_algorithm argument';
    const known = ['jenkins', 'murmur3', 'xxh3'].includes(value);
    return known ? null : 'Unknown hash_algorithm option (jenkins, murmur3, xxh3)';
  }),
  lru_crawler: implemented('dead items are looked for in the background'),
  no_lru_crawler: implemented('dead items are taken only as they are met'),
  lru_crawler_sleep: implemented(
    'microseconds between two slices of a crawl',
    number(
      'Missing lru_crawler_sleep value',
      'LRU crawler sleep must be between 0 and 1 second',
      0,
      1e6,
    ),
  ),
  lru_crawler_tocrawl: implemented(
    'items of a class that a crawl looks at; 0: all',
    number('Missing lru_crawler_tocrawl value', 'lru_crawler_tocrawl takes a numeric 32bit value'),
  ),
  lru_maintainer: tuning('recency is counted, not kept in lists'),
  no_lru_maintainer: tuning('recency is counted, not kept in lists'),
  hot_lru_pct: percent('hot_lru_pct'),
  warm_lru_pct: percent('warm_lru_pct'),
  hot_max_factor: idleFactor('hot_max_factor'),
  warm_max_factor: idleFactor('warm_max_factor'),
  temporary_ttl: tuning(
    'items with a short TTL have no list of their own',
    number('Missing temporary_ttl argument', 'a number of seconds is needed'),
    { shown: ['temporary_ttl', asIs] },
  ),
  slab_reassign: implemented('pages may move between classes'),
  no_slab_reassign: implemented('pages stay with their classes'),
  slab_automove: implemented(
    'pages move by themselves: 0 never, 1 when it pays, 2 at every eviction',
    optional(
      number(
        'slab_automove must be between 0 and 2',
        'slab_automove must be between 0 and 2',
        0,
        2,
      ),
    ),
  ),
  no_slab_automove: implemented('as slab_automove=0'),
  slab_automove_ratio: implemented(
    'how much younger what a class evicts must be to get a page',
    number(
      'Missing slab_automove_ratio argument',
      'slab_automove_ratio must be > 0 and < 1',
      0.0001,
      0.9999,
      false,
    ),
  ),
  slab_automove_window: implemented(
    'seconds that are looked at',
    number('Missing slab_automove_window argument', 'slab_automove_window must be > 2', 3),
  ),
  slab_automove_freeratio: storage('slab_automove_freeratio'),
  slab_chunk_max: tuning(
    'an item stands in one chunk, whatever its size',
    number('Missing slab_chunk_max argument', 'could not parse argument to slab_chunk_max', 1),
    { shown: ['slab_chunk_max', kibibytes] },
  ),
  slab_sizes: tuning('chunk sizes are those of -f and -n', (value) => {
    const sizes = (value ?? '').split('-');
    return sizes.every((one) => /^[1-9]\d*$/.test(one)) ? null : 'sizes are numbers with - between';
  }),
  no_chunked_items: tuning('an item stands in one chunk, whatever its size'),
  watcher_logbuf_size: logBuffer('watcher_logbuf_size'),
  worker_logbuf_size: logBuffer('worker_logbuf_size'),
  read_buf_mem_limit: tuning(
    'buffers of connections are bounded: docs/OPERATING.md, Memory',
    number(
      'Missing read_buf_mem_limit argument',
      'could not parse argument to read_buf_mem_limit',
      0,
      2 ** 22,
    ),
    { shown: ['read_buf_mem_limit', mebibytes] },
  ),
  resp_obj_mem_limit: tuning(
    'DEPRECATED: resp_obj_mem_limit no longer used. See read_buf_mem_limit',
  ),
  track_sizes: tuning('sizes are not tracked'),
  inline_ascii_resp: tuning('replies are made from the item, not kept in it'),
  no_inline_ascii_resp: tuning('replies are made from the item, not kept in it'),
  modern: tuning('it is empty in memcached 1.6.18, too'),
  no_modern: implemented('as no_maxconns_fast; the rest of it tunes insides that are not there'),
  sock_cookie_id: refused('sockets are not marked', 'leave it out', alone),
  ext_path: refused('extstore is not there: items live in memory', 'leave it out', alone),
  ext_page_size: storage('ext_page_size'),
  ext_wbuf_size: storage('ext_wbuf_size'),
  ext_threads: storage('ext_threads'),
  ext_item_size: storage('ext_item_size'),
  ext_item_age: storage('ext_item_age'),
  ext_low_ttl: storage('ext_low_ttl'),
  ext_recache_rate: storage('ext_recache_rate'),
  ext_compact_under: storage('ext_compact_under'),
  ext_drop_under: storage('ext_drop_under'),
  ext_max_sleep: storage('ext_max_sleep'),
  ext_max_frag: storage('ext_max_frag'),
  ext_drop_unread: tuning('it tunes extstore, which is not there'),
  ssl_chain_cert: tls('ssl_chain_cert', 'the certificate chain, PEM'),
  ssl_key: tls('ssl_key', 'its private key'),
  ssl_keyformat: tls('ssl_keyformat', '1 PEM, 2 DER', tlsNumber('ssl_keyformat', 2)),
  ssl_verify_mode: tls(
    'ssl_verify_mode',
    'certificates of clients: 0 not asked for, 1 or 3 must be good, 2 must be shown',
    tlsNumber('ssl_verify_mode', 3),
  ),
  ssl_ciphers: tls('ssl_ciphers', 'ciphers of TLS 1.2 and older'),
  ssl_ca_cert: tls('ssl_ca_cert', 'who signs certificates of clients, PEM'),
  ssl_wbuf_size: tls(
    'ssl_wbuf_size',
    'KiB of plain text that wait to be encrypted',
    tlsNumber('ssl_wbuf_size', 2 ** 20),
  ),
  ssl_session_cache: tls('ssl_session_cache', 'sessions may be resumed', alone),
  ssl_kernel_tls: tuning('the kernel does not encrypt here'),
  ssl_min_version: tls(
    'ssl_min_version',
    '0 to 3 for TLS 1.0 to 1.3',
    tlsNumber('ssl_min_version', 3),
  ),
};
