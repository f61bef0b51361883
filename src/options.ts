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
  /** False with `-X`: cachedump and metadump are refused. */
  readonly dump: boolean;
}

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
  slabReassign: true,
  slabAutomove: 1,
  slabAutomoveRatio: 0.8,
  slabAutomoveWindow: 30,
  lruCrawler: true,
  lruCrawlerSleepMicros: 100,
  lruCrawlerTocrawl: 0,
  dump: true,
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

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host === 'localhost';
}

export function usage(sentence: string): HotspareError {
  return new HotspareError('USAGE', sentence, 'see hotspare -h');
}
