#!/usr/bin/env node
/** The command line, and where the parts are put together. Nothing imports this file. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { BackupSettings } from '../backup/settings.js';
import { Node } from '../failover/node.js';
import { Pair } from '../failover/pair.js';
import { type Notice, report } from '../failover/report.js';
import { toolCommands } from '../failover/tools.js';
import { exitStatus, HotspareError } from './errors.js';
import { transportFlags, transportOf } from './flags/transport.js';
import * as limits from './limits.js';
import { type Log, logger } from './log.js';
import { address, check, defaults, isLoopback, type Settings, usage } from './options.js';

type Flags = Record<string, unknown>;

const version = (
  JSON.parse(readFileSync(`${__dirname}/../../package.json`, 'utf8')) as { version: string }
).version;

/**
 * The path of a request is many small functions. V8 stops to inline them after 920 bytes of bytecode by default, which
 * is in the middle of it: 3000 makes gets and sets a tenth faster (docs/BENCHMARKS.md).
 */
setFlagsFromString('--max-inlined-bytecode-size-cumulative=3000');
main();

function main(): void {
  const program = new Command('hotspare')
    .description('a memcached server that does not die with its machine')
    .version(
      `hotspare ${version} (answers as memcached 1.6.18)`,
      '-V, --version',
      'print the version',
    )
    .helpOption('-h, --help', 'print this help')
    .showHelpAfterError('(hotspare -h lists all flags)')
    .configureOutput({
      outputError: (text, write) => write(`hotspare: ${text.replace(/^error: /, '')}`),
    })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : exitStatus.USAGE))
    .enablePositionalOptions();
  program.action((flags: Flags) => run(() => serve(flags)));
  geometryFlags(clientFlags(program));
  mirrorFlags(program);

  const standby = program
    .command('standby')
    .description('mirror a primary, and serve in its place when it dies')
    .requiredOption('--of <HOST:PORT>', 'the --link-listen of the primary')
    .action((flags: Flags) => run(() => mirror(flags)));
  mirrorFlags(clientFlags(standby));

  const pair = program
    .command('pair')
    .description('a primary and its standby on this machine, sharing one port')
    .action((flags: Flags, command: Command) => run(() => runPair(flags, command)));
  mirrorFlags(geometryFlags(clientFlags(pair)));

  toolCommands(program, __filename, fail);
  program.parse();
}

/** Flags of the clients' side: memcached's. */
function clientFlags(command: Command): Command {
  return command
    .option(
      '-p, --port <num>',
      'TCP port; -1: any free one; 0: none',
      integer(-1, 65535),
      defaults.port,
    )
    .addOption(
      new Option('-l, --listen <addr>', 'address to listen on; several with commas, or repeat')
        .argParser(list)
        .default([], 'all'),
    )
    .option('-s, --unix-socket <file>', 'UNIX socket to listen on (no TCP then)')
    .addOption(
      new Option('-a, --unix-mask <mask>', 'permissions of the UNIX socket, octal')
        .argParser(octal)
        .default(defaults.unixMode, '0700'),
    )
    .option(
      '-c, --conn-limit <num>',
      'most connections',
      integer(1, limits.connectionsMost),
      defaults.connections,
    )
    .option('-M, --disable-evictions', 'answer with an error when memory is full')
    .option('-F, --disable-flush-all', 'refuse flush_all')
    .option('-v, --verbose', 'say more; -vv more still', (_: string, count: number) => count + 1, 0)
    .option(
      '-e, --memory-file <file>',
      'keep the cache in this file: it survives a restart and kill -9',
    )
    .addOption(new Option('-U, --udp-port <num>', 'UDP is not served: only 0').argParser(only(0)))
    .addOption(new Option('-t, --threads <num>', 'one thread serves: only 1').argParser(only(1)));
}

/** Flags that fix the geometry of the region; a standby takes them from its primary. */
function geometryFlags(command: Command): Command {
  return command
    .option(
      '-m, --memory-limit <num>',
      'memory for items, in MiB',
      integer(1, limits.memoryBytesMax / 2 ** 20),
      limits.memoryMebibytesDefault,
    )
    .addOption(
      new Option('-I, --max-item-size <num>', 'largest item; k and m are units')
        .argParser(size)
        .default(defaults.itemBytesMax, '1m'),
    )
    .option(
      '-f, --slab-growth-factor <num>',
      'chunk size growth factor',
      real,
      defaults.growthFactor,
    )
    .option(
      '-n, --slab-min-size <bytes>',
      'least room for key, value and flags',
      integer(1, 2 ** 18),
      defaults.chunkMin,
    );
}

