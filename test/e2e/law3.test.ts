/**
 * Law 3: no reply before its bytes. The standby's acks are held back on their way, one by one: what waits for them, in
 * what order it leaves, and what does not wait.
 */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FrameType } from '../../backup/channel/frame.js';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { hotspare, patienceMs, said, stats } from '../support/nodes.js';
import type { PeerFrame } from '../support/peer.js';
import type { Child } from '../support/process.js';
import { Relay } from '../support/relay.js';
import { secureClient, tlsFlags } from '../support/tls-client.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
/** So many signs of life of the primary are waited for before a reply counts as held back. */
const beatsHeld = 3;

let primary: Child;
let standby: Child;
let relay: Relay;
let port: number;
let securePort: number;
/** Acks that had passed when they began to be held. */
let held = 0;
/** Sequence of the newest batch at that moment. */
let sequenceHeld = 0;
const clients: Client[] = [];

beforeEach(async () => {
  // Nobody is dropped, and nobody found silent, however long a test holds the acks.
  const times = ['--ack-timeout', '600000', '--dead-after', '200000', '--heartbeat', '10'];
  securePort = await freePort();
  const listen = `notls:${host},${host}:${securePort}`;
  const flags = ['-p', '-1', '-l', listen, '--link-listen', `${host}:0`, ...tlsFlags(), ...times];
  primary = await hotspare(...flags);
  const [, served, link] = await said(primary, /serving on port (\d+),.* attach at [\d.]+:(\d+)/);
  port = Number(served);
  relay = new Relay(Number(link));
  const of = `${host}:${await relay.listen()}`;
  standby = await hotspare('standby', '--of', of, '-p', '-1', '-l', host, ...times);
  await said(primary, /is in sync/);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  relay.end();
  await standby.end();
  await primary.end();
});

test('a write is answered only after its ack', async () => {
  const writer = await connect();
  holdAcks();
  await writer.send('set k 0 0 1\r\n1\r\n');
  await ackOf(1);
  await expectNothing(writer);
  relay.toPrimary.release();
  expect(await writer.readLine()).toBe('STORED');
});

test('a read that saw the write waits for the same ack, on whatever connection', async () => {
  const [writer, reader] = [await connect(), await connect()];
  holdAcks();
  await writer.send('set k 0 0 1\r\n1\r\n');
  await ackOf(1);
  await reader.send('get k\r\n');
  await expectNothing(reader, writer);
  relay.toPrimary.release();
  expect(await reader.readUntil('a value', (text) => text.endsWith('END\r\n'))).toEqual(
    Buffer.from('VALUE k 0 1\r\n1\r\nEND\r\n'),
  );
});

test('a watcher hears of a write only after its ack', async () => {
  const [watcher, writer] = [await connect(), await connect()];
  await watcher.send('watch mutations\r\n');
  expect(await watcher.readLine()).toBe('OK');
  holdAcks();
  await writer.send('set k 0 0 1\r\n1\r\n');
  await ackOf(1);
  await expectNothing(watcher, writer);
  relay.toPrimary.release();
  const line = await watcher.readUntil('a line', (text) => text.endsWith('\n'));
  expect(line.toString()).toMatch(/type=item_store key=k status=stored/);
});

test('a write over TLS is answered only after its ack', async () => {
  const writer = await secureClient(securePort);
  clients.push(writer);
  holdAcks();
  await writer.send('set k 0 0 1\r\n1\r\n');
  await ackOf(1);
  await expectNothing(writer);
  relay.toPrimary.release();
  expect(await writer.readLine()).toBe('STORED');
});

test('so does a read that saw a delete, an incr or a touch', async () => {
  const client = await connect();
  await client.send('set n 0 0 1\r\n1\r\nset d 0 0 1\r\n1\r\nset t 0 0 1\r\n1\r\n');
  for (let i = 0; i < 3; i++) expect(await client.readLine()).toBe('STORED');
  holdAcks();
  await client.send('incr n 1\r\ndelete d\r\ntouch t 100\r\nget d\r\n');
  await ackOf(1);
  await expectNothing(client);
  relay.toPrimary.release();
  for (const line of ['2', 'DELETED', 'TOUCHED', 'END']) expect(await client.readLine()).toBe(line);
});

test('replies leave in the order of the requests, each behind its own ack', async () => {
  const [first, second, third] = [await connect(), await connect(), await connect()];
  holdAcks();
  await first.send('set k 0 0 1\r\n1\r\nget k\r\nset k 0 0 1\r\n2\r\nget k\r\n');
  const one = await ackOfSet();
  await second.send('set k 0 0 1\r\n3\r\n');
  const two = await ackOfSet(one.sequence);
  await third.send('get k\r\n');
  await expectNothing(first, second, third);

  relay.toPrimary.release(({ sequence }) => sequence <= one.sequence);
  const all = 'STORED\r\nVALUE k 0 1\r\n1\r\nEND\r\nSTORED\r\nVALUE k 0 1\r\n2\r\nEND\r\n';
  expect((await first.read(all.length)).toString()).toBe(all);
  await expectNothing(second, third);

  relay.toPrimary.release(({ sequence }) => sequence <= two.sequence);
  expect(await second.readLine()).toBe('STORED');
  expect(await third.readLine()).toBe('VALUE k 0 1');
});

