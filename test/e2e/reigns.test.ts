/**
 * What passes from one reign to the next: the numbers that replies wait for, the mark on a copy, and the news of who
 * reigns, which is told until it is heard.
 */
import { copyFileSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FrameType } from '../../backup/channel/frame.js';
import { freePort } from '../../failover/drill/free-port.js';
import { exitStatus } from '../../src/base/errors.js';
import { SuperWord } from '../../src/store/layout.js';
import { Client } from '../support/client.js';
import { hotspare, patienceMs, said, stats } from '../support/nodes.js';
import { Peer } from '../support/peer.js';
import type { Child } from '../support/process.js';
import { Relay } from '../support/relay.js';
import { until, within } from '../support/until.js';

const host = '127.0.0.1';
/** Nobody is found silent, and nobody dropped, however long a test holds something back. */
const patient = ['--ack-timeout', '600000', '--dead-after', '200000'];

let folder: string;
const nodes: Child[] = [];
const relays: Relay[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-reigns-'));
});

afterEach(async () => {
  for (const node of nodes) node.signal('SIGCONT');
  await Promise.all(nodes.splice(0).map((node) => node.end()));
  for (const relay of relays.splice(0)) relay.end();
  rmSync(folder, { recursive: true });
});

test('replies wait for their ack in a second reign of one process, whatever the numbers in between', async () => {
  const [first, second] = [await address(), await address()];
  const node = await primary('--link-listen', first.link, ...patient);
  const other = await standby(first.link, ...patient);
  const writes = 50;
  await write(await portOf(node), writes);
  await end(other);
  // Another cache reigns, of which few batches have been sent.
  const file = join(folder, 'cache');
  await end(await primary('-e', file));
  writeEpoch(file, 9);
  const heir = await primary('--link-listen', second.link, '-e', file, ...patient);
  const peer = await Peer.connect(first.port);
  await peer.prove({ epoch: 9, link: second.link });
  await said(node, /deposed: epoch 9 reigns now, ours was 1/);
  peer.end();
  await said(node, /in sync with/);
  await end(heir);
  const [, port] = await said(node, /serving on port (\d+), epoch 10/);

  const relay = await relayTo(first.port);
  await standby(relay.of, ...patient);
  await said(node, /is in sync/, 2);
  relay.toPrimary.keeps = ({ type }) => type === FrameType.ACK;
  const client = await Client.connect(host, Number(port));
  await client.send('set k 0 0 1\r\n1\r\n');
  const acked = relay.toPrimary.arrived.length;
  const { arrived } = relay.toPrimary;
  await until('its ack', () => arrived.slice(acked).some(({ type }) => type === FrameType.ACK));
  await until('signs of life', () => relay.toStandby.arrived.length > acked + 20);
  expect(client.peek().toString()).toBe('');
  relay.toPrimary.release();
  expect(await client.readLine()).toBe('STORED');
  client.close();
});