/** Flags of the mirror. */
function mirrorFlags(command: Command): Command {
  return transportFlags(command)
    .option('--link-listen <HOST:PORT>', 'let a standby attach here')
    .addOption(
      new Option('--ack <mode>', 'sync: no reply before the standby has it')
        .choices(['sync', 'async'])
        .default('sync'),
    )
    .option(
      '--ack-timeout <ms>',
      'drop a standby that does not ack for this long',
      integer(1, limits.ackTimeoutMsMost),
      limits.ackTimeoutMsDefault,
    )
    .option(
      '--heartbeat <ms>',
      'say "I live" this often',
      integer(1, 60_000),
      limits.heartbeatMsDefault,
    )
    .option(
      '--dead-after <ms>',
      'silence after which the primary is dead',
      integer(3, 600_000),
      limits.deadAfterMsDefault,
    )
    .option('--secret-file <file>', 'the secret both nodes share');
}

function serve(flags: Flags): void {
  const settings = settingsOf(flags);
  const log = nodeLog(settings);
  const node = new Node({ settings, backup: backupOf(flags), log, fence, fail });
  superviseNode(node, log);
  node.startPrimary();
}

function mirror(flags: Flags): void {
  const settings = settingsOf(flags);
  const log = nodeLog(settings);
  const { host, port } = address(String(flags['of']), 0);
  if (port === 0) throw usage(`--of ${flags['of']}: a port is missing`);
  const node = new Node({ settings, backup: backupOf(flags), log, fence, fail });
  superviseNode(node, log);
  node.startStandby({ host, port });
}

function runPair(flags: Flags, command: Command): void {
  const settings = settingsOf(flags);
  if (settings.port === -1) throw usage('-p -1: a pair shares a port, so it must be named');
  if (flags['linkListen'] !== undefined)
    throw usage('--link-listen: a pair links its nodes itself');
  if (settings.memoryFile !== null) throw usage('-e: the nodes of a pair cannot share one file');
  const log = logger('pair', settings.verbosity);
  const pair = new Pair({
    program: [__filename],
    flags: [...given(command, isGeometryFlag, false), '--link-listen', '127.0.0.1:0'],
    primaryFlags: given(command, isGeometryFlag, true),
    log,
    onEnd: (reason, status) => {
      if (status !== null) process.exit(status);
      fail(new HotspareError('LINK_LOST', reason, 'start the pair again'));
    },
  });
  stopOnSignals(() => void pair.end().then(() => process.exit(0)), log);
  pair.start();
}

function isGeometryFlag(name: string): boolean {
  return ['memoryLimit', 'maxItemSize', 'slabGrowthFactor', 'slabMinSize'].includes(name);
}

/** The flags of a command that were given, as arguments for a node. */
function given(command: Command, choose: (name: string) => boolean, chosen: boolean): string[] {
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    if (choose(name) !== chosen || command.getOptionValueSource(name) !== 'cli') return [];
    const value = command.opts<Flags>()[name];
    const flag = option.long!;
    if (name === 'verbose') return Array<string>(value as number).fill('-v');
    if (name === 'unixMask') return [flag, (value as number).toString(8)];
    if (Array.isArray(value)) return value.flatMap((one) => [flag, String(one)]);
    return value === true ? [flag] : [flag, String(value)];
  });
}

function settingsOf(flags: Flags): Settings {
  const settings: Settings = {
    ...defaults,
    port: flags['port'] as number,
    listen: flags['listen'] as string[],
    unixSocket: (flags['unixSocket'] as string | undefined) ?? null,
    unixMode: flags['unixMask'] as number,
    memoryBytes:
      ((flags['memoryLimit'] as number | undefined) ?? limits.memoryMebibytesDefault) * 2 ** 20,
    itemBytesMax: (flags['maxItemSize'] as number | undefined) ?? defaults.itemBytesMax,
    chunkMin: (flags['slabMinSize'] as number | undefined) ?? defaults.chunkMin,
    growthFactor: (flags['slabGrowthFactor'] as number | undefined) ?? defaults.growthFactor,
    connections: flags['connLimit'] as number,
    evict: flags['disableEvictions'] !== true,
    flush: flags['disableFlushAll'] !== true,
    verbosity: flags['verbose'] as number,
    memoryFile: (flags['memoryFile'] as string | undefined) ?? null,
  };
  check(settings);
  for (const text of settings.listen) address(text, 0);
  return settings;
}

