/** What hotspare says of itself and of its machine: doctor, bench, `stats mirror`, and the dump of latencies. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { failed } from '../../src/native/addon.js';
import { fabric } from '../../src/native/fabric.js';
import { Client } from '../support/client.js';
import { linkFlags, linkHost, missing } from '../support/links.js';
import { hotspare, main, patienceMs, said, stats } from '../support/nodes.js';
import { type Child, run, startChild } from '../support/process.js';
import { type Server, startServer } from '../support/server.js';
import { until } from '../support/until.js';

const hasSix = networkInterfaces()['lo']?.some(({ address }) => address === '::1') ?? false;
let folder: string;
const children: Child[] = [];
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-'));
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((one) => one.stop()));
  await Promise.all(children.splice(0).map((child) => child.end()));
  rmSync(folder, { recursive: true });
});

interface Finding {
  readonly what: string;
  readonly state: string;
  readonly found: string;
  readonly remedy: string;
}

describe('doctor', () => {
  test('looks at everything, and has a remedy for what is not well', async () => {
    const peer = await server();
    const findings = await doctor('--peer', `${peer.host}:${peer.port}`);
    const looked = findings.map(({ what }) => what.replace(/^device .*/, 'devices'));
    const always = ['locked memory', 'huge pages', 'address rights', 'raw sockets', 'clock'];
    const fabrics = ['libfabric', 'provider verbs', 'provider tcp', 'devices'];
    const expected = failed(fabric.fabricVersion()) ? ['libfabric', 'devices'] : fabrics;
    expect([...new Set(looked)]).toEqual([...expected, ...always]);
    for (const { state, remedy, what } of findings) {
      // Some kernels have no huge pages to be had.
      if (state === 'good') expect(remedy).toBe('');
      else if (what !== 'huge pages') expect(remedy).not.toBe('');
    }
    expect(findings.at(-1)!.found).toMatch(/to the second$/);
  });

  test('weighs what may be locked against the memory', async () => {
    const limited = ['--bounding-set', '-ipc_lock', '--inh-caps', '-ipc_lock'];
    const program = ['prlimit', '--memlock=4194304', process.execPath, main, 'doctor', '--json'];
    for (const [mebibytes, state] of [
      ['2', 'good'],
      ['200', 'fail'],
    ] as const) {
      const all = [...limited, ...program, '-m', mebibytes];
      const { output } = await run('setpriv', all, patienceMs);
      const { findings } = JSON.parse(output) as { findings: Finding[] };
      expect(findings.find(({ what }) => what === 'locked memory')).toMatchObject({ state });
    }
  });

  test('does not call an address good that is another machine’s', async () => {
    const providers = (await doctor('--host', '198.51.100.1')).filter(({ what }) =>
      / (verbs|tcp)$/.test(what),
    );
    for (const { state, found, remedy } of providers) {
      expect(state).toBe('fail');
      expect(found).toBe('198.51.100.1 is not an address of this machine');
      expect(remedy).toMatch(/^name one with --host: .*127\.0\.0\.1/);
    }
  });

  test('of a peer that is not there says so', async () => {
    const all = [main, 'doctor', '--peer', '127.0.0.1:1'];
    const { output } = await run(process.execPath, all, patienceMs);
    const remedy = ' +→ name the clients’ port of a node with --peer';
    const line = '^note {2}clock +127\\.0\\.0\\.1:1 does not say its time.*\n';
    expect(output).toMatch(new RegExp(`${line}${remedy}$`, 'm'));
    const { host, port } = await server();
    const named = await doctor('--peer', `${host}:${port}`);
    expect(named.at(-1)).toMatchObject({ what: 'clock', state: 'good' });
  });
});

