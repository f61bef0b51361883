/**
 * `hotspare bench replicate`: the mirror alone. A primary in this process, without clients, commits mutations as a set
 * makes them (a chunk, then a bucket) to standbys, each in a process of its own, and counts what all have acked.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { noClients } from '../../backup/channel/hello.js';
import { checkRdma } from '../../backup/link/fabrics.js';
import { linkName } from '../../backup/link/link.js';
import type { LinkSettings, MirrorSettings } from '../../backup/mirror-settings.js';
import { Primary } from '../../backup/primary/primary.js';
import { lonePrimaryVerdicts } from '../../failover/primary-verdicts.js';
import { HotspareError } from '../../src/base/errors.js';
import { linkConnections } from '../../src/base/limits.js';
import { addressText, defaults } from '../../src/flags/settings.js';
import { monotonicMs } from '../../src/native/clock.js';
import { fabric } from '../../src/native/fabric.js';
import { Wire } from '../../src/net/wire.js';
import { logger } from '../../src/process/log.js';
import { readOrEmpty } from '../../src/process/system-limits.js';
import { anonymousMemory, mapRegion } from '../../src/server/region-mapping.js';
import { Journal } from '../../src/store/journal.js';
import { geometryOf, headerBytes } from '../../src/store/layout.js';
import type { Region } from '../../src/store/region.js';

export interface ReplicateOptions {
  readonly payload: number;
  /** Mutations, each a batch of its own, that may wait for their ack at once. */
  readonly outstanding: number;
  readonly count: number;
  /** How many standbys mirror this primary. */
  readonly standbys: number;
  readonly host: string;
  readonly link: LinkSettings;
  /** The program, for the standbys. */
  readonly entry: string;
}

export interface Replicated {
  readonly description: string;
  readonly ns: number;
  /**
   * Processor time in µs a mutation: of this process, and of each standby's process on average; null where /proc does
   * not tell.
   */
  readonly primaryUs: number;
  readonly standbyUs: number | null;
  /** Processor time of a standby's process in as much time without a mutation, for its heartbeats. */
  readonly idleUs: number | null;
  readonly stats: ReadonlyMap<string, string | number>;
  /** The latencies, in ns. */
  readonly latencies: Uint32Array;
}

/** How long the idle standby is measured: long, as the kernel counts processor time in hundredths of a second. */
const idleMs = 2_000;
const memoryBytes = 64 * 2 ** 20;
/** A standby that has not attached within this never will. */
const attachMs = 60_000;
/** Long times, as no failure is rehearsed here, and a busy machine must not look dead. */
const times = { ackTimeoutMs: 30_000, heartbeatMs: 100, deadAfterMs: 10_000 } as const;

