/**
 * The RDMA link between real processes, and everything that can be killed, stopped or refused on it. What is mirrored
 * is compared from outside, in the nodes' memory files. test/rdma runs the same over verbs.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fill, itemsFor } from '../../failover/drill/fill.js';
import { freePort } from '../../failover/drill/free-port.js';
import { exitStatus } from '../../src/base/errors.js';
import { mirrored, unlike } from '../support/digest.js';
import { fencings, linkFlags, linkHost, missing, provider, rounds } from '../support/links.js';
import { broken, clients, type Load } from '../support/load.js';
import { hotspare, main, patienceMs, said, stats } from '../support/nodes.js';
import { type Child, run } from '../support/process.js';
import { slowness, until } from '../support/until.js';

const host = '127.0.0.1';
/**
 * A test's processes share the machine with other tests': silence is no death here before this, and a standby that
 * waited for a processor meanwhile finds the death within its lease all the same.
 */
const deadAfter = String(440 * slowness);
const times = ['--dead-after', deadAfter, '--ack-timeout', String(Math.max(4000, 1760 * slowness))];

/** Writes of a long run, and how often in it the regions are compared. */
const longRun = Number(process.env['LINK_WRITES'] ?? 3000);
const stretches = Number(process.env['LINK_STRETCHES'] ?? 1);

let folder: string;
let children: Child[] = [];
let load: Load | null = null;
let named = 0;

beforeEach(() => {
  folder = mkdtempSync('/dev/shm/hotspare-');
  writeFileSync(join(folder, 'secret'), 'a secret of two nodes', { mode: 0o600 });
  writeFileSync(join(folder, 'other'), 'a secret of others, two', { mode: 0o600 });
});

afterEach(async () => {
  load?.traffic.end();
  load = null;
  door?.close();
  door = null;
  for (const child of children) child.signal('SIGCONT');
  await Promise.all(children.map((child) => child.end()));
  children = [];
  rmSync(folder, { recursive: true });
});

interface Started {
  readonly child: Child;
  readonly port: number;
  readonly link: number;
  readonly file: string;
}

const inSync = /standby \w+ is in sync/;

