/** Starts the compared servers, each pinned to a core, and ends them. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../failover/drill/free-port.js';
import { Plain } from './plain.js';
import type { Workload } from './workloads.js';

export const serverCore = 0;
/** The load generator's core, and the standby's where there is one. */
export const loadCore = 1;
const memoryMebibytes = 256;
const startMs = 10_000;
const program = join(__dirname, '..', 'cli', 'main.js');

export interface Server {
  readonly name: string;
  readonly port: number;
  readonly echoes: boolean;
  readonly pid: number;
  /** The process of its standby, if it has one. */
  readonly companions: readonly number[];
  readonly stop: () => void;
}

export async function startHotspare(workload: Workload): Promise<Server> {
  const port = await freePort();
  const linkPort = await freePort();
  const link = workload.standby === 'none' ? [] : ['--link-listen', `127.0.0.1:${linkPort}`];
  // Long times, so that a busy machine does not turn a measurement into a takeover; `verify` sees a dropped standby.
  const patience = ['--ack-timeout', '60000', '--dead-after', '20000'];
  const ack = workload.standby === 'none' ? [] : ['--ack', workload.standby, ...patience];
  const common = ['-l', '127.0.0.1', '-m', String(memoryMebibytes), ...workload.flags];
  const cipher = workload.sealed ? sealing() : [];
  const linked = [...link, ...ack, ...cipher];
  const command = nodeCommand([program, '-p', String(port), ...common, ...linked]);
  const primary = pinned(serverCore, command);
  await until(() => answers(port), 'hotspare does not serve');
  if (workload.standby === 'none') return server('hotspare', port, primary, []);
  const standbyPort = await freePort();
  const of = ['standby', '--of', `127.0.0.1:${linkPort}`, '-p', String(standbyPort), ...patience];
  const standby = pinned(loadCore, nodeCommand([program, ...of, ...cipher, '-l', '127.0.0.1']));
  await until(() => inSync(port), 'the standby does not get in sync');
  return server('hotspare', port, primary, [standby]);
}

/** Flags of both nodes for a sealed link. */
function sealing(): string[] {
  const file = join(mkdtempSync(join(tmpdir(), 'hotspare-bench-')), 'secret');
  writeFileSync(file, randomBytes(32), { mode: 0o600 });
  return ['--secret-file', file, '--link-cipher', 'aes-gcm'];
}

export async function startMemcached(workload: Workload): Promise<Server> {
  const port = await freePort();
  const address = ['-l', '127.0.0.1', '-p', String(port), '-U', '0'];
  const size = ['-t', '1', '-m', String(memoryMebibytes), '-c', '4096', '-u', 'nobody'];
  const child = pinned(serverCore, ['memcached', ...address, ...size, ...workload.flags]);
  await until(() => answers(port), 'memcached does not serve');
  return server('memcached', port, child, []);
}

/** The server with the least work: an epoll loop in C that sends its input back. */
export async function startEcho(): Promise<Server> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'hotspare-bench-'));
  const binary = join(folder, 'echo');
  const source = join(__dirname, '..', '..', 'bench', 'peers', 'echo.c');
  execFileSync('cc', ['-O2', '-o', binary, source]);
  const child = pinned(serverCore, [binary, String(port)]);
  await until(() => answers(port), 'the echo server does not serve');
  return { ...server('echo', port, child, []), echoes: true };
}

/** A process pinned to a core; messages can be sent to it. */
export function pinned(core: number, command: readonly string[]): ChildProcess {
  const child = spawn('taskset', ['-c', String(core), ...command], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  child.on('error', (error) => {
    throw error;
  });
  return child;
}

/** Names of programs that are needed and missing. */
export function missing(): string[] {
  return ['taskset', 'memcached', 'cc'].filter(
    (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
  );
}

function nodeCommand(rest: readonly string[]): string[] {
  const profile = process.env['BENCH_NODE_FLAGS'];
  return [process.execPath, ...(profile === undefined ? [] : profile.split(' ')), ...rest];
}

function server(
  name: string,
  port: number,
  child: ChildProcess,
  others: readonly ChildProcess[],
): Server {
  const stop = (): void => {
    for (const each of [...others, child]) each.kill('SIGTERM');
  };
  return {
    name,
    port,
    echoes: false,
    pid: child.pid!,
    companions: others.map(({ pid }) => pid!),
    stop,
  };
}

async function answers(port: number): Promise<boolean> {
  const client = await Plain.connect(port);
  client.close();
  return true;
}

async function inSync(port: number): Promise<boolean> {
  const client = await Plain.connect(port);
  const state = (await client.stats()).get('mirror_state');
  client.close();
  return state === 'in_sync';
}

async function until(condition: () => Promise<boolean>, otherwise: string): Promise<void> {
  const deadline = Date.now() + startMs;
  for (;;) {
    if (await condition().catch(() => false)) return;
    if (Date.now() > deadline) throw new Error(otherwise);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
