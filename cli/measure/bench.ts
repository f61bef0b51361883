/** `hotspare bench`: the usual measurements of replicated memory stores, on hotspare. Latencies go to a file. */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { addLinkFlags, linkSettingsOf } from '../../backup/flags.js';
import { systemReason } from '../../src/base/errors.js';
import { Histogram } from '../../src/base/histogram.js';
import { keyBytesMax, standbysMost } from '../../src/base/limits.js';
import { address, usage } from '../../src/flags/settings.js';
import { print as printText } from '../../src/process/log.js';
import { isForeignLink } from '../../src/process/safe-files.js';
import { type Mix, measureClient } from './clients.js';
import { replicate } from './replicate.js';

type Flags = Readonly<Record<string, unknown>>;
type Run = (body: () => Promise<void>) => void;

const barWidth = 50;
const keyBytesLeast = 4;

/** Adds the commands under `bench`; `run` runs a command and ends the process. */
export function benchCommands(bench: Command, entry: string, run: Run): void {
  const mirror = bench
    .command('replicate')
    .description('commit mutations to a standby in another process, without clients')
    .option('--payload <bytes>', 'bytes of a value', whole(0, 2 ** 19), 64)
    .option('--outstanding <num>', 'mutations under way at once', whole(1, 10_000), 1)
    .option('--count <num>', 'mutations', whole(1, 1e7), 100_000)
    .option('--standbys <num>', 'standbys that all must ack', whole(1, standbysMost), 1)
    .option('--link-host <addr>', 'address of this machine for the link', '127.0.0.1')
    .option('--latencies <file>', 'where the latencies go (ns, one a line)')
    .action((flags: Flags) => run(() => runReplicate(flags, entry)));
  addLinkFlags(mirror);
  for (const mix of ['puts-only', 'gets-only', 'puts-gets'] as const) {
    bench
      .command(mix)
      .description(`${mix.replace('-', ' and ').replace(' and only', ' only')}, against a server`)
      .option('--server <HOST:PORT>', 'the server', '127.0.0.1:11211')
      .option('--key-bytes <num>', 'bytes of a key', whole(keyBytesLeast, keyBytesMax), 16)
      .option('--value-bytes <num>', 'bytes of a value', whole(1, 500_000), 64)
      .option('--count <num>', 'requests', whole(1, 1e7), 100_000)
      .option('--outstanding <num>', 'requests under way at once', whole(1, 10_000), 1)
      .option('--latencies <file>', 'where the latencies go (ns, one a line)')
      .action((flags: Flags) => run(() => runClient(mix, flags)));
  }
}

async function runReplicate(flags: Flags, entry: string): Promise<void> {
  const payload = flags['payload'] as number;
  const count = flags['count'] as number;
  const file = latenciesFile(flags, 'replicate');
  const result = await replicate({
    payload,
    outstanding: flags['outstanding'] as number,
    count,
    standbys: flags['standbys'] as number,
    host: address(String(flags['linkHost']), 0).host,
    link: linkSettingsOf(flags),
    entry,
  });
  print(`Replicated ${count} mutations of ${payload} bytes in ${result.ns} ns`);
  const { primaryUs, standbyUs, idleUs, description } = result;
  print(`link: ${description}; ${(result.ns / count / 1000).toFixed(2)} us a mutation`);
  const standby =
    standbyUs === null || idleUs === null
      ? "the standby's is unknown, as /proc cannot be read"
      : `standby ${standbyUs.toFixed(2)} us each, ${idleUs.toFixed(2)} us of which it takes anyway`;
  print(`processor: primary ${primaryUs.toFixed(2)} us, ${standby}`);
  finish(result.latencies, file);
}

async function runClient(mix: Mix, flags: Flags): Promise<void> {
  const { host, port } = address(String(flags['server']), 11211);
  const count = flags['count'] as number;
  const valueBytes = flags['valueBytes'] as number;
  const keyBytes = flags['keyBytes'] as number;
  const outstanding = flags['outstanding'] as number;
  const options = { mix, host, port, keyBytes, valueBytes, count, outstanding };
  const file = latenciesFile(flags, mix);
  const { ns, latencies } = await measureClient(options);
  print(
    `${mix}: ${count} requests, keys of ${keyBytes} and values of ${valueBytes} bytes, in ${ns} ns`,
  );
  finish(latencies, file);
}

interface LatenciesFile {
  readonly name: string;
  readonly descriptor: number;
}

/**
 * Opens the file before anything is measured, so that no run ends without a place for its result. Throws HotspareError.
 */
function latenciesFile(flags: Flags, kind: string): LatenciesFile {
  const name = (flags['latencies'] as string | undefined) ?? `${kind}.latencies`;
  if (isForeignLink(name)) {
    throw usage(`--latencies ${name}: it is a symlink of another user`, 'name another file');
  }
  try {
    return { name, descriptor: openSync(name, 'w') };
  } catch (error) {
    const reason = systemReason((error as NodeJS.ErrnoException).code);
    throw usage(
      `--latencies ${name}: cannot be written: ${reason}`,
      'name a file that may be written with --latencies',
    );
  }
}

/** Prints quantiles and a histogram, and writes the file. */
function finish(latencies: ArrayLike<number>, file: LatenciesFile): void {
  const histogram = new Histogram();
  const list = Array.from(latencies, Math.round);
  for (const ns of list) histogram.add(ns, 1);
  const us = (share: number): string => (histogram.quantile(share) / 1000).toFixed(1);
  print(`latency in us: p50 ${us(0.5)}, p99 ${us(0.99)}, p99.9 ${us(0.999)}, max ${us(1)}`);
  print(bars(histogram));
  writeFileSync(file.descriptor, `${list.join('\n')}\n`);
  closeSync(file.descriptor);
  print(`${list.length} latencies (ns) in ${file.name}`);
}

/** The histogram as text: a bar for every power of two. */
function bars(histogram: Histogram): string {
  const counts = new Map<number, number>();
  for (const [value, count] of histogram.buckets()) {
    const power = Math.ceil(Math.log2(value + 1));
    counts.set(power, (counts.get(power) ?? 0) + count);
  }
  const most = Math.max(...counts.values());
  return [...counts]
    .map(([power, count]) => {
      const bar = '#'.repeat(Math.ceil((count / most) * barWidth));
      return `${(2 ** power / 1000).toFixed(1).padStart(10)} us ${String(count).padStart(9)} ${bar}`;
    })
    .join('\n');
}

function print(text: string): void {
  printText(`${text}\n`);
}

function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
  };
}
