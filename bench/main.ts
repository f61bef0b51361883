#!/usr/bin/env node
/**
 * `npm run bench`: the canonical workloads, hotspare and its peer side by side. Both servers of a workload stay up and
 * are measured in turn (A B A B …), so that other load on the machine hits both; figures are medians.
 */
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { Measured, Order } from './load.js';
import { Plain } from './plain.js';
import { areEnough, type Result, ratioOf, type Sample, table } from './report.js';
import {
  loadCore,
  missing,
  pinned,
  type Server,
  startEcho,
  startHotspare,
  startMemcached,
} from './servers.js';
import { type Workload, workloads } from './workloads.js';

interface Flags {
  readonly repeat: number;
  readonly seconds: number;
  readonly only?: string;
  readonly json?: string;
}

const warmupSeconds = 0.5;
/** Where other load disturbs, up to this many times as many measurements are made. */
const patience = 3;

const program = new Command('bench')
  .option('--repeat <n>', 'measurements of each server', Number, 5)
  .option('--seconds <s>', 'length of a measurement', Number, 2)
  .option('--only <names>', `with commas: ${workloads.map(({ name }) => name).join(',')}`)
  .option('--json <file>', 'write every measurement to this file')
  .action((flags: Flags) => {
    main(flags).catch((error: unknown) => {
      process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exit(1);
    });
  });
program.parse();

async function main(flags: Flags): Promise<void> {
  const absent = missing();
  if (absent.length > 0) throw new Error(`not installed: ${absent.join(', ')}`);
  if (cpus().length < 2) throw new Error('needs two cores: one for the server, one for the load');
  const chosen = workloads.filter(
    ({ name }) => flags.only === undefined || flags.only.split(',').includes(name),
  );
  if (chosen.length === 0) throw new Error(`no workload is called ${flags.only}`);
  const results: Result[] = [];
  for (const workload of chosen) {
    const result = await compare(workload, flags);
    results.push(result);
    process.stderr.write(`${workload.name}: ${ratioOf(result).toFixed(2)}\n`);
  }
  process.stdout.write(`${table(results)}\n`);
  if (flags.json !== undefined) writeFileSync(flags.json, `${JSON.stringify(results, null, 1)}\n`);
  process.exit(0);
}

async function compare(workload: Workload, flags: Flags): Promise<Result> {
  const servers = [
    await startHotspare(workload),
    await (workload.peer === 'echo' ? startEcho() : startMemcached(workload)),
  ];
  const load = pinned(loadCore, [process.execPath, join(__dirname, 'load.js')]);
  try {
    const samples: Sample[] = [];
    const written = servers.map(() => new Set<number>());
    for (const server of servers) await fill(server, workload);
    const most = flags.repeat * patience;
    for (let round = 0; round < most && !areEnough(samples, flags.repeat); round++) {
      for (const [i, server] of servers.entries()) {
        const sample = await measure(load, server, workload, flags.seconds);
        for (const key of sample.written) written[i]!.add(key);
        samples.push({ ...sample, written: [] });
      }
    }
    for (const [i, server] of servers.entries()) await verify(server, workload, written[i]!);
    return { workload, samples };
  } finally {
    load.kill('SIGTERM');
    for (const server of servers) server.stop();
  }
}

async function measure(
  load: ChildProcess,
  server: Server,
  workload: Workload,
  seconds: number,
): Promise<Sample> {
  const order: Order = {
    workload,
    host: '127.0.0.1',
    port: server.port,
    pid: server.pid,
    companions: server.companions,
    echoes: server.echoes,
    warmupSeconds,
    seconds,
  };
  const measured = await new Promise<Measured>((resolve, reject) => {
    load.once('message', (answer) => resolve(answer as Measured));
    load.once('exit', () => reject(new Error('the load generator died')));
    load.send(order);
  });
  load.removeAllListeners('exit');
  if (measured.failure !== null) throw new Error(`${server.name}: ${measured.failure}`);
  if (measured.requests === 0) throw new Error(`${server.name} answered nothing`);
  return { ...measured, server: server.name };
}

async function fill(server: Server, workload: Workload): Promise<void> {
  if (server.echoes) return;
  const client = await Plain.connect(server.port);
  await client.load(workload);
  client.close();
}

async function verify(
  server: Server,
  workload: Workload,
  written: ReadonlySet<number>,
): Promise<void> {
  if (server.echoes) return;
  const client = await Plain.connect(server.port);
  await client.verify(workload, written);
  if (workload.standby !== 'none' && server.name === 'hotspare') {
    const stats = await client.stats();
    const mirrored = stats.get('mirror_state') === 'in_sync' && stats.get('mirror_resyncs') === '1';
    if (!mirrored) throw new Error('the standby was not in sync for the whole run');
  }
  client.close();
}
