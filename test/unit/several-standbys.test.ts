/** A primary with several standbys: which acks a reply waits for, and whom a slow, lost or copying standby delays. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FrameType } from '../../backup/channel/frame.js';
import { unackedBytesMax } from '../../src/base/limits.js';
import type { Client } from '../support/client.js';
import type { FalseStandby } from '../support/false-standby.js';
import { Peer } from '../support/peer.js';
import { deadAfterMs, PrimaryRig, rangeBytes } from '../support/primary-rig.js';
import { until } from '../support/until.js';

const most = 3;
let rig: PrimaryRig;
let client: Client;
let first: FalseStandby;
let second: FalseStandby;

beforeEach(async () => {
  rig = new PrimaryRig(most);
  client = await rig.client();
  first = await rig.standby('first');
  // Batches pass between the attach of one and of the other.
  rig.work = () => rig.change();
  for (let i = 0; i < 3; i++) {
    await client.send('set\r\n');
    await client.readLine();
  }
  second = await rig.standby('second');
});

afterEach(() => rig.end());

test('a reply leaves when all that are in sync have acked', async () => {
  second.acking = false;
  await client.send('set\r\n');
  await until('the batch at both', () => first.batches.length === 4 && second.batches.length === 1);
  await heartbeats(first);
  expect(client.peek().toString()).toBe('');
  second.ack();
  expect(await client.readLine()).toBe('OK');
  // Both were sent the same batch, under the same number.
  expect(second.batches[0]!.sequence).toBe(first.batches[3]!.sequence);
});

test('each is told of by itself in stats mirror', async () => {
  second.acking = false;
  await client.send('set\r\n');
  await until(
    'the ack of the first',
    () => rig.stat('standby:0:lag_batches') === 0 && first.batches.length === 4,
  );
  const rows = ['name', 'state', 'link', 'lag_batches', 'resync_bytes_left'];
  const told = [0, 1].map((i) => rows.map((row) => rig.stat(`standby:${i}:${row}`)));
  expect(told).toEqual([
    ['first', 'in_sync', 'tcp', 0, 0],
    ['second', 'in_sync', 'tcp', 1, 0],
  ]);
  expect(['mirror_standbys', 'mirror_standbys_in_sync'].map((row) => rig.stat(row))).toEqual([
    2, 2,
  ]);
  second.ack();
});

test('one that acks too late is dropped, and the other goes on', async () => {
  const third = await hasty();
  third.acking = false;
  await client.send('set\r\n');
  // Its lease is over before it is dropped, so that nothing is held back.
  await until('the drop', () => rig.asked);
  expect(rig.asked!.node).toBe('third');
  rig.asked!.answer(true);
  expect(await client.readLine()).toBe('OK');
  expect(third.peer.frames.at(-1)!.type).toBe(FrameType.DROPPED);
  await client.send('set\r\n');
  expect(await client.readLine()).toBe('OK');
  expect(first.batches.filter(({ count }) => count > 0)).toHaveLength(5);
  expect(rig.stat('mirror_standbys_in_sync')).toBe(2);
});

test('a lost one holds the replies until its lease is over, also while the other acks', async () => {
  const third = await hasty();
  third.peer.end();
  await until('its loss', () => rig.stat('mirror_losses') === 1);
  await client.send('get\r\n');
  await until('the question', () => rig.asked);
  expect(client.peek().toString()).toBe('');
  rig.asked!.answer(true);
  expect(await client.readLine()).toBe('OK');
  // The other standby still counts: a reply waits for it.
  first.acking = false;
  await client.send('set\r\n');
  await until('the batch', () => first.batches.length > 4);
  await heartbeats(first);
  expect(client.peek().toString()).toBe('');
  first.ack();
  expect(await client.readLine()).toBe('OK');
});

test('one that leaves in order holds nothing', async () => {
  second.peer.send(FrameType.LEAVING, null);
  await until('its end', () => second.peer.closed);
  await client.send('set\r\n');
  expect(await client.readLine()).toBe('OK');
  expect(rig.asked).toBeNull();
});

test('the process of one has ended, and only that one is forgotten', async () => {
  rig.primary.standbyIsDead('second');
  first.acking = false;
  await client.send('set\r\n');
  await until('the batch', () => first.batches.length === 4);
  await heartbeats(first);
  expect(client.peek().toString()).toBe('');
  first.ack();
  expect(await client.readLine()).toBe('OK');
  expect(rig.asked).toBeNull();
});

test('one that copies delays nobody: it is given up when it takes less than clients write', async () => {
  const third = await Peer.connect(rig.port);
  await third.prove({ node: 'third', deadAfterMs });
  await third.message(FrameType.WELCOME);
  third.send(FrameType.ACK, null);
  await until('its copy', () => rig.stat('mirror_standbys') === 3);
  third.socket.pause();
  let made = 0;
  while (rig.stat('mirror_standbys') === 3 && made < unackedBytesMax * 4) {
    await client.send('set\r\n');
    expect(await client.readLine()).toBe('OK');
    made += rangeBytes;
  }
  expect(made).toBeGreaterThan(unackedBytesMax);
  expect(rig.logged.at(-1)).toMatch(/third lost: it takes its copy more slowly than clients write/);
  expect(rig.stat('stalls_ack')).toBe(0);
  expect(rig.stat('mirror_standbys_in_sync')).toBe(2);
  third.end();
});

test('no more are let in than it takes', async () => {
  await rig.standby('third');
  const fourth = await Peer.connect(rig.port);
  await fourth.prove({ node: 'fourth' });
  expect(await fourth.message(FrameType.REFUSED)).toMatchObject({
    code: 'LINK_BUSY',
    reason: expect.stringMatching(/^the primary already has 3 standbys \(first, second, third\)/),
  });
  fourth.end();
});

/** One more standby, under an ack timeout that a test can wait for. */
async function hasty(): Promise<FalseStandby> {
  rig.ackTimeoutMs = 400;
  return await rig.standby('third');
}

/** Resolves after a few more heartbeats of the primary. */
async function heartbeats({ peer: { frames } }: FalseStandby): Promise<void> {
  const enough = frames.length + 3;
  await until('heartbeats', () => frames.length >= enough);
}