(missing === null ? describe : describe.skip)(`the RDMA link over ${provider}`, () => {
  test('mirrors, and says what it is', async () => {
    const primary = await startPrimary();
    const standby = await startStandby(primary);
    await said(primary.child, new RegExp(`attached over rdma \\(${provider}, \\w+\\)`));
    await under(primary.port, 500);
    await load!.traffic.stop();
    await expectSame(primary, standby);
    const figures = await stats(primary.port);
    expect(figures.get('mirror_link')).toBe('rdma');
    expect(figures.get('mirror_state')).toBe('in_sync');
    expect(Number(figures.get('mirror_acked'))).toBeGreaterThan(10);
  });

  test(
    `a long run: after ${longRun} writes under load, while everybody lives, whole regions are the same`,
    async () => {
      const primary = await startPrimary();
      await fill(primary.port, itemsFor(8));
      const standby = await startStandby(primary);
      for (let stretch = 1; stretch <= stretches; stretch++) {
        await under(primary.port, longRun / stretches);
        await fill(primary.port, itemsFor(stretch));
        await load!.traffic.stop();
        await expectSame(primary, standby);
        const whole = (): boolean => unlike(primary.file, standby.file).length === 0;
        await until('whole regions that are the same', whole).catch(() => {});
        expect(unlike(primary.file, standby.file)).toEqual([]);
        load!.traffic.end();
      }
      const figures = await stats(primary.port);
      expect(figures.get('mirror_state')).toBe('in_sync');
      expect(Number(figures.get('mirror_sequence'))).toBeGreaterThan(stretches);
    },
    roundsMs(longRun / 1000),
  );

  test(
    'kill -9 of the primary under load loses nothing',
    async () => {
      const flags = [
        '--rounds',
        String(rounds),
        '--keys',
        '60',
        '--connections',
        '6',
        '--seed',
        '1',
      ];
      const link = ['--link-host', linkHost, '--secret-file', join(folder, 'secret')];
      const all = [
        main,
        'drill',
        '--json',
        '--dead-after',
        deadAfter,
        ...flags,
        ...link,
        ...linkFlags,
      ];
      const { output } = await run(process.execPath, all, roundsMs(rounds));
      if (!output.includes('{')) throw new Error(output);
      expect(JSON.parse(output.slice(output.indexOf('{')))).toMatchObject({
        passed: true,
        lost: 0,
        wrong: 0,
        evictions: 0,
      });
    },
    roundsMs(rounds) + patienceMs,
  );

  test('kill -9 of the standby: clients notice nothing, and a new one is the same', async () => {
    const primary = await startPrimary();
    await fill(primary.port, itemsFor(24));
    const first = await startStandby(primary);
    await under(primary.port, 200);
    load!.traffic.watch();
    first.child.signal('SIGKILL');
    await said(primary.child, /standby \w+ lost/);
    const second = await startStandby(primary);
    await said(primary.child, inSync, 2);
    await progress(200);
    await load!.traffic.stop();
    expect(broken(load!)).toBe(0);
    await expectSame(primary, second);
    await load!.traffic.readBack();
    expect(load!.tally.violations).toEqual([]);
  });

  test(
    `a takeover with writes in flight, ${fencings} times: not one byte more`,
    async () => {
      for (let round = 0; round < fencings; round++) await takeOverInFlight();
    },
    roundsMs(fencings) + patienceMs,
  );

  test('a standby without the secret gets nothing', async () => {
    const primary = await startPrimary();
    const { code, output } = await tryStandby(primary, '--secret-file', join(folder, 'other'));
    expect(output).toMatch(/does not know the secret/);
    expect(code).toBe(exitStatus.LINK_REFUSED);
  });

  test('a memory file of another size is refused', async () => {
    const primary = await startPrimary();
    const file = join(folder, 'small');
    writeFileSync(file, Buffer.alloc(2 ** 20));
    const { code, output } = await tryStandby(primary, '-e', file);
    expect(output).toMatch(/is not \d+ bytes long/);
    expect(code).toBe(exitStatus.REGION);
  });

  // Only a card needs memory that stays where it is.
  (provider === 'verbs' ? test : test.skip)('memory that may not be locked is named', async () => {
    const primary = await startPrimary();
    const limited = ['--bounding-set', '-ipc_lock', '--inh-caps', '-ipc_lock'];
    const child = ['prlimit', '--memlock=1048576', process.execPath, main];
    const all = [...limited, ...child, ...standbyFlags(primary)];
    const { code, output } = await run('setpriv', all, patienceMs);
    expect(output).toMatch(/its memory cannot be registered: .*it may lock 1024 KiB/);
    expect(code).toBe(exitStatus.FABRIC);
  });

  test('a machine that cannot says so in one line, and what to do', async () => {
    const none = ['--transport', 'rdma', '--fabric', 'verbs', '--link-listen', '127.0.0.1:0'];
    const { code, output } = await run(process.execPath, [main, '-p', '-1', ...none], patienceMs);
    expect(output).toMatch(/^hotspare: --transport rdma: no verbs device.*\(.*doctor.*\)$/m);
    expect(code).toBe(exitStatus.FABRIC);
  });

  test('nodes that exclude each other say so', async () => {
    const primary = await startPrimary();
    const { code, output } = await tryStandby(primary, '--transport', 'tcp');
    expect(output).toMatch(/the primary has --transport rdma, the standby tcp/);
    expect(code).toBe(exitStatus.LINK_REFUSED);
  });
});

/** How long a test of so many rounds may take. */
function roundsMs(count: number): number {
  return 3 * patienceMs + count * 10_000 * slowness;
}

