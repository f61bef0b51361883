/**
 * The primary's end of the mirror over a real transport, with a standby and clients that the test plays: silence within
 * a tick (laws 3 and 4), and what happens when the standby takes its batches more slowly than clients make them.
 */

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FrameType } from '../../backup/channel/frame.js';
import { unackedBytesMax } from '../../src/base/limits.js';
import type { Client } from '../support/client.js';
import type { FalseStandby } from '../support/false-standby.js';
import { Peer } from '../support/peer.js';
import { deadAfterMs, heartbeatMs, PrimaryRig, rangeBytes } from '../support/primary-rig.js';
import { until } from '../support/until.js';

let rig: PrimaryRig;
let standby: FalseStandby;
let client: Client;

beforeEach(async () => {
  rig = new PrimaryRig();
  standby = await rig.standby();
  client = await rig.client();
});

afterEach(() => rig.end());

test('a primary that stood still within a tick answers only when its standby has spoken', async () => {
  await client.send('get\r\n');
  expect(await client.readLine()).toBe('OK');
  expect(standby.batches).toHaveLength(0);

  standby.acking = false;
  rig.work = () => {
    const wakes = performance.now() + deadAfterMs * 1.5;
    while (performance.now() < wakes);
  };
  await client.send('get\r\n');
  // Nothing was changed: the batch is empty, and asks whether the standby reigns by now.
  const [asked] = await until('a batch', () => standby.batches.length > 0 && standby.batches);
  expect(asked!.count).toBe(0);
  await beats(3);
  expect(client.peek().toString()).toBe('');
  standby.ack();
  expect(await client.readLine()).toBe('OK');
});

test('a primary that is heard by its standby answers reads without asking', async () => {
  const { frames } = standby.peer;
  const enough = frames.length + (deadAfterMs * 2) / heartbeatMs;
  await until('heartbeats', () => frames.length >= enough);
  await client.send('get\r\n');
  expect(await client.readLine()).toBe('OK');
  expect(standby.batches).toHaveLength(0);
});

test('one that goes on speaking, and is not heard, asks before it answers', async () => {
  standby.hearing = false;
  standby.acking = false;
  await beats(deadAfterMs / heartbeatMs + 1);
  for (let i = 0; i < 3; i++) {
    const served = rig.lines.length;
    await client.send('get\r\n');
    await until('the tick', () => rig.lines.length > served);
  }
  // A single batch is under way, and its ack will do for all that is executed meanwhile.
  const [asked] = await until('a batch', () => standby.batches.length > 0 && standby.batches);
  expect([asked!.count, standby.batches.length]).toEqual([0, 1]);
  await beats(3);
  expect(client.peek().toString()).toBe('');
  standby.ack();
  for (let i = 0; i < 3; i++) expect(await client.readLine()).toBe('OK');
});

test('without a standby that was lost it goes on when its lease is over and the record agrees', async () => {
  standby.peer.send(FrameType.LEAVING, null);
  await until('the end of the first', () => standby.peer.closed);
  // A standby that gives up its copy by itself is nobody's heir: no record need be asked.
  expect(rig.asked).toBeNull();
  rig.ackTimeoutMs = 400;
  standby = await rig.standby('second');
  standby.peer.end();
  await until('its loss', async () => rig.stat('mirror_losses') === 2);
  await client.send('get\r\n');
  const { node, answer } = await until('the question', () => rig.asked);
  expect(node).toBe('second');
  await client.send('get\r\n');
  await until('the tick', () => rig.lines.length === 2);
  expect(client.peek().toString()).toBe('');
  answer(true);
  for (let i = 0; i < 2; i++) expect(await client.readLine()).toBe('OK');
});

test('a standby that does not take its batches stops the clients, and nobody else', async () => {
  standby.acking = false;
  standby.peer.socket.pause();
  let made = 0;
  rig.work = () => {
    rig.change();
    made += rangeBytes;
  };
  const most = unackedBytesMax * 4;
  while (made < most && !rig.primary.congested) {
    await client.send('set\r\n');
    const before = rig.lines.length;
    await until('the tick', () => rig.lines.length > before || rig.primary.congested, {
      everyMs: 0,
    });
  }
  expect(made).toBeGreaterThan(unackedBytesMax);
  expect(made).toBeLessThan(most);
  const served = rig.lines.length;
  await client.send('get\r\n');
  // The loop goes on, and links are served: another standby is told that there is one.
  const other = await Peer.connect(rig.port);
  await other.prove({ node: 'other' });
  expect(await other.message(FrameType.REFUSED)).toMatchObject({
    code: 'LINK_BUSY',
    reason:
      'the primary already has a standby (peer): it takes one standby; more than two nodes need a witness, ' +
      'which this version does not have',
  });
  other.end();
  expect(rig.lines).toHaveLength(served);

  standby.acking = true;
  standby.peer.socket.resume();
  await until('the rest', () => rig.lines.length > served);
  expect(rig.primary.congested).toBe(false);
});

test('so does one tick that makes too much: it is stopped between commands', async () => {
  standby.acking = false;
  standby.peer.socket.pause();
  let made = 0;
  rig.work = () => {
    while (!rig.primary.congested && made < unackedBytesMax * 4) {
      rig.change();
      made += rangeBytes;
    }
  };
  await client.send('set\r\n');
  await until('the tick', () => rig.lines.length === 1);
  expect(made).toBeGreaterThan(unackedBytesMax);
  expect(made).toBeLessThan(unackedBytesMax * 4);
});

/** Resolves after so many more heartbeats of the primary. */
async function beats(count: number): Promise<void> {
  const { frames } = standby.peer;
  const enough = frames.length + count;
  await until('heartbeats', () => frames.length >= enough);
}
