/**
 * The settings of a server, checked, in the units the program uses. flags/settings-from-flags.ts makes them of the
 * flags.
 */
import { isIP } from 'node:net';
import { HotspareError } from '../base/errors.js';
import * as limits from '../base/limits.js';

/** `-Z` with its `-o ssl_…` words, in memcached's numbers. */
export interface TlsSettings {
  /** `ssl_chain_cert` and `ssl_key`: files. */
  readonly chainCert: string;
  readonly key: string;
  /** `ssl_verify_mode`: 0 none, 1 a certificate that is shown must be good, 2 a good one must be shown, 3 as 1. */
  readonly verifyMode: number;
  /** `ssl_keyformat`: 1 PEM, 2 DER. */
  readonly keyFormat: number;
  readonly ciphers: string | null;
  readonly caCert: string | null;
  /** `ssl_wbuf_size` in bytes: plain text that may wait to be encrypted, for each connection. */
  readonly writeBufferBytes: number;
  readonly sessionCache: boolean;
  /** `ssl_min_version`: 0 to 3 for TLS 1.0 to 1.3. */
  readonly minVersion: number;
}

export interface Settings {
  /** `-p`; 0 = no TCP, -1 = any free one. */
  readonly port: number;
  /** `-U`; 0 = no UDP, -1 = any free one. */
  readonly udpPort: number;
  /**
   * `-l`: literal addresses to listen on, each may name its own port; none = all. Host names have been resolved
   * (flags/settings-from-flags.ts).
   */
  readonly listen: readonly string[];
  /** `-l` as it was given, or null. */
  readonly interfaces: string | null;
  /** `-s`. */
  readonly unixSocket: string | null;
  /** `-a`: permission bits of the unix socket. */
  readonly unixMode: number;
  /** `-m` in bytes. */
  readonly memoryBytes: number;
  /** `-I` in bytes. */
  readonly itemBytesMax: number;
  /** `-n`. */
  readonly chunkMin: number;
  /** `-f`. */
  readonly growthFactor: number;
  /** `-c`. */
  readonly connections: number;
  /** A connection too many is told so and closed; false (`-o no_maxconns_fast`): it waits to be accepted. */
  readonly refuseFast: boolean;
  /** `-o idle_timeout`: seconds after which an idle connection is closed; 0 = never. */
  readonly idleSeconds: number;
  /** `-b`. */
  readonly backlog: number;
  /** `-B`: the protocols that a connection may begin with; the binary protocol is refused in either case. */
  readonly protocol: 'auto' | 'ascii';
  /** False with `-M`. */
  readonly evict: boolean;
  /** False with `-F`: flush_all is refused. */
  readonly flush: boolean;
  /** False with `-X`: metadump and cachedump are refused. */
  readonly dump: boolean;
  /** False with `-W`: watch is refused. */
  readonly watch: boolean;
  /** True with `-A`: the command `shutdown` ends this process. */
  readonly shutdown: boolean;
  /** `-D`: where the prefix of a key ends, in `stats detail`; one character. */
  readonly prefixDelimiter: string;
  /** True with `-D`: `stats detail` counts from the start. */
  readonly detail: boolean;
  /** `-Y`: the file of users and passwords, or null. */
  readonly authFile: string | null;
  /** `-Z`; null: no TLS. */
  readonly tls: TlsSettings | null;
  /** Times `-v` was given. */
  readonly verbosity: number;
  /** `-e`: the file that holds the region, or null. */
  readonly memoryFile: string | null;
  /** `--discard-memory-file`: the content of the memory file is discarded when it cannot be served. */
  readonly discardMemoryFile: boolean;
  /** `-k`. */
  readonly lockMemory: boolean;
  /** `-L`. */
  readonly hugePages: boolean;
  /** The file of MEMCACHED_PORT_FILENAME, which lists the bound ports; or null. */
  readonly portFile: string | null;
  /** False with `-o no_slab_reassign`. */
  readonly slabReassign: boolean;
  /** `-o slab_automove`. */
  readonly slabAutomove: 0 | 1 | 2;
  /** `-o slab_automove_ratio`. */
  readonly slabAutomoveRatio: number;
  /** `-o slab_automove_window`, in seconds. */
  readonly slabAutomoveWindow: number;
  /** False with `-o no_lru_crawler`. */
  readonly lruCrawler: boolean;
  /** `-o lru_crawler_sleep`, in microseconds. */
  readonly lruCrawlerSleepMicros: number;
  /** `-o lru_crawler_tocrawl`. */
  readonly lruCrawlerTocrawl: number;
  /** Values for parts of memcached that are not here, by the key under which `stats settings` shows them. */
  readonly tuning: ReadonlyMap<string, string>;
}