async function startPrimary(...more: string[]): Promise<Started> {
  const file = join(folder, `memory${named++}`);
  const link = await freePort();
  const listen = ['--link-listen', `${linkHost}:${link}`, '--secret-file', join(folder, 'secret')];
  const flags = ['-p', '-1', '-l', host, '-e', file, ...times, ...listen, ...linkFlags, ...more];
  const child = await hotspare('-m', '64', ...flags);
  children.push(child);
  const port = Number((await said(child, /serving on port (\d+)/))[1]);
  return { child, port, link, file };
}

async function startStandby(of: Started): Promise<Started> {
  const file = join(folder, `memory${named++}`);
  const link = await freePort();
  const listen = ['--link-listen', `${linkHost}:${link}`];
  const child = await hotspare(...standbyFlags(of), '-e', file, ...listen);
  children.push(child);
  await said(child, /in sync with/);
  await said(of.child, inSync);
  return { child, port: 0, link, file };
}

function standbyFlags(of: Started): string[] {
  const secret = ['--secret-file', join(folder, 'secret')];
  const at = ['--of', `${linkHost}:${of.link}`, '-p', '-1', '-l', host];
  return ['standby', ...at, ...times, ...secret, ...linkFlags];
}

function tryStandby(of: Started, ...more: string[]) {
  return run(process.execPath, [main, ...standbyFlags(of), ...more], patienceMs);
}

/** Puts clients at work, and waits for so many writes. */
async function under(port: number, writes: number): Promise<void> {
  load = await clients(port, 7, 0);
  load.traffic.start();
  await progress(writes);
}

async function progress(writes: number): Promise<void> {
  const { tally } = load!;
  const enough = tally.acknowledged + writes;
  await until('more writes', () => tally.acknowledged >= enough, { withinMs: patienceMs });
}

async function expectSame(primary: Started, standby: Started): Promise<void> {
  await until('all acks', async () => {
    const figures = await stats(primary.port);
    return figures.get('mirror_sequence') === figures.get('mirror_acked');
  });
  expect(mirrored(primary.file).items).toBeGreaterThan(0);
  // The last batch may be acked, and not yet in its place; and the primary's own upkeep goes on while nobody writes.
  const same = (): boolean => isDeepStrictEqual(mirrored(standby.file), mirrored(primary.file));
  await until('the last ranges', same).catch(() => {});
  expect(mirrored(standby.file)).toEqual(mirrored(primary.file));
}

/**
 * The primary stops with its queues full, is succeeded, and wakes: it writes not one byte more. What it still answers
 * was acked before; so every answer holds in the heir.
 */
async function takeOverInFlight(): Promise<void> {
  const primary = await startPrimary();
  const standby = await startStandby(primary);
  const clientsPort = await doorTo(primary.port);
  await under(clientsPort, 300);
  primary.child.signal('SIGSTOP');
  const [, heir] = await said(standby.child, /serving on port (\d+), epoch 2/);
  const then = mirrored(standby.file);
  const promoted = performance.now();
  load!.traffic.watch();
  primary.child.signal('SIGCONT');
  await said(primary.child, /deposed: epoch 2 reigns/);
  // It becomes the standby of its heir: by then its last write has failed long ago. Nothing comes a second later, too.
  await said(primary.child, /in sync with/);
  await until('a second since', () => performance.now() - promoted > 1000);
  expect(mirrored(standby.file)).toEqual(then);
  target = Number(heir);
  await load!.traffic.reconnected();
  await load!.traffic.stop();
  await load!.traffic.readBack();
  expect(load!.tally.violations).toEqual([]);
  load!.traffic.end();
  door!.close();
  await Promise.all(children.splice(0).map((child) => child.end()));
}

/** Where clients come in; `target` is the port that they are led to. */
let door: net.Server | null = null;
let target = 0;

function doorTo(port: number): Promise<number> {
  target = port;
  door = net.createServer((client) => {
    const server = net.connect(target, host);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => {});
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  return new Promise((resolve) => {
    door!.listen(0, host, () => resolve((door!.address() as net.AddressInfo).port));
  });
}
