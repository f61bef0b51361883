#!/usr/bin/env node
/** The command line, and where the parts are put together. Nothing imports this file. */
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Command } from 'commander';
import { addMirrorFlags, backupOf, givenMirrorFlags } from '../backup/flags.js';
import type { BackupSettings } from '../backup/settings.js';
import { Node, type NodeOptions } from '../failover/node.js';
import { Pair } from '../failover/pair.js';
import { type Notice, report } from '../failover/report.js';
import { exitStatus, HotspareError } from '../src/base/errors.js';
import { addFlags, given, type Values } from '../src/flags/flag.js';
import { memcachedFlags, ownFlags } from '../src/flags/memcached.js';
import { address, type Settings, usage } from '../src/flags/options.js';
import { settingsOf } from '../src/flags/settings.js';
import { native } from '../src/native/addon.js';
import { machine } from '../src/native/ports.js';
import { descriptorsMost, withRoom } from '../src/process/descriptors.js';
import { dumpOnSignal } from '../src/process/dump.js';
import {
  keepLastWords,
  type Log,
  logger,
  print,
  sayWhatNodeSays,
  tell,
} from '../src/process/log.js';
import {
  becomeDaemon,
  checkDescriptors,
  giveUpRoot,
  isDaemon,
  tellStarter,
  userToBe,
  writePidFile,
} from '../src/process/process.js';
import { goesFirst, openMemoryScore, pairMemory } from '../src/process/shortage.js';
import { geometryOf, headBytes, pagesBytes } from '../src/store/layout.js';
import { toolCommands } from './tools.js';

const root = `${__dirname}/../..`;
const { version } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { version: string };
const allFlags = [...memcachedFlags, ...ownFlags];
const geometryFlags = allFlags.filter(({ scope }) => scope === 'geometry');
const clientFlags = allFlags.filter(({ scope }) => scope === 'clients');
const standbyFlags = allFlags.filter(({ scope }) => scope !== 'geometry');
/** Ports below this are root's to bind. */
const commonPortLeast = 1024;

/**
 * The path of a request is many small functions. V8 stops to inline them after 920 bytes of bytecode by default, which
 * is in the middle of it: 3000 makes gets and sets a tenth faster (docs/BENCHMARKS.md).
 */
setFlagsFromString('--max-inlined-bytecode-size-cumulative=3000');
main();

function main(): void {
  keepLastWords();
  sayWhatNodeSays();
  const program = new Command('hotspare')
    .description('a memcached server that does not die with its machine')
    .version(
      `hotspare ${version} (answers as memcached 1.6.18)`,
      '-V, --version',
      'print the version',
    )
    .helpOption('-h, --help', 'print this help')
    .configureOutput({
      writeOut: print,
      writeErr: tell,
      outputError: (text) => tell(usageLine(text)),
    })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : exitStatus.USAGE))
    .enablePositionalOptions();
  program.action((_: Values, command: Command) => run(() => serve(command)));
  addMirrorFlags(addFlags(program, allFlags));

  const standby = program
    .command('standby')
    .description('mirror a primary, and serve in its place when it dies')
    .requiredOption('--of <HOST:PORT>', 'the --link-listen of the primary')
    .action((_: Values, command: Command) => run(() => mirror(command)));
  addMirrorFlags(addFlags(standby, standbyFlags));

  const pair = program
    .command('pair')
    .description('a primary and its standby on this machine, sharing one port')
    .action((_: Values, command: Command) => run(() => runPair(command)));
  addMirrorFlags(addFlags(pair, allFlags));

  toolCommands(program, __filename, fail);
  program.parse();
}

async function serve(command: Command): Promise<void> {
  const start = await prepare(command);
  if (start === null) return;
  const { log } = start;
  const node = newNode(start);
  superviseNode(node, log);
  node.startPrimary();
  if (start.user !== null) giveUpRoot(start.user);
  // It stays who this process is now, so it comes after root is given up.
  native.keeperStart();
}