const plainPrefix = 'notls:';

export const defaults: Settings = {
  port: 11211,
  udpPort: 0,
  listen: [],
  interfaces: null,
  unixSocket: null,
  unixMode: 0o700,
  memoryBytes: limits.memoryMebibytesDefault * 2 ** 20,
  itemBytesMax: limits.itemBytesDefault,
  chunkMin: 48,
  growthFactor: 1.25,
  connections: limits.connectionsDefault,
  refuseFast: true,
  idleSeconds: 0,
  backlog: limits.backlogDefault,
  protocol: 'auto',
  evict: true,
  flush: true,
  dump: true,
  watch: true,
  shutdown: false,
  prefixDelimiter: ':',
  detail: false,
  authFile: null,
  tls: null,
  verbosity: 0,
  memoryFile: null,
  discardMemoryFile: false,
  lockMemory: false,
  hugePages: false,
  portFile: null,
  slabReassign: true,
  slabAutomove: 1,
  slabAutomoveRatio: 0.8,
  slabAutomoveWindow: 30,
  lruCrawler: true,
  lruCrawlerSleepMicros: 100,
  lruCrawlerTocrawl: 0,
  tuning: new Map(),
};

/** Checks rules between flags, which no single flag can check. */
export function check(settings: Settings): void {
  const { itemBytesMax, memoryBytes } = settings;
  if (itemBytesMax > memoryBytes / 2) {
    throw usage(
      `-I ${itemBytesMax}: Cannot set item size limit higher than 1/2 of memory max.`,
      'give it more with -m, or choose a smaller -I',
    );
  }
  if (settings.authFile !== null && settings.udpPort !== 0) {
    throw usage(
      `-U ${settings.udpPort}: Cannot use UDP with ascii authentication enabled (-U 0 to disable)`,
      'leave -U or -Y out',
    );
  }
  for (const text of settings.listen) {
    if (cutPrefix(text)[0] === '' || settings.tls !== null) continue;
    throw usage(
      `-l ${text}: 'notls' option is valid only when SSL is enabled`,
      `leave ${plainPrefix} out, or add -Z`,
    );
  }
}

/** HOST, HOST:PORT, [IPv6]:PORT or *; the port is `fallback` where none is named. */
export function address(text: string, fallback: number): { host: string; port: number } {
  const bracketed = /^\[([0-9a-fA-F:.]+)\](?::(\d+))?$/.exec(text);
  const plain = /^([^:]+)(?::(\d+))?$/.exec(text);
  const bare = /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.exec(text);
  const match = bracketed ?? plain;
  if (match === null && bare !== null) return { host: text, port: fallback };
  if (match === null) throw usage(`${text}: an address is HOST, HOST:PORT or [IPV6]:PORT`);
  const port = match[2] === undefined ? fallback : Number(match[2]);
  if (port > 65535) throw usage(`${text}: a port is 0 to 65535`);
  const named = match[1]!;
  const host = named === '*' ? '0.0.0.0' : named === 'localhost' ? '127.0.0.1' : named;
  if (isIP(host) === 0) throw usage(`${text}: name an IP address; host names are not resolved`);
  return { host, port };
}

/** HOST:PORT as `address` reads it: an IPv6 host stands in brackets. */
export function addressText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A place to listen, as `-l` names it. */
export interface Place {
  readonly host: string;
  readonly port: number;
  /** Served without TLS even with `-Z`. */
  readonly plain: boolean;
  /** The place is `*`, all addresses of both families; `host` is then the IPv4 one. */
  readonly everywhere: boolean;
}

/** An address of `-l`, which may begin with `notls:`. */
export function listenAddress(text: string, fallback: number): Place {
  const [prefix, rest] = cutPrefix(text);
  const everywhere = /^\*(:|$)/.test(rest);
  return { ...address(rest, fallback), plain: prefix !== '', everywhere };
}

/** Splits an address into its `notls:` prefix, empty where there is none, and the rest. */
export function cutPrefix(text: string): readonly [prefix: string, rest: string] {
  const prefix = text.startsWith(plainPrefix) ? plainPrefix : '';
  return [prefix, text.slice(prefix.length)];
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host === 'localhost';
}

export function usage(sentence: string, remedy = 'see hotspare -h'): HotspareError {
  return new HotspareError('USAGE', sentence, remedy);
}
