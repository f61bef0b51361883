/** What a server is started with, checked, in the units the program uses. main.ts makes it from the command line. */
import { isIP } from 'node:net';
import { HotspareError } from './errors.js';
import * as limits from './limits.js';

export interface Settings {
  /** `-p`; 0 = no TCP. */
  readonly port: number;
  /** `-l`: addresses to listen on, each may name its own port; none = all. */
  readonly listen: readonly string[];
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
  readonly backlog: number;
  /** False with `-M`. */
  readonly evict: boolean;
  /** False with `-F`: flush_all is refused. */
  readonly flush: boolean;
  /** Times `-v` was given. */
  readonly verbosity: number;
  /** `-e`: the file that holds the region, or null. */
  readonly memoryFile: string | null;
  /** `-Y`: the file of those who may use the cache; null = everybody. */
  readonly authFile: string | null;
  /** `-U`; 0 = no UDP, -1 = any free port. */
  readonly udpPort: number;
  /** `-Z` with its `-o ssl_*`; null = no TLS. */
  readonly tls: TlsSettings | null;
  /** False with `-W`: watch is refused. */
  readonly watch: boolean;
  /** `-D`: what ends a key's prefix in `stats detail`; one byte. */
  readonly prefixDelimiter: string;
  /** Prefixes are counted from the start, without `stats detail on`. */
  readonly detail: boolean;
}

/** memcached's `-o ssl_*`, in memcached's numbers. */
export interface TlsSettings {
  /** `ssl_chain_cert` and `ssl_key`: PEM files. */
  readonly chainCert: string;
  readonly key: string;
  /** `ssl_verify_mode`: 0 none, 1 a certificate that is shown must be good, 2 it must be shown, 3 as 1. */
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

const plainPrefix = 'notls:';

export const defaults: Settings = {
  port: 11211,
  listen: [],
  unixSocket: null,
  unixMode: 0o700,
  memoryBytes: limits.memoryMebibytesDefault * 2 ** 20,
  itemBytesMax: limits.itemBytesDefault,
  chunkMin: 48,
  growthFactor: 1.25,
  connections: limits.connectionsDefault,
  backlog: limits.backlogDefault,
  evict: true,
  flush: true,
  verbosity: 0,
  memoryFile: null,
  authFile: null,
  udpPort: 0,
  tls: null,
  watch: true,
  prefixDelimiter: ':',
  detail: false,
};

/** Checks what no single flag can know. */
export function check(settings: Settings): void {
  const { itemBytesMax, memoryBytes, growthFactor, chunkMin } = settings;
  if (memoryBytes < 2 ** 20 || memoryBytes > limits.memoryBytesMax) {
    throw usage(
      `-m ${memoryBytes / 2 ** 20}: memory is 1 to ${limits.memoryBytesMax / 2 ** 20} (MiB)`,
    );
  }
  if (itemBytesMax < limits.itemBytesLeast)
    throw usage('Item max size cannot be less than 1024 bytes.');
  if (itemBytesMax > memoryBytes / 2) {
    throw usage('Cannot set item size limit higher than 1/2 of memory max.');
  }
  if (itemBytesMax > limits.itemBytesMost) {
    throw usage('Cannot set item size limit higher than a gigabyte.');
  }
  if (!(growthFactor > 1 && growthFactor <= 100))
    throw usage(`-f ${growthFactor}: Factor must be greater than 1`);
  if (chunkMin < 1 || chunkMin > limits.chunkBytesRegularMax / 2) {
    throw usage(`-n ${chunkMin}: Chunk size must be greater than 0`);
  }
  if (settings.connections < 1 || settings.connections > limits.connectionsMost) {
    throw usage(`-c ${settings.connections}: connections are 1 to ${limits.connectionsMost}`);
  }
  if (settings.authFile !== null && settings.udpPort !== 0) {
    throw usage('Cannot use UDP with ascii authentication enabled (-U 0 to disable)');
  }
  for (const text of settings.listen) {
    if (listenAddress(text, 0).plain && settings.tls === null) {
      throw usage("'notls' option is valid only when SSL is enabled");
    }
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

/** An address of `-l`: with `notls:` before it, it is served without TLS in spite of `-Z`. */
export function listenAddress(
  text: string,
  fallback: number,
): { host: string; port: number; plain: boolean } {
  const plain = text.startsWith(plainPrefix);
  return { ...address(plain ? text.slice(plainPrefix.length) : text, fallback), plain };
}

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host === 'localhost';
}

export function usage(sentence: string): HotspareError {
  return new HotspareError('USAGE', sentence, 'see hotspare -h');
}