async function mirror(command: Command): Promise<void> {
  const of = String(command.opts<Values>()['of']);
  const { host, port } = address(of, 0);
  if (port === 0) throw usage(`--of ${of}: a port is missing`);
  const start = await prepare(command);
  if (start === null) return;
  const { log } = start;
  if (start.user !== null) giveUpRoot(start.user);
  native.keeperStart();
  const node = newNode(start);
  superviseNode(node, log);
  node.startStandby({ host, port });
}

function newNode({ settings, backup, log }: Start): Node {
  const fence = fencing();
  const node = new Node({
    ports: machine,
    settings,
    backup,
    log,
    fence,
    report,
    goesFirst,
    fail,
  });
  dumpOnSignal(() => node.latencies(), log);
  return node;
}

async function runPair(command: Command): Promise<void> {
  const start = await prepare(command);
  if (start === null) return;
  const { settings, log, user } = start;
  if (user !== null) giveUpRoot(user);
  const geometry = geometryOf(settings);
  log.say(pairMemory(headBytes(geometry) + pagesBytes(geometry)));
  const pair = new Pair({
    program: [__filename],
    flags: [
      ...given(command, clientFlags),
      ...givenMirrorFlags(command),
      ...['--link-listen', '127.0.0.1:0'],
    ],
    primaryFlags: given(command, geometryFlags),
    log,
    onReport: (report) => tellStarter(report),
    onEnd: (reason, status) => {
      if (status !== null) process.exit(status);
      fail(new HotspareError('LINK_LOST', reason, 'start the pair again'));
    },
  });
  process.on('SIGHUP', () => pair.signal('SIGHUP'));
  stopOnSignals(() => pair.end(), log);
  pair.start();
}

interface Start {
  readonly settings: Settings;
  readonly backup: BackupSettings;
  readonly log: Log;
  /** Whom to become, or null. */
  readonly user: ReturnType<typeof userToBe>;
}

/** All that comes before a node or a pair. Null: another process goes on with it, or nothing is left to do. */
async function prepare(command: Command): Promise<Start | null> {
  const flags = command.opts<Values>();
  if (flags['license'] === true) {
    print(readFileSync(`${root}/LICENSE`, 'utf8'));
    return null;
  }
  checkPlace(command);
  const { settings, remarks } = await settingsOf(command, process.env);
  const backup = backupOf(flags);
  const paired = command.name() === 'pair';
  if (paired) checkPair(settings, flags);
  const user = userToBe(flags['user'] as string | undefined);
  if (user !== null) native.regionTrustOwner(user.uid);
  openMemoryScore();
  checkCombinations(settings, {
    user: user?.name ?? null,
    mayBindAgain: paired || flags['of'] !== undefined || backup.linkListen !== null,
  });
  const log = paired ? logger('pair', settings.verbosity) : nodeLog(settings);
  // Whoever started this process has said it already.
  const first = process.env['HOTSPARE_SUPERVISED'] !== '1' && !isDaemon();
  if (first) for (const remark of remarks) log.say(remark);
  if (flags['daemon'] === true && !isDaemon()) {
    becomeDaemon();
    return null;
  }
  const pidFile = flags['pidfile'] as string | undefined;
  if (pidFile !== undefined) writePidFile(pidFile, log);
  // The nodes of a pair each look for themselves.
  const fitting = paired ? settings : withRoom(settings, descriptorsMost(), log);
  return { settings: fitting, backup, log, user };
}

/** Flags before `standby` or `pair` would be the server's, and so nobody's. */
function checkPlace(command: Command): void {
  const { parent } = command;
  const lost = parent?.options.find(
    (option) => parent.getOptionValueSource(option.attributeName()) === 'cli',
  );
  if (lost === undefined) return;
  throw usage(`${lost.long ?? lost.short}: it stands before ${command.name()}`, 'put it behind');
}