function backupOf(flags: Flags): BackupSettings {
  const listen = flags['linkListen'] as string | undefined;
  const linkListen = listen === undefined ? null : address(listen, 0);
  const file = flags['secretFile'] as string | undefined;
  const of = flags['of'] as string | undefined;
  const beyond = [linkListen?.host, of === undefined ? undefined : address(of, 0).host].find(
    (host) => host !== undefined && !isLoopback(host),
  );
  if (beyond !== undefined && file === undefined) {
    throw usage(`a link over ${beyond} needs a secret: give both nodes the same --secret-file`);
  }
  const deadAfterMs = flags['deadAfter'] as number;
  const heartbeatMs = flags['heartbeat'] as number;
  if (deadAfterMs < 3 * heartbeatMs) {
    throw usage(
      `--dead-after ${deadAfterMs} must be at least three times --heartbeat ${heartbeatMs}`,
    );
  }
  const ackTimeoutMs = flags['ackTimeout'] as number;
  // A silent primary must be found before the standby's lease is over (docs/decisions/lease.md).
  const foundMs = deadAfterMs + 3 * heartbeatMs;
  if (foundMs > ackTimeoutMs * limits.leaseShare) {
    const least = Math.ceil(foundMs / limits.leaseShare);
    throw usage(
      `--ack-timeout ${ackTimeoutMs} must be at least ${least} with --dead-after ${deadAfterMs}`,
    );
  }
  return {
    linkListen,
    secret: file === undefined ? new Uint8Array(0) : readSecret(file),
    ack: flags['ack'] as 'sync' | 'async',
    ackTimeoutMs,
    heartbeatMs,
    deadAfterMs,
    ...transportOf(flags),
    node: randomBytes(4).toString('hex'),
  };
}

function readSecret(file: string): Uint8Array {
  let secret: Buffer;
  try {
    secret = readFileSync(file);
  } catch (error) {
    throw usage(`--secret-file ${file}: ${(error as Error).message}`);
  }
  if (secret.length < limits.secretBytesLeast || secret.length > limits.secretBytesMost) {
    const range = `${limits.secretBytesLeast} to ${limits.secretBytesMost} bytes`;
    throw usage(`--secret-file ${file} has ${secret.length} bytes: a secret has ${range}`);
  }
  return secret;
}

/** Asks whoever started this node to end the old primary; nobody to ask: nothing to wait for. */
function fence(): Promise<void> {
  if (process.env['HOTSPARE_SUPERVISED'] !== '1' || process.send === undefined) {
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    process.on('message', ({ fenced }: Notice) => {
      if (fenced === true) resolve();
    });
    report({ event: 'fence' });
  });
}

function nodeLog(settings: Settings): Log {
  const name = process.env['HOTSPARE_NODE'];
  return logger(name === undefined ? 'hotspare' : `node ${name}`, settings.verbosity);
}

/** Ends a node with the signals it gets, and passes on what its supervisor knows. */
function superviseNode(node: Node, log: Log): void {
  stopOnSignals(() => node.stop(), log);
  process.on('message', ({ standbyDead }: Notice) => {
    if (standbyDead === true) node.standbyIsDead();
  });
}

/** SIGINT and SIGTERM end the process in order; so does the end of whoever supervises it. */
function stopOnSignals(stop: () => void, log: Log): void {
  const once = (why: string): void => {
    log.say(`ending: ${why}`);
    stop();
    setImmediate(() => process.exit(0)).unref();
  };
  process.on('SIGINT', () => once('SIGINT'));
  process.on('SIGTERM', () => once('SIGTERM'));
  if (process.env['HOTSPARE_SUPERVISED'] === '1')
    process.on('disconnect', () => once('the pair ended'));
}

function run(body: () => void): void {
  try {
    body();
  } catch (error) {
    if (!(error instanceof HotspareError)) throw error;
    fail(error);
  }
}

/** One line that names what is wrong and what to do, and the status that belongs to it. */
function fail(error: HotspareError): never {
  process.stderr.write(`hotspare: ${error.message} (${error.remedy})\n`);
  process.exit(exitStatus[error.code]);
}

function integer(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
  };
}

function only(value: number): (text: string) => number {
  return (text) => {
    if (Number(text) === value) return value;
    throw new InvalidArgumentError(`This hotspare takes only ${value}.`);
  };
}

function real(text: string): number {
  const value = Number(text);
  if (value > 1) return value;
  throw new InvalidArgumentError('It is a number greater than 1.');
}

function octal(text: string): number {
  if (/^[0-7]{1,4}$/.test(text)) return Number.parseInt(text, 8);
  throw new InvalidArgumentError('It is an octal number such as 0700.');
}

function size(text: string): number {
  const match = /^(\d+)([kKmM]?)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('It is bytes, or a number with k or m.');
  const unit = { '': 1, k: 1024, m: 2 ** 20 }[match[2]!.toLowerCase()]!;
  return Number(match[1]) * unit;
}

function list(text: string, before: string[]): string[] {
  return [...before, ...text.split(',')];
}