test("a standby's memory file is marked until it takes over: before, no server opens it", async () => {
  const { port, link } = await address();
  const node = await primary('--link-listen', link);
  const file = join(folder, 'copy');
  const copy = await standby(link, '-e', file, ...['--link-listen', (await address()).link]);
  await said(node, /is in sync/);
  await said(copy, /in sync with/);
  expect(port).toBeGreaterThan(0);
  await write(await portOf(node), 1);
  // In sync, and still: what is left behind now goes out of date with the next write.
  const before = join(folder, 'before');
  copyFileSync(file, before);
  const refused = await hotspare('-p', '-1', '-l', host, '-m', '8', '-e', before);
  nodes.push(refused);
  expect((await within('its end', patienceMs, refused.exited)).code).toBe(exitStatus.REGION);
  expect(refused.output()).toMatch(/is a standby's copy, and may be half or out of date/);

  await kill(node);
  await said(copy, /serving on port \d+, epoch 2/);
  await kill(copy);
  const opened = await primary('-e', file);
  expect(opened.output()).toMatch(/holds a cache of epoch 2/);
  await expectItem(await portOf(opened), 'k0', 'VALUE k0 0 1\r\n0\r\nEND\r\n');
});

test('an old primary that cannot be reached is told as soon as it can, who reigns', async () => {
  const { port, link } = await address();
  const node = await primary('--link-listen', link);
  const relay = await relayTo(port);
  const heir = await standby(relay.of, '--link-listen', (await address()).link);
  await said(node, /is in sync/);
  await said(heir, /in sync with/);
  // A cut cable: the old primary lives, and whoever calls it hears nothing.
  node.signal('SIGSTOP');
  relay.hold();
  await said(heir, /serving on port \d+, epoch 2/);
  const knocks = relay.connections;
  await until('knocks', () => relay.connections >= knocks + 3, { withinMs: patienceMs });
  node.signal('SIGCONT');
  // It answers alone, after the lease: nobody could tell it anything.
  await expectItem(await portOf(node), 'k', 'END\r\n');
  relay.leadTo(port);
  await said(node, /deposed: epoch 2 reigns now, ours was 1/);
  await said(heir, /is in sync/);
});

// It ended by itself, though waiting could cure it: its cache had no second copy from then on.
test('a primary that is deposed, and not told where to attach, looks on until it is', async () => {
  const [first, second] = [await address(), await address()];
  const node = await primary('--link-listen', first.link, ...patient);
  const file = join(folder, 'cache');
  await end(await primary('-e', file));
  writeEpoch(file, 9);
  await primary('--link-listen', second.link, '-e', file, ...patient);
  const mute = await Peer.connect(first.port);
  await mute.prove({ epoch: 9, link: null });
  await said(node, /deposed: epoch 9 reigns now, ours was 1/);
  const remedy = 'give the new primary a --link-listen, or start this node as its standby';
  await said(node, /epoch 9 reigns elsewhere, and did not say where standbys attach; trying again/);
  expect(node.output()).toContain(`(${remedy})\n`);
  mute.end();
  // A standby that comes here meanwhile is told to try again, and does.
  const early = await hotspare('standby', '--of', first.link, '-p', '-1', '-l', host, ...patient);
  nodes.push(early);
  await said(early, /this node does not serve, and looks for one that does; .* \(try again\)$/);
  const telling = await Peer.connect(first.port);
  await telling.prove({ epoch: 9, link: second.link });
  await said(node, /in sync with/);
  telling.end();
  await node.end();
  await said(early, /in sync with/);
  await early.end();
  // This node, started again as the standby of the new primary.
  await standby(second.link, ...patient);
});

test('an heir that listens where its old primary did does not take itself for a rival', async () => {
  const { link } = await address();
  const node = await primary('--link-listen', link);
  const heir = await standby(link, '--link-listen', link);
  await said(node, /is in sync/);
  await kill(node);
  await said(heir, /serving on port \d+, epoch 2/);
  const begun = performance.now();
  await standby(link);
  await said(heir, /is in sync/);
  // It would knock every second.
  await until('a knock and a half', () => performance.now() - begun > 1500);
  expect(heir.output()).not.toMatch(/does not step down|not admitted/);
});

test('a standby says which cache its memory file held', async () => {
  const { link } = await address();
  const file = join(folder, 'old');
  await end(await primary('-e', file));
  await primary('--link-listen', link);
  const copy = await standby(link, '-e', file);
  expect(copy.output()).toMatch(/the cache of epoch 1 in the memory file is given up for its copy/);
});

interface Address {
  readonly port: number;
  readonly link: string;
}

async function address(): Promise<Address> {
  const port = await freePort();
  return { port, link: `${host}:${port}` };
}

async function relayTo(port: number): Promise<Relay & { of: string }> {
  const relay = new Relay(port);
  relays.push(relay);
  return Object.assign(relay, { of: `${host}:${await relay.listen()}` });
}

async function primary(...flags: string[]): Promise<Child> {
  const node = await hotspare('-p', '-1', '-l', host, '-m', '8', ...flags);
  nodes.push(node);
  await said(node, /serving on port (\d+)/);
  return node;
}

async function standby(of: string, ...flags: string[]): Promise<Child> {
  const node = await hotspare('standby', '--of', of, '-p', '-1', '-l', host, ...flags);
  nodes.push(node);
  await said(node, /in sync with/);
  return node;
}

async function portOf(node: Child): Promise<number> {
  const [, port] = await said(node, /serving on port (\d+)/);
  return Number(port);
}

async function write(port: number, count: number): Promise<void> {
  const client = await Client.connect(host, port);
  for (let i = 0; i < count; i++) {
    await client.send(`set k${i} 0 0 ${String(i).length}\r\n${i}\r\n`);
    expect(await client.readLine()).toBe('STORED');
  }
  client.close();
  const sequence = Number((await stats(port)).get('mirror_sequence'));
  expect(sequence).toBeGreaterThanOrEqual(count);
}

async function end(node: Child): Promise<void> {
  await node.end();
}

async function kill(node: Child): Promise<void> {
  node.signal('SIGKILL');
  await node.exited;
}

function writeEpoch(file: string, epoch: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(epoch);
  writeSync(openSync(file, 'r+'), bytes, 0, 4, SuperWord.EPOCH * 4);
}

async function expectItem(port: number, key: string, reply: string): Promise<void> {
  const client = await Client.connect(host, port);
  await client.send(`get ${key}\r\n`);
  const text = await client.readUntil('END', (all) => all.endsWith('END\r\n'));
  expect(text.toString()).toBe(reply);
  client.close();
}