function checkPair(settings: Settings, flags: Values): void {
  if (settings.port === -1) throw usage('-p -1: a pair shares a port, so it must be named');
  if (flags['linkListen'] !== undefined)
    throw usage('--link-listen: a pair links its nodes itself');
  if (settings.memoryFile !== null) throw usage('-e: the nodes of a pair cannot share one file');
}

/** Promises that flags make together and the process could not keep. */
function checkCombinations(
  settings: Settings,
  { user, mayBindAgain }: { user: string | null; mayBindAgain: boolean },
): void {
  checkDescriptors(settings.connections);
  if (settings.discardMemoryFile && settings.memoryFile === null) {
    throw usage('--discard-memory-file: there is no file', 'name it with -e');
  }
  const rootOnly = settings.port > 0 && settings.port < commonPortLeast;
  if (user !== null && mayBindAgain && rootOnly) {
    throw usage(
      `-u ${user}: only root can take port ${settings.port} over`,
      `choose a port from ${commonPortLeast} on, or leave -u out`,
    );
  }
}

/** True when another process started this node beside a second one, and knows of both whether they live. */
function isSupervised(): boolean {
  return process.env['HOTSPARE_SUPERVISED'] === '1' && process.send !== undefined;
}

/** Asks whoever started this node to end the old primary; null when there is nobody to ask. */
function fencing(): NodeOptions['fence'] {
  if (!isSupervised()) return null;
  return (untilMs) =>
    new Promise((fenced) => {
      const answer = (notice: Notice): void => {
        if (notice.fenced === undefined) return;
        process.off('message', answer);
        fenced(notice.fenced);
      };
      process.on('message', answer);
      report({ event: 'fence', untilMs });
    });
}

function nodeLog(settings: Settings): Log {
  const name = process.env['HOTSPARE_NODE'];
  return logger(name === undefined ? 'hotspare' : `node ${name}`, settings.verbosity);
}

/** Ends a node with the signals it gets, and passes on what its supervisor knows. */
function superviseNode(node: Node, log: Log): void {
  process.on('SIGHUP', () => node.reload());
  const end = stopOnSignals(() => node.stop(), log);
  process.on('message', (notice: Notice) => {
    if (notice.standbyDead === true) node.standbyIsDead();
    if (notice.end === true) end('the pair ends it');
  });
  if (isSupervised()) process.on('disconnect', () => end('the pair ended'));
}

/**
 * SIGINT, SIGTERM and SIGUSR1 end the process in order. A terminal and a service manager send them to all processes at
 * once; of two nodes the standby must end first, or it takes over for a moment: so a supervised node leaves it to its
 * supervisor. Returns what ends the process.
 */
function stopOnSignals(stop: () => Promise<void>, log: Log): (why: string) => void {
  let ending = false;
  const end = (why: string): void => {
    if (ending) return;
    ending = true;
    log.say(`ending: ${why}`);
    void stop().finally(() => setImmediate(() => process.exit(0)));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const) {
    const why = signal === 'SIGUSR1' ? 'SIGUSR1: Gracefully stopping' : signal;
    process.on(signal, () => {
      if (isSupervised() && process.connected) report({ event: 'asked', signal });
      else end(why);
    });
  }
  return end;
}

function run(body: () => void | Promise<void>): void {
  Promise.resolve()
    .then(body)
    .catch((error: unknown) => {
      if (!(error instanceof HotspareError)) throw error;
      fail(error);
    });
}

/** What the parser of the command line says, as one line like all others. */
function usageLine(text: string): string {
  const sentence = text
    .trim()
    .replace(/^error: /, '')
    .replace(/^too many arguments\..*$/, 'unknown command')
    .replaceAll('\n', ' ');
  return `hotspare: ${sentence} (hotspare -h lists all flags and commands)\n`;
}

/** One line that names what is wrong and what to do, and the status that belongs to it. */
function fail(error: HotspareError): never {
  const line = `hotspare: ${error.message} (${error.remedy})\n`;
  tell(line);
  tellStarter({ event: 'failed', line });
  process.exit(exitStatus[error.code]);
}