describe('bench', () => {
  test.each(['puts-only', 'gets-only', 'puts-gets'])(
    '%s: latencies and a histogram',
    async (mix) => {
      const { host, port } = await server();
      const sizes = ['--key-bytes', '20', '--value-bytes', '300'];
      const at = ['--server', `${host}:${port}`, '--count', '2000'];
      const file = join(folder, 'latencies');
      const all = [main, 'bench', mix, ...at, ...sizes, '--latencies', file];
      const { output, code } = await run(process.execPath, all, patienceMs);
      expect({ code, output }).toEqual({ code: 0, output });
      expect(output).toMatch(/: 2000 requests, keys of 20 and values of 300 bytes, in \d+ ns/);
      expect(output).toMatch(/^latency in us: p50 [\d.]+, p99 [\d.]+, p99\.9 [\d.]+, max [\d.]+$/m);
      expect(output).toMatch(/^ +[\d.]+ us +\d+ #+$/m);
      expect(lines(file)).toHaveLength(2000);
    },
  );

  test.each([
    ['tcp', ['--transport', 'tcp'], true],
    ['tcp', ['--transport', 'tcp', '--standbys', '2', '--link-host', '::1'], hasSix],
    ['rdma', [...linkFlags, '--link-host', linkHost], missing === null],
  ] as const)('replicate over %s %j', async (name, flags, possible) => {
    if (!possible) return;
    const file = join(folder, 'latencies');
    const sizes = ['--payload', '100', '--outstanding', '4', '--count', '1000'];
    const all = [main, 'bench', 'replicate', ...sizes, ...flags, '--latencies', file];
    const { output, code } = await run(process.execPath, all, patienceMs);
    expect({ code, output }).toEqual({ code: 0, output });
    expect(output).toMatch(/^Replicated 1000 mutations of 100 bytes in \d+ ns$/m);
    expect(output).toMatch(new RegExp(`^link: ${name}`, 'm'));
    expect(output).toMatch(/^processor: primary [\d.]+ us, standby [\d.]+ us each/m);
    expect(lines(file)).toHaveLength(1000);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'replicate that gets %s leaves nothing',
    async (signal) => {
      const sizes = ['--count', '10000000', '--latencies', join(folder, 'latencies')];
      const flags = ['bench', 'replicate', '--transport', 'tcp', ...sizes];
      const env = { TMPDIR: folder };
      const bench = await startChild(process.execPath, [main, ...flags], { env });
      children.push(bench);
      await said(bench, /is in sync/);
      const own = `/proc/${bench.pid}/task/${bench.pid}/children`;
      const started = readFileSync(own, 'latin1').trim().split(' ');
      expect(started.filter((pid) => commandOf(pid).includes('\0standby\0'))).toHaveLength(1);
      bench.signal(signal);
      expect((await bench.exited).code).toBe(128 + constants.signals[signal]);
      await until('the end of what it started', () =>
        started.every((pid) => commandOf(pid) === ''),
      );
      expect(readdirSync(folder).filter((name) => name.startsWith('hotspare-'))).toEqual([]);
    },
  );
});

/** The command line of a process; empty once it has ended. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}

describe('a primary with a standby', () => {
  const common = [
    'mirror_link',
    'mirror_provider',
    'mirror_device',
    'mirror_why',
    'mirror_cipher',
    'mirror_batches',
  ];
  const sizes = ['mirror_ranges', 'mirror_bytes', 'ranges_per_batch'];
  const times = ['ack_us_p50', 'ack_us_p99', 'ack_us_p999', 'ack_us_max', 'stalls_ack'];
  const resync = ['mirror_resyncs', 'mirror_resync_bytes_done', 'mirror_resync_bytes_total'];
  const writes = ['fabric_writes', 'fabric_inline_share', 'fabric_completions', 'fabric_bytes'];
  const stalls = ['stalls_queue_full', 'stalls_staging_full'];

  test.each([
    ['tcp', ['--transport', 'tcp'], [], true],
    ['rdma', [...linkFlags], [...writes, ...stalls], missing === null],
  ] as const)('over %s: stats mirror, and SIGUSR2', async (name, flags, own, possible) => {
    if (!possible) return;
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'a secret of two nodes', { mode: 0o600 });
    const patient = ['--dead-after', '1000', '--ack-timeout', '4000'];
    const both = ['-p', '-1', '-l', '127.0.0.1', '--secret-file', secret, ...patient, ...flags];
    const primary = await hotspare(...both, '-m', '8', '--link-listen', `${linkHost}:0`);
    children.push(primary);
    const [, port] = await said(primary, /serving on port (\d+)/);
    const [, link] = await said(primary, /standbys attach at \S+:(\d+)/);
    children.push(await hotspare('standby', ...both, '--of', `${linkHost}:${link}`));
    await said(primary, /is in sync/);
    const client = await Client.connect('127.0.0.1', Number(port));
    for (let i = 0; i < 50; i++) {
      await client.send(`set key${i} 0 0 5\r\nvalue\r\n`);
      expect(await client.readLine()).toBe('STORED');
    }
    client.close();
    const figures = await stats(Number(port), 'mirror');
    for (const row of [...common, ...sizes, ...times, ...resync, ...own]) {
      expect([row, figures.has(row)]).toEqual([row, true]);
    }
    expect(figures.get('mirror_link')).toBe(name);
    expect(figures.get('mirror_cipher')).toBe(linkHost === '127.0.0.1' ? 'none' : 'aes-gcm');
    expect(Number(figures.get('mirror_batches'))).toBeGreaterThanOrEqual(50);
    expect(Number(figures.get('ack_us_p50'))).toBeGreaterThan(0);
    primary.signal('SIGUSR2');
    const [, file] = await said(primary, /ack latencies \(ns\) written to (\S+)/);
    const latencies = lines(file!);
    rmSync(file!);
    expect(latencies.length).toBeGreaterThanOrEqual(50);
    expect(latencies.every((ns) => Number(ns) > 0)).toBe(true);
    await until('it still serves', async () => (await stats(Number(port))).has('pid'));
  });
});

async function server(): Promise<Server> {
  const started = await startServer();
  servers.push(started);
  return started;
}

async function doctor(...more: string[]): Promise<Finding[]> {
  const all = [main, 'doctor', '--json', ...more];
  const { output } = await run(process.execPath, all, patienceMs);
  return (JSON.parse(output) as { findings: Finding[] }).findings;
}

function lines(file: string): string[] {
  return readFileSync(file, 'latin1').split('\n').slice(0, -1);
}