export async function replicate(options: ReplicateOptions): Promise<Replicated> {
  const { host, link } = options;
  const mirrorSettings = mirrorSettingsOf(options);
  checkRdma(fabric, mirrorSettings, logger('bench', 0));
  const journal = new Journal();
  const geometry = geometryOf({ ...defaults, memoryBytes });
  const { region, nativeRegion } = mapRegion(geometry, anonymousMemory, journal);
  const wire = new Wire({ connectionsMax: linkConnections });
  const folder = mkdtempSync(join(tmpdir(), 'hotspare-'));
  const forget = (): void => rmSync(folder, { recursive: true, force: true });
  const secret = join(folder, 'secret');
  writeFileSync(secret, mirrorSettings.secret, { mode: 0o600 });
  const standbys: ChildProcess[] = [];
  let primary: Primary | null = null;
  const deaf = endOnSignals(() => {
    for (const standby of standbys) standby.kill('SIGKILL');
    forget();
  });
  let gone = (_: string): void => {};
  const lost = new Promise<never>((_, reject) => {
    gone = (why) => reject(new HotspareError('LINK_LOST', why, 'see what the standby said'));
  });
  lost.catch(() => {});
  const late = setTimeout(() => gone('no standby attached'), attachMs);
  try {
    const attached = new Promise<void>((resolve) => {
      let inSync = 0;
      primary = new Primary({
        wire,
        region,
        regionId: nativeRegion.id,
        mirrorSettings,
        log: logger('bench', 0),
        sequence: 0,
        changes: () => 0,
        clients: () => noClients,
        verdicts: lonePrimaryVerdicts(options.standbys),
        events: {
          synced: () => {
            inSync++;
            if (inSync === options.standbys) resolve();
          },
          detached: () => gone(`${aStandby(options)} was lost`),
          deposed: () => gone('the standby took over'),
        },
      });
    });
    const port = primary!.listen(host, 0);
    const of = [
      '--of',
      addressText(host, port),
      '-p',
      '-1',
      '-l',
      '127.0.0.1',
      '--secret-file',
      secret,
    ];
    for (let i = 0; i < options.standbys; i++) {
      const standby = spawn(process.execPath, [options.entry, 'standby', ...of, ...flagsOf(link)], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      standbys.push(standby);
      standby.once('exit', () => gone(`${aStandby(options)} has ended`));
    }
    await Promise.race([attached, lost]);
    clearTimeout(late);
    return await Promise.race([measure(primary!, region, standbys, options), lost]);
  } finally {
    clearTimeout(late);
    // The standbys end first, as they would take over from a primary that is gone. The primary ends in the same turn of
    // the loop, before it can notice and complain.
    const running = standbys.filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    const exits = running.map((standby) => once(standby, 'exit'));
    for (const standby of running) standby.kill('SIGKILL');
    (primary as Primary | null)?.end();
    await Promise.all(exits);
    wire.transport.destroy();
    forget();
    deaf();
  }
}

function aStandby({ standbys }: ReplicateOptions): string {
  return standbys === 1 ? 'the standby' : 'a standby';
}

function mirrorSettingsOf({ host, link, standbys }: ReplicateOptions): MirrorSettings {
  return {
    linkListen: { host, port: 0 },
    secret: Buffer.from('known to these only'),
    ack: 'sync',
    ...times,
    ...link,
    standbysMost: standbys,
    standbysRequired: 0,
    node: 'bench',
  };
}

function flagsOf(link: ReplicateOptions['link']): string[] {
  const cipher = ['--link-cipher', link.cipher];
  const flags = [
    ...cipher,
    '--transport',
    link.linkPreference,
    '--dead-after',
    String(times.deadAfterMs),
  ];
  const timeouts = ['--ack-timeout', String(times.ackTimeoutMs)];
  const fabric = link.provider === null ? [] : ['--fabric', link.provider];
  return [...flags, ...timeouts, ...fabric, '--link-cipher', link.cipher];
}

/** A signal ends this process after `cleanUp`, which must not wait. Returns a function that undoes that. */
function endOnSignals(cleanUp: () => void): () => void {
  const end = (signal: NodeJS.Signals): void => {
    cleanUp();
    process.exit(128 + constants.signals[signal]);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
}

async function measure(
  primary: Primary,
  region: Region,
  standbys: readonly ChildProcess[],
  { payload, outstanding, count }: ReplicateOptions,
): Promise<Replicated> {
  const { unacked } = primary;
  const first = unacked.sequence;
  const pids = standbys.map(({ pid }) => pid!);
  const idle = await idleShare(pids);
  const before = process.cpuUsage();
  const beforeStandbys = processorUs(pids);
  const begun = monotonicMs();
  await new Promise<void>((resolve) => {
    // The pace of a server: a tick, and then a turn of the loop.
    const pump = (): void => {
      const room = outstanding - (unacked.sequence - unacked.acked);
      const left = count - (unacked.sequence - first);
      for (let i = Math.min(room, left); i > 0; i--) {
        mutate(region, unacked.sequence, payload);
        primary.commit(region.journal, monotonicMs());
      }
      if (unacked.acked - first >= count) resolve();
      else setImmediate(pump);
    };
    pump();
  });
  const ns = Math.round((monotonicMs() - begun) * 1e6);
  const { user, system } = process.cpuUsage(before);
  const afterStandbys = processorUs(pids);
  const stats = new Map(primary.details());
  return {
    description: linkOf(stats),
    ns,
    primaryUs: (user + system) / count,
    standbyUs: since(beforeStandbys, afterStandbys, count),
    idleUs: idle === null ? null : (idle * ns) / 1000 / count,
    stats,
    latencies: unacked.latencies.newest(),
  };
}

function linkOf(stats: ReadonlyMap<string, string | number>): string {
  const row = (name: string): string => String(stats.get(`mirror_${name}`));
  const device = row('device');
  return linkName({
    name: row('link'),
    provider: row('provider'),
    device: device === 'none' ? '' : device,
  });
}

/** The share of a processor that each of these idle processes takes, on average. */
async function idleShare(pids: readonly number[]): Promise<number | null> {
  const before = processorUs(pids);
  await new Promise((resolve) => setTimeout(resolve, idleMs));
  return since(before, processorUs(pids), idleMs * 1000);
}

function since(before: number | null, after: number | null, count: number): number | null {
  return before === null || after === null ? null : (after - before) / count;
}

/** Changes the region as a set does: a chunk that nothing refers to yet, and then the bucket that refers to it. */
function mutate(region: Region, number: number, payload: number): void {
  const bytes = (headerBytes + payload + 7) & ~7;
  const chunks = Math.floor(region.geometry.pageBytes / bytes);
  const offset = (number % chunks) * bytes;
  const words = region.words[0]!;
  words.fill(number, offset >>> 2, (offset + bytes) >>> 2);
  region.journal.range(region.pagesOffset + offset, bytes, words, offset >>> 2);
  region.publishBucket(number % region.buckets.length, 0);
}

/**
 * Processor time of these processes so far, in µs, on average; the kernel counts in hundredths of a second. Null
 * without /proc.
 */
function processorUs(pids: readonly number[]): number | null {
  let sum = 0;
  for (const pid of pids) {
    const text = readOrEmpty(`/proc/${pid}/stat`);
    if (text === '') return null;
    const stat = text.slice(text.lastIndexOf(')') + 2).split(' ');
    sum += (Number(stat[11]) + Number(stat[12])) * 10_000;
  }
  return sum / pids.length;
}
