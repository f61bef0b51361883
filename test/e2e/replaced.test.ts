/**
 * A primary dies, and something else is started at its address before its standby has noticed: with an empty cache, an
 * old one, or none that it could mirror. The standby holds the only whole copy, and must not give it up
 * (docs/FAILOVER.md). A relay stands for the address; the link is held while the primaries change. Only where the
 * primary itself listened does a stranger in its place prove its death.
 */
import { copyFileSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { SuperWord } from '../../src/store/layout.js';
import { Client } from '../support/client.js';
import { hotspare, patienceMs, said, stats } from '../support/nodes.js';
import type { Child } from '../support/process.js';
import { Relay } from '../support/relay.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
const alone = ['-l', host, '-m', '8', '-p'];
/** Nobody is found silent, and no lease ends, however long a test takes. */
const patient = ['--ack-timeout', '600000', '--dead-after', '200000'];

/** A lease of two seconds. */
const lease = ['--ack-timeout', '4000', '--dead-after', '1000'];

let folder: string;
let nodes: Child[] = [];
/** The primary that dies. */
let old: Child;
let relay: Relay | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-replaced-'));
});

afterEach(async () => {
  for (const node of nodes) node.signal('SIGCONT');
  await Promise.all(nodes.map((node) => node.end()));
  nodes = [];
  relay?.end();
  rmSync(folder, { recursive: true });
});

test.each(['sync', 'async'])('by an empty one: the standby takes over, --ack %s', async (ack) => {
  const { standby, standbyPort } = await mirrored('--ack', ack);
  const empty = await replace();
  await said(standby, /primary .* is dead: in its place is another cache \(\w+, epoch 1\)/);
  await said(standby, /serving on port \d+, epoch 2/);
  await expectItem(standbyPort, 'k', 'VALUE k 7 5\r\nfirst\r\nEND\r\n');
  // What was started empty steps down, and mirrors the one that holds the cache.
  await said(empty.node, /deposed: epoch 2 reigns now, ours was 1/);
  await said(empty.node, /in sync with/);
  await until(
    'a standby',
    async () => (await stats(standbyPort)).get('mirror_state') === 'in_sync',
  );
});

test('by itself, from its memory file: the standby goes on as its standby', async () => {
  const file = join(folder, 'cache');
  const { standby } = await mirrored('-e', file);
  const again = await replace('-e', file);
  await said(again.node, /is in sync/);
  await said(standby, /in sync with/, 2);
  await expectItem(again.port, 'k', 'VALUE k 7 5\r\nfirst\r\nEND\r\n');
  expect(standby.output()).not.toMatch(/is dead/);
  expect((await stats(again.port)).get('mirror_epoch')).toBe('1');
});

test('by an older reign of the same cache: the standby takes over', async () => {
  const [file, backup] = [join(folder, 'cache'), join(folder, 'backup')];
  await (await primary('-e', file)).node.end();
  copyFileSync(file, backup);
  writeEpoch(file, 5);
  const { standby, standbyPort } = await mirrored('-e', file);
  await replace('-e', backup);
  await said(standby, /serving on port \d+, epoch 6/);
  await expectItem(standbyPort, 'k', 'VALUE k 7 5\r\nfirst\r\nEND\r\n');
});

test('by another cache with a higher epoch: the standby reigns above that', async () => {
  const file = join(folder, 'other');
  await (await primary('-e', file)).node.end();
  writeEpoch(file, 9);
  const { standby, standbyPort } = await mirrored();
  const other = await replace('-e', file);
  await said(standby, /serving on port \d+, epoch 10/);
  await said(other.node, /deposed: epoch 10 reigns now, ours was 9/);
  await expectItem(standbyPort, 'k', 'VALUE k 7 5\r\nfirst\r\nEND\r\n');
});

test('by one that does not know the secret: the standby takes over', async () => {
  const secret = join(folder, 'secret');
  writeFileSync(secret, 'another secret than none', { mode: 0o600 });
  const first = await primary();
  const { standby, standbyPort } = await mirrorsAt(first, first.linkPort);
  // It dies and is replaced in the same moment: its standby sleeps meanwhile.
  standby.signal('SIGSTOP');
  await kill(old);
  await primary('--secret-file', secret, '--link-listen', `${host}:${first.linkPort}`);
  standby.signal('SIGCONT');
  await said(standby, /is dead: in its place is another: the primary does not know the secret/);
  await said(standby, /serving on port \d+, epoch 2/);
  await said(standby, /does not step down: the primary does not know the secret/);
  await expectItem(standbyPort, 'k', 'VALUE k 7 5\r\nfirst\r\nEND\r\n');
});

