/**
 * `hotspare drill`: a rehearsed failure, measured and verified. It starts a pair of its own, loads it through another
 * author's parser, kills its primary again and again, and compares every key with the value that was acknowledged last.
 *
 * The parts are those of etcd's robustness tests: traffic (client.ts), history, fault (drilled-pair.ts), model
 * (verify.ts) and report (results.ts). A drill cannot show a machine that dies with its kernel.
 */
import { randomInt } from 'node:crypto';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { addLinkFlags, linkSettingsOf } from '../../backup/flags.js';
import { checkRdma } from '../../backup/link/fabrics.js';
import { heartbeatMsDefault, standbysMost, timesHere } from '../../src/base/limits.js';
import { address, addressText, usage } from '../../src/flags/settings.js';
import { fabric } from '../../src/native/fabric.js';
import { logger, print as printText, tell } from '../../src/process/log.js';
import { Tally } from './client.js';
import { DrilledPair, type Fault } from './drilled-pair.js';
import { fill, itemsFor } from './fill.js';
import { freePort } from './free-port.js';
import { Random } from './random.js';
import { collect, type DrillSettings, footing, heading, line, type Results } from './results.js';
import { type RoundResult, runRound } from './round.js';
import { Traffic } from './traffic.js';

type Flags = Readonly<Record<string, unknown>>;

const defaults = { rounds: 5, rate: 5000, valueBytes: 100, connections: 8, keys: 200 } as const;
/**
 * Memory for the keys, in MiB at least, and for each byte of them: chunks are larger than values, and a key may have
 * two.
 */
const memoryLeast = 64;
const memoryPerKeyByte = 6;
/** The standby may take this long to be in sync, and this much longer for every MiB. */
const syncMs = 60_000;
const syncMsPerMebibyte = 100;
/** Connections beside the clients': the drill's own questions, and those that have just broken. */
const connectionsBeside = 64;
const outputKept = 200;

/** Adds the drill's flags. */
export function drillFlags(command: Command): Command {
  return addLinkFlags(command)
    .option('--rounds <num>', 'failures to rehearse', whole(1, 100_000), defaults.rounds)
    .option('--rate <num>', 'writes a second; 0: as fast as it goes', whole(0, 1e7), defaults.rate)
    .option('--value-bytes <num>', 'bytes of a value', whole(1, 500_000), defaults.valueBytes)
    .option('--connections <num>', 'clients', whole(1, 1000), defaults.connections)
    .option('--keys <num>', 'keys of each client', whole(1, 100_000), defaults.keys)
    .option(
      '--memory <MiB>',
      'memory of each node; by default as much as it takes',
      whole(2, 2 ** 20),
    )
    .option('--standbys <num>', 'standbys of the primary', whole(1, standbysMost), 1)
    .option('--fill <MiB>', 'put so much into the cache before the load', whole(0, 2 ** 20), 0)
    .addOption(
      new Option('--fault <what>', 'kill: kill -9; hang: SIGSTOP')
        .choices(['kill', 'hang'])
        .default('kill'),
    )
    .addOption(
      new Option('--ack <mode>', 'as of the nodes').choices(['sync', 'async']).default('sync'),
    )
    .option(
      '--dead-after <ms>',
      'silence after which the primary is dead',
      whole(3 * heartbeatMsDefault, 600_000),
      timesHere.deadAfterMs,
    )
    .option('--link-host <addr>', 'address of this machine for the link', '127.0.0.1')
    .option('--secret-file <file>', 'as of the nodes: needed for another link host')
    .option('--seed <num>', 'repeat the choices of an earlier drill', whole(0, 2 ** 32 - 1))
    .option('--json', 'print one JSON object')
    .option('-v, --verbose', 'show what the nodes say', (_: string, n: number) => n + 1, 0);
}

/** Runs a drill and prints what it found; resolves to whether nothing was lost or wrong. */
export async function drill(flags: Flags, program: readonly string[]): Promise<boolean> {
  const settings = settingsOf(flags);
  const linkHost = address(String(flags['linkHost']), 0).host;
  const link = linkSettingsOf(flags);
  // Fails here, before nodes are started that would end with the same error. With auto, the nodes choose.
  if (link.linkPreference === 'rdma')
    checkRdma(fabric, { ...link, linkListen: { host: linkHost, port: 0 } }, logger('drill', 0));
  const print = (text: string): void => {
    if (flags['json'] !== true) printText(`${text}\n`);
  };
  print(heading(settings));
  const results = await rehearse(settings, flags, program, (round) => print(line(round)));
  print(footing(results));
  if (flags['json'] === true) printText(`${JSON.stringify(results, null, 2)}\n`);
  return results.passed;
}