test('a connection that has nothing to do with it waits for the batch ahead of it, and no longer', async () => {
  const [writer, other, later] = [await connect(), await connect(), await connect()];
  holdAcks();
  await writer.send('set k 0 0 1\r\n1\r\n');
  const one = await ackOfSet();
  await other.send('get unrelated\r\n');
  await expectNothing(other);
  await later.send('set l 0 0 1\r\n1\r\n');
  await ackOfSet(one.sequence);
  relay.toPrimary.release(({ sequence }) => sequence <= one.sequence);
  expect(await other.readLine()).toBe('END');
  expect(await writer.readLine()).toBe('STORED');
  await expectNothing(later);
});

test('while nothing is unacked reads do not wait for anybody', async () => {
  const client = await connect();
  await client.send('set k 0 0 1\r\n1\r\n');
  expect(await client.readLine()).toBe('STORED');
  // The batch with the cache's clock leaves once a second. A read behind it rightly waits, and is not counted.
  for (let answered = 0; answered < 20; ) {
    holdAcks();
    const sent = batches();
    standby.signal('SIGSTOP');
    await client.send('get k\r\n');
    const isWhole = () => client.peek().toString().endsWith('END\r\n');
    await until('a value, or a batch', () => isWhole() || batches() > sent, { everyMs: 1 });
    if (isWhole()) answered++;
    standby.signal('SIGCONT');
    relay.toPrimary.keeps = () => false;
    relay.toPrimary.release();
    const value = await client.readUntil('a value', (text) => text.endsWith('END\r\n'));
    expect(value.toString()).toBe('VALUE k 0 1\r\n1\r\nEND\r\n');
  }
});

test('a client that waits does not keep others from being served and mirrored', async () => {
  const writers = await Promise.all(Array.from({ length: 8 }, connect));
  holdAcks();
  for (const [i, writer] of writers.entries()) {
    const before = acks();
    await writer.send(`set k${i} 0 0 1\r\n1\r\n`);
    await ackOf(1, before);
  }
  await expectNothing(...writers);
  relay.toPrimary.release();
  for (const writer of writers) expect(await writer.readLine()).toBe('STORED');
  expect((await stats(port)).get('mirror_state')).toBe('in_sync');
});

/** From now on the primary hears of no batch that has landed. */
function holdAcks(): void {
  held = acks();
  const batches = relay.toStandby.arrived.filter(({ type }) => type === FrameType.BATCH);
  sequenceHeld = batches.at(-1)?.sequence ?? 0;
  relay.toPrimary.keeps = ({ type }) => type === FrameType.ACK;
}

/** Batches that the primary has sent. */
function batches(): number {
  return relay.toStandby.arrived.filter(({ type }) => type === FrameType.BATCH).length;
}

function acks(): number {
  return relay.toPrimary.arrived.filter(({ type }) => type === FrameType.ACK).length;
}

/** The standby's `count`-th ack after the first `before`: its batch is in the standby's memory. */
function ackOf(count: number, before = held): Promise<PeerFrame> {
  return until(
    'an ack',
    () => {
      const all = relay.toPrimary.arrived.filter(({ type }) => type === FrameType.ACK);
      return all.length >= before + count ? all.at(-1) : null;
    },
    { withinMs: patienceMs, everyMs: 1 },
  );
}

/**
 * The ack of the first batch with a set in it behind this sequence, or behind those before the acks were held. A set
 * changes a chunk and a bucket; the cache's clock, which is mirrored once a second, one word.
 */
function ackOfSet(after = sequenceHeld): Promise<PeerFrame> {
  return until(
    'an ack of a set',
    () => {
      const batch = relay.toStandby.arrived.find(
        ({ type, sequence, count }) => type === FrameType.BATCH && sequence > after && count >= 2,
      );
      if (batch === undefined) return null;
      const acked = ({ type, sequence }: PeerFrame) =>
        type === FrameType.ACK && sequence >= batch.sequence;
      return relay.toPrimary.arrived.find(acked) ?? null;
    },
    { withinMs: patienceMs, everyMs: 1 },
  );
}

/** Nothing comes while the primary gives several signs of life. */
async function expectNothing(...silent: Client[]): Promise<void> {
  const beats = (): number =>
    relay.toStandby.arrived.filter(({ type }) => type === FrameType.HEARTBEAT).length;
  const enough = beats() + beatsHeld;
  await until('heartbeats of the primary', () => beats() >= enough, { withinMs: patienceMs });
  for (const client of silent) expect(client.peek().toString()).toBe('');
}

async function connect(): Promise<Client> {
  const client = await Client.connect(host, port);
  clients.push(client);
  return client;
}