test('after the lease: what the standby holds may be out of date, so it mirrors the new one', async () => {
  // However high the epoch of what it held: a mere standby deposes nobody.
  const file = join(folder, 'cache');
  await (await primary('-e', file)).node.end();
  writeEpoch(file, 5);
  const { standby, oldPort } = await mirrored('-e', file, ...lease);
  const empty = await primary();
  standby.signal('SIGSTOP');
  relay!.hold();
  // The old primary answers alone as soon as the standby may not take over any more.
  const client = await Client.connect(host, oldPort);
  await client.send('set k 0 0 6\r\nsecond\r\n');
  expect(await client.readLine(patienceMs)).toBe('STORED');
  client.close();
  await kill(old);
  relay!.leadTo(empty.linkPort);
  standby.signal('SIGCONT');
  await said(empty.node, /is in sync/);
  await said(standby, /in sync with/, 2);
  expect(standby.output()).not.toMatch(/is dead|serving/);
  expect((await stats(empty.port)).get('mirror_epoch')).toBe('1');
  await expectItem(empty.port, 'k', 'END\r\n');
});

test('long after the takeover, by an empty one: it steps down as well', async () => {
  const link = `${host}:${await freePort()}`;
  old = await hotspare(...alone, '-1', '--link-listen', link);
  nodes.push(old);
  await said(old, /serving on port/);
  const standby = await hotspare(
    'standby',
    '--of',
    link,
    '-l',
    host,
    '-p',
    '-1',
    '-v',
    '--link-listen',
    `${host}:${await freePort()}`,
  );
  nodes.push(standby);
  await said(old, /is in sync/);
  await said(standby, /in sync with/);
  await kill(old);
  await said(standby, /serving on port \d+, epoch 2/);
  const again = await hotspare(...alone, '-1', '--link-listen', link);
  nodes.push(again);
  await said(again, /deposed: epoch 2 reigns now, ours was 1/);
  await said(standby, /is in sync/);
});

// The machine of the standby refused, and the standby deposed a primary that lived.
test('by nothing: a port forward on the way ended, and the standby waits for it', async () => {
  const { standby } = await mirrored();
  const port = relay!.port;
  relay!.end();
  await said(standby, /reconnecting: refused → reconnecting/);
  await relay!.listen(port);
  await said(standby, /in sync with/, 2);
  await said(old, /is in sync/, 2);
  expect(standby.output()).not.toMatch(/is dead/);
});

interface Primary {
  readonly node: Child;
  readonly port: number;
  readonly linkPort: number;
}

interface Mirrored {
  readonly oldPort: number;
  readonly standby: Child;
  readonly standbyPort: number;
}

async function primary(...flags: string[]): Promise<Primary> {
  // Of a flag that comes twice, the later one counts.
  const linked = ['--link-listen', `${host}:0`, ...patient, ...flags];
  const node = await hotspare(...alone, '-1', ...linked);
  nodes.push(node);
  const [, port, link] = await said(node, /serving on port (\d+),.* attach at [\d.]+:(\d+)/);
  return { node, port: Number(port), linkPort: Number(link) };
}

/** A primary that holds k, and its standby in sync, with a relay between them. */
async function mirrored(...flags: string[]): Promise<Mirrored> {
  const first = await primary(...flags);
  relay = new Relay(first.linkPort);
  return mirrorsAt(first, await relay.listen(), ...flags);
}

/** The same, with its standby attached at this port. */
async function mirrorsAt(first: Primary, at: number, ...flags: string[]): Promise<Mirrored> {
  old = first.node;
  const of = `${host}:${at}`;
  const standbyPort = await freePort();
  // A standby is given no file of its own here.
  const own = flags[0] === '-e' ? flags.slice(2) : flags;
  const times = [...patient, ...own];
  const links = ['--of', of, '--link-listen', `${host}:${await freePort()}`];
  const standby = await hotspare(
    'standby',
    ...links,
    '-l',
    host,
    '-p',
    String(standbyPort),
    '-v',
    ...times,
  );
  nodes.push(standby);
  await said(old, /is in sync/);
  await said(standby, /in sync with/);
  const client = await Client.connect(host, first.port);
  await client.send('set k 7 0 5\r\nfirst\r\n');
  expect(await client.readLine()).toBe('STORED');
  // With --ack async the answer comes first; what the test is about is what the standby has.
  await until('the ack', async () => {
    const figures = await stats(first.port);
    return figures.get('mirror_acked') === figures.get('mirror_sequence');
  });
  client.close();
  return { oldPort: first.port, standby, standbyPort };
}

/** The old primary dies, and at its address is now this one: the standby sees nothing in between. */
async function replace(...flags: string[]): Promise<Primary> {
  relay!.hold();
  await kill(old);
  const next = await primary(...flags);
  relay!.leadTo(next.linkPort);
  return next;
}

async function kill(node: Child): Promise<void> {
  node.signal('SIGKILL');
  await node.exited;
}

function writeEpoch(file: string, epoch: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(epoch);
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, bytes, 0, 4, SuperWord.EPOCH * 4);
}

async function expectItem(port: number, key: string, reply: string): Promise<void> {
  const client = await Client.connect(host, port);
  await client.send(`get ${key}\r\n`);
  const text = await client.readUntil('END', (all) => all.endsWith('END\r\n'));
  expect(text.toString()).toBe(reply);
  client.close();
}
