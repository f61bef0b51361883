/**
 * The steps before a node or a pair starts: its flags are read and checked, and the process becomes a daemon where it
 * shall.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { mirrorSettingsOf } from '../backup/flags.js';
import type { MirrorSettings } from '../backup/mirror-settings.js';
import type { Values } from '../src/flags/flag.js';
import { memcachedFlags, ownFlags } from '../src/flags/server-flags.js';
import { type Settings, usage } from '../src/flags/settings.js';
import { settingsOf } from '../src/flags/settings-from-flags.js';
import { native } from '../src/native/addon.js';
import { descriptorsMost, withRoom } from '../src/process/descriptors.js';
import { type Log, logger, print } from '../src/process/log.js';
import { openOomScore } from '../src/process/out-of-memory.js';
import {
  becomeDaemon,
  checkDescriptors,
  isDaemon,
  userToBe,
  writePidFile,
} from '../src/process/process.js';
import { isSupervised } from './signals.js';

/** The package's folder. */
export const root = join(__dirname, '..', '..');
export const allFlags = [...memcachedFlags, ...ownFlags];
/** Ports below this are root's to bind. */
const commonPortLeast = 1024;

export interface Start {
  readonly settings: Settings;
  readonly mirrorSettings: MirrorSettings;
  readonly log: Log;
  /** The user to become, or null. */
  readonly user: ReturnType<typeof userToBe>;
}

/**
 * Takes all steps before a node or a pair starts. Null: a daemon goes on in another process, or nothing is left to do.
 */
export async function prepare(command: Command): Promise<Start | null> {
  const flags = command.opts<Values>();
  if (flags['license'] === true) {
    print(readFileSync(`${root}/LICENSE`, 'utf8'));
    return null;
  }
  checkPlace(command);
  const { settings, remarks } = await settingsOf(command, process.env);
  const mirrorSettings = mirrorSettingsOf(flags);
  const paired = command.name() === 'pair';
  if (paired) checkPair(settings, flags);
  checkStandbys(mirrorSettings, paired || isSupervised());
  const user = userToBe(flags['user'] as string | undefined);
  if (user !== null) native.regionTrustOwner(user.uid);
  openOomScore();
  checkCombinations(settings, {
    user: user?.name ?? null,
    mayBindAgain: paired || flags['of'] !== undefined || mirrorSettings.linkListen !== null,
  });
  const log = paired ? logger('pair', settings.verbosity) : nodeLog(settings);
  // A supervisor, or the starter of a daemon, has printed these lines already.
  const first = process.env['HOTSPARE_SUPERVISED'] !== '1' && !isDaemon();
  if (first) for (const remark of remarks) log.say(remark);
  if (flags['daemon'] === true && !isDaemon()) {
    becomeDaemon();
    return null;
  }
  const pidFile = flags['pidfile'] as string | undefined;
  if (pidFile !== undefined) writePidFile(pidFile, log);
  // Each node of a pair checks its own descriptors.
  const fitting = paired ? settings : withRoom(settings, descriptorsMost(), log);
  return { settings: fitting, mirrorSettings, log, user };
}

/** Refuses flags before `standby` or `pair`: they would belong to the server's command, and be ignored. */
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

/** Refuses numbers of standbys that this node cannot have. `isPaired`: a supervisor says which of them takes over. */
function checkStandbys(
  { standbysMost, standbysRequired, linkListen }: MirrorSettings,
  isPaired: boolean,
): void {
  if (standbysMost > 1 && !isPaired) {
    throw usage(
      `--standbys ${standbysMost}: of several standbys one must be told to take over, and between machines ` +
        'this version has no witness that could',
      'start them on this machine with hotspare pair',
    );
  }
  if (standbysRequired > standbysMost) {
    throw usage(
      `--require-standbys ${standbysRequired}: a primary takes ${standbysMost}`,
      'require fewer, or let it take more with --standbys',
    );
  }
  if (standbysRequired > 0 && linkListen === null && !isPaired) {
    throw usage(
      `--require-standbys ${standbysRequired}: no standby can attach, and every write would be refused`,
      'say with --link-listen where standbys attach',
    );
  }
}

/** Refuses combinations of flags that this process could not carry out. */
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

function nodeLog(settings: Settings): Log {
  const name = process.env['HOTSPARE_NODE'];
  return logger(name === undefined ? 'hotspare' : `node ${name}`, settings.verbosity);
}
