/** Makes the settings of a server of the values of its flags, and the lines about flags that do nothing here. */
import * as dns from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Command } from 'commander';
import { memoryMebibytesDefault } from '../base/limits.js';
import { ownAddresses } from '../base/own-addresses.js';
import { type Extended, extended } from './extended.js';
import { review, type Values } from './flag.js';
import { memcachedFlags } from './server-flags.js';
import { address, check, cutPrefix, defaults, type Settings, usage } from './settings.js';

/** A parsed command line. */
export interface CommandLine {
  readonly settings: Settings;
  /** A line for every flag or word that was given and does nothing here. */
  readonly remarks: readonly string[];
}

/** The settings of a command's flags. Throws HotspareError. */
export async function settingsOf(
  command: Command,
  environment: NodeJS.ProcessEnv,
): Promise<CommandLine> {
  const values = command.opts<Values>();
  const words = extended(values['extended'] as string[]);
  const remarks = [...review(command, memcachedFlags), ...words.remarks];
  const listen = values['listen'] as string[];
  const settings: Settings = {
    ...defaults,
    ...network(values, command, words),
    ...memory(values),
    ...words.settings,
    listen: (await Promise.all(listen.map(resolve))).flat(),
    evict: values['disableEvictions'] !== true,
    flush: values['disableFlushAll'] !== true,
    dump: values['disableDumping'] !== true,
    watch: values['disableWatch'] !== true,
    shutdown: values['enableShutdown'] === true,
    prefixDelimiter: (values['D'] as string | undefined) ?? defaults.prefixDelimiter,
    detail: values['D'] !== undefined,
    verbosity: values['verbose'] as number,
    portFile: environment['MEMCACHED_PORT_FILENAME'] || null,
    tuning: tuning(values, words),
  };
  check(settings);
  return { settings, remarks };
}

function network(values: Values, command: Command, { tls }: Extended): Partial<Settings> {
  const udpPort = values['udpPort'] as number;
  // As in memcached, a UDP port also sets the TCP port, unless `-p` is given.
  const follows = udpPort !== 0 && command.getOptionValueSource('port') !== 'cli';
  const listen = values['listen'] as string[];
  return {
    port: follows ? udpPort : (values['port'] as number),
    udpPort,
    interfaces: listen.length === 0 ? null : listen.join(','),
    unixSocket: text(values['unixSocket']),
    unixMode: values['unixMask'] as number,
    connections: values['connLimit'] as number,
    backlog: values['listenBacklog'] as number,
    protocol: values['protocol'] as Settings['protocol'],
    authFile: text(values['authFile']),
    tls: values['enableSsl'] === true ? tls() : null,
  };
}

/** Geometry is not among a standby's flags: it is the default here, and later the primary's is taken. */
function memory(values: Values): Partial<Settings> {
  const mebibytes = (values['memoryLimit'] as number | undefined) ?? memoryMebibytesDefault;
  return {
    memoryBytes: mebibytes * 2 ** 20,
    itemBytesMax: (values['maxItemSize'] as number | undefined) ?? defaults.itemBytesMax,
    chunkMin: (values['slabMinSize'] as number | undefined) ?? defaults.chunkMin,
    growthFactor: (values['slabGrowthFactor'] as number | undefined) ?? defaults.growthFactor,
    memoryFile: text(values['memoryFile']),
    discardMemoryFile: values['discardMemoryFile'] === true,
    lockMemory: values['lockMemory'] === true,
    hugePages: values['enableLargepages'] === true,
  };
}

function tuning(values: Values, words: Extended): ReadonlyMap<string, string> {
  const requests = values['maxReqsPerEvent'] as number | undefined;
  const own: [string, string][] =
    requests === undefined ? [] : [['reqs_per_event', String(requests)]];
  return new Map([...own, ...words.settings.tuning]);
}

function text(value: unknown): string | null {
  return (value as string | undefined) ?? null;
}

/** The literal addresses that an entry of `-l` stands for, each with its port when it names one. */
async function resolve(entry: string): Promise<string[]> {
  const [prefix, rest] = cutPrefix(entry);
  const named = /^([^:[\]*]+)(:.*)?$/.exec(rest);
  const host = named?.[1];
  if (host === undefined || isIP(host) !== 0) {
    address(rest, 0);
    return [entry];
  }
  const port = named![2] ?? '';
  address(`127.0.0.1${port}`, 0);
  try {
    const found = await dns.lookup(host, { all: true });
    // A machine without IPv6 listens on its IPv4 addresses alone, as memcached does.
    const usable = hasIpv6() ? found : found.filter(({ family }) => family === 4);
    const all = usable.length > 0 ? usable : found;
    const texts = all.map(
      ({ address: one, family }) => prefix + (family === 6 ? `[${one}]` : one) + port,
    );
    return [...new Set(texts)];
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code;
    throw usage(`-l ${entry}: getaddrinfo(): ${reason}`, 'name an address of this machine');
  }
}

function hasIpv6(): boolean {
  return (ownAddresses() ?? []).some(({ family }) => family === 'IPv6');
}