async function rehearse(
  settings: DrillSettings,
  flags: Flags,
  program: readonly string[],
  onRound: (round: RoundResult) => void,
): Promise<Results> {
  const { seed, memory } = settings;
  const verbose = flags['verbose'] as number;
  const linkHost = address(String(flags['linkHost']), 0).host;
  const said: string[] = [];
  const port = await freePort();
  const node = ['-p', String(port), '-l', '127.0.0.1', '--link-listen', addressText(linkHost, 0)];
  const pair = new DrilledPair({
    program,
    flags: [...node, ...nodeFlags(settings), ...Array<string>(verbose).fill('-v')],
    primaryFlags: ['-m', String(memory)],
    standbys: settings.standbys,
    linkHost,
    log: verbose > 0 ? logger('drill', verbose) : { say: () => {}, detail: () => {} },
    onOutput: (text) => {
      if (verbose > 0) tell(text);
      said.push(text);
      if (said.length > outputKept) said.shift();
    },
  });
  const random = new Random(seed);
  const tally = new Tally();
  let traffic: Traffic | null = null;
  try {
    await pair.start();
    const filled = itemsFor(settings.fill);
    await fill(port, filled);
    traffic = new Traffic({ ...settings, port, random, tally });
    await traffic.idle();
    const fault = settings.fault as Fault;
    const wait = syncMs + memory * syncMsPerMebibyte;
    const parts = { port, pair, traffic, tally, random, fault, filled, syncMs: wait };
    const rounds: RoundResult[] = [];
    for (let round = 1; round <= settings.rounds; round++) {
      rounds.push(await runRound(round, parts));
      onRound(rounds.at(-1)!);
    }
    return collect(settings, rounds);
  } catch (error) {
    if (verbose === 0) tell(said.join(''));
    throw error;
  } finally {
    traffic?.end();
    await pair.end();
  }
}

function nodeFlags({ connections, ack, deadAfter, link, standbys }: DrillSettings): string[] {
  const most = String(connections + connectionsBeside);
  // The standby's lease must outlast the detection.
  const ackTimeout = Math.max(timesHere.ackTimeoutMs, deadAfter * 3 + 200);
  const times = ['--dead-after', String(deadAfter), '--ack-timeout', String(ackTimeout)];
  return ['-c', most, '--ack', ack, '--standbys', String(standbys), ...times, ...link];
}

function settingsOf(flags: Flags): DrillSettings {
  const keys = flags['keys'] as number;
  const connections = flags['connections'] as number;
  const valueBytes = flags['valueBytes'] as number;
  const fillMebibytes = flags['fill'] as number;
  const keyMebibytes = (keys * connections * (valueBytes + 100) * memoryPerKeyByte) / 2 ** 20;
  const least = Math.ceil(Math.max(memoryLeast, keyMebibytes) + fillMebibytes * 1.1);
  const memory = (flags['memory'] as number | undefined) ?? least;
  if (memory < fillMebibytes) throw usage(`--fill ${fillMebibytes}: --memory is only ${memory}`);
  return {
    seed: (flags['seed'] as number | undefined) ?? randomInt(2 ** 32),
    rounds: flags['rounds'] as number,
    rate: flags['rate'] as number,
    connections,
    keys,
    valueBytes,
    memory,
    fill: fillMebibytes,
    standbys: flags['standbys'] as number,
    fault: flags['fault'] as string,
    ack: flags['ack'] as string,
    deadAfter: flags['deadAfter'] as number,
    link: linkFlags(flags),
  };
}

/** The flags of the link, as the nodes take them. */
function linkFlags(flags: Flags): string[] {
  const { linkPreference, provider, spinUs, cipher } = linkSettingsOf(flags);
  const fabric = provider === null ? [] : ['--fabric', provider];
  const file = flags['secretFile'] as string | undefined;
  const secret = file === undefined ? [] : ['--secret-file', file];
  const spin = ['--link-spin', String(spinUs), '--link-cipher', cipher];
  return ['--transport', linkPreference, ...fabric, ...spin, ...secret];
}

function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
  };
}
