/**
 * The primary's end of the mirror over a real transport, with a standby and clients that the test plays: silence within
 * a tick (laws 3 and 4), and what happens when the standby takes its batches more slowly than clients make them.
 */

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FrameType } from '../../backup/channel/frame.js';
import { noClients } from '../../backup/channel/hello.js';
import { Primary } from '../../backup/primary/primary.js';
import { lonePrimaryVerdicts } from '../../failover/primary-verdicts.js';
import { unackedBytesMax } from '../../src/base/limits.js';
import { failed, native } from '../../src/native/addon.js';
import { Wire } from '../../src/net/wire.js';
import { lines as replies } from '../../src/protocol/reply.js';
import { superblockBytes } from '../../src/store/layout.js';
import type { Region } from '../../src/store/region.js';
import { Client } from '../support/client.js';
import { FalseStandby } from '../support/false-standby.js';
import { Peer } from '../support/peer.js';
import { geometries, mappedRegion } from '../support/region.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
const deadAfterMs = 100;
const heartbeatMs = 20;
const rangeBytes = 256 * 1024;

let wire: Wire;
let region: Region;
let regionId: number;
let primary: Primary;
let standby: FalseStandby;
let client: Client;
let linkPort: number;
/** What the endpoint of the client does with a line, before it answers. */
let work: (line: string) => void;
let lines: string[];
let ackTimeoutMs: number;
/** The question whether the primary may go on alone, and how it is answered. */
let asked: { readonly node: string; readonly answer: (granted: boolean) => void } | null;

beforeEach(async () => {
  ackTimeoutMs = 600_000;
  asked = null;
  wire = new Wire({ connectionsMax: 32 });
  const mapped = mappedRegion(geometries.mixed);
  region = mapped.region;
  regionId = mapped.nativeRegion.id;
  const mirrorSettings = {
    linkListen: null,
    secret: new Uint8Array(0),
    ack: 'sync',
    get ackTimeoutMs() {
      return ackTimeoutMs;
    },
    heartbeatMs,
    deadAfterMs,
    linkPreference: 'tcp',
    provider: null,
    spinUs: 0,
    cipher: 'auto',
    node: 'n',
  } as const;
  const log = { say: () => {}, detail: () => {} };
  const events = { synced: () => {}, detached: () => {}, deposed: () => {} };
  primary = new Primary({
    wire,
    region,
    regionId,
    mirrorSettings,
    log,
    sequence: 0,
    events,
    verdicts: lonePrimaryVerdicts(),
    changes: () => 0,
    clients: () => noClients,
    record: {
      claim: () => {},
      release: (node, answer) => {
        asked = { node, answer };
      },
    },
  });
  wire.hooks = {
    begin: () => {},
    end: () => primary.commit(region.journal, wire.nowMs),
    released: () => {},
  };
  work = () => {};
  lines = [];
  const clients = { host, port: 0, path: null, mode: 0, backlog: 8, group: 0 } as const;
  const listener = wire.listen(clients, () => ({
    data: (offset, length) => {
      const line = Buffer.from(wire.input.subarray(offset, offset + length)).toString();
      lines.push(line);
      work(line);
      wire.output.put(replies.ok);
      return length;
    },
    closed: () => {},
  }));
  if (failed(listener)) throw new Error(listener.error);
  linkPort = primary.listen(host, 0);
  standby = await FalseStandby.attach(linkPort, { deadAfterMs });
  client = await Client.connect(host, wire.transport.listenerPort(listener));
});

afterEach(() => {
  client.close();
  standby.peer.end();
  primary.end();
  wire.transport.destroy();
  native.regionClose(regionId);
});

test('a primary that stood still within a tick answers only when its standby has spoken', async () => {
  await client.send('get\r\n');
  expect(await client.readLine()).toBe('OK');
  expect(standby.batches).toHaveLength(0);

  standby.acking = false;
  work = () => {
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
    const served = lines.length;
    await client.send('get\r\n');
    await until('the tick', () => lines.length > served);
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
  expect(asked).toBeNull();
  ackTimeoutMs = 400;
  standby = await FalseStandby.attach(linkPort, { deadAfterMs, node: 'second' });
  standby.peer.end();
  await until('its loss', async () => new Map(primary.stats()).get('mirror_losses') === 2);
  await client.send('get\r\n');
  const { node, answer } = await until('the question', () => asked);
  expect(node).toBe('second');
  await client.send('get\r\n');
  await until('the tick', () => lines.length === 2);
  expect(client.peek().toString()).toBe('');
  answer(true);
  for (let i = 0; i < 2; i++) expect(await client.readLine()).toBe('OK');
});

test('a standby that does not take its batches stops the clients, and nobody else', async () => {
  standby.acking = false;
  standby.peer.socket.pause();
  let made = 0;
  work = () => {
    change();
    made += rangeBytes;
  };
  const most = unackedBytesMax * 4;
  while (made < most && !primary.congested) {
    await client.send('set\r\n');
    const before = lines.length;
    await until('the tick', () => lines.length > before || primary.congested, { everyMs: 0 });
  }
  expect(made).toBeGreaterThan(unackedBytesMax);
  expect(made).toBeLessThan(most);
  const served = lines.length;
  await client.send('get\r\n');
  // The loop goes on, and links are served: another standby is told that there is one.
  const other = await Peer.connect(linkPort);
  await other.prove({ node: 'other' });
  expect(await other.message(FrameType.REFUSED)).toMatchObject({
    code: 'LINK_BUSY',
    reason:
      'the primary already has a standby (peer): it takes one standby; more than two nodes need a witness, ' +
      'which this version does not have',
  });
  other.end();
  expect(lines).toHaveLength(served);

  standby.acking = true;
  standby.peer.socket.resume();
  await until('the rest', () => lines.length > served);
  expect(primary.congested).toBe(false);
});

test('so does one tick that makes too much: it is stopped between commands', async () => {
  standby.acking = false;
  standby.peer.socket.pause();
  let made = 0;
  work = () => {
    while (!primary.congested && made < unackedBytesMax * 4) {
      change();
      made += rangeBytes;
    }
  };
  await client.send('set\r\n');
  await until('the tick', () => lines.length === 1);
  expect(made).toBeGreaterThan(unackedBytesMax);
  expect(made).toBeLessThan(unackedBytesMax * 4);
});

/** Reports a range of the region as changed. */
function change(): void {
  const { journal } = region;
  journal.range(region.pagesOffset, rangeBytes, region.words[0]!, superblockBytes);
}

/** Resolves after so many more heartbeats of the primary. */
async function beats(count: number): Promise<void> {
  const { frames } = standby.peer;
  const enough = frames.length + count;
  await until('heartbeats', () => frames.length >= enough);
}
