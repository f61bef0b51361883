/**
 * What the link's port lets whom do: nothing to strangers, who cannot keep a standby out either; to a standby, to
 * mirror and never to depose; to one who reigns with a higher epoch, that. And what a standby takes from a stranger:
 * nothing.
 */
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { FrameType } from '../../backup/channel/frame.js';
import { freePort } from '../../failover/drill/free-port.js';
import { exitStatus } from '../../src/base/errors.js';
import { greetingsMax, helloMs } from '../../src/base/limits.js';
import { Client } from '../support/client.js';
import { FalseStandby } from '../support/false-standby.js';
import { missing } from '../support/links.js';
import { hotspare, patienceMs, said, stats } from '../support/nodes.js';
import { helloOf, Peer } from '../support/peer.js';
import type { Child } from '../support/process.js';
import { until, within } from '../support/until.js';

const host = '127.0.0.1';
const alone = ['-p', '-1', '-l', host, '-m', '8'];
const hello = helloOf('none');

const nodes: Child[] = [];
const peers: Peer[] = [];
const servers: net.Server[] = [];

afterEach(async () => {
  for (const peer of peers.splice(0)) peer.end();
  for (const server of servers.splice(0)) server.close();
  await Promise.all(nodes.splice(0).map((node) => node.end()));
});

describe('a stranger at the link port', () => {
  const frames = [
    ['a batch', FrameType.BATCH],
    ['an ack', FrameType.ACK],
    ['a heartbeat', FrameType.HEARTBEAT],
    ['that somebody else reigns', FrameType.DEPOSED],
    ['a proof', FrameType.PROOF],
  ] as const;

  test.each(frames)('says %s before its hello: it is refused', async (_, type) => {
    const primary = await startPrimary();
    const peer = await connect(primary.linkPort);
    peer.send(type, type === FrameType.DEPOSED ? { node: 'n', link: null } : null, { epoch: 99 });
    await expectRefused(peer, type);
    await expectReigning(primary);
  });

  test.each(frames)('says %s instead of its proof: it is refused', async (_, type) => {
    const primary = await startPrimary();
    const peer = await connect(primary.linkPort);
    peer.send(FrameType.HELLO, hello);
    await peer.message(FrameType.CHALLENGE);
    peer.send(type, type === FrameType.DEPOSED ? { node: 'n', link: null } : null, { epoch: 99 });
    if (type === FrameType.PROOF) await peer.message(FrameType.REFUSED);
    else await expectRefused(peer, type);
    await expectReigning(primary);
  });

  test('says something after it was refused: nobody listens', async () => {
    const primary = await startPrimary();
    const peer = await connect(primary.linkPort);
    peer.send(FrameType.ACK, null);
    await expectRefused(peer, FrameType.ACK);
    const refusals = peer.frames.length;
    peer.send(FrameType.HELLO, hello);
    peer.send(FrameType.DEPOSED, { node: 'n', link: null }, { epoch: 99 });
    await until('its end', () => peer.closed);
    expect(peer.frames).toHaveLength(refusals);
    await expectReigning(primary);
  });

  test('sends a long frame: it is not even collected', async () => {
    const primary = await startPrimary();
    const peer = await connect(primary.linkPort);
    peer.send(FrameType.BATCH, { long: 'x'.repeat(100_000) });
    await said(primary.node, /not admitted: it sent a long frame before it had proved itself/);
    await expectReigning(primary);
  });

  test.each(['silent', 'refused'])(
    'stays, %s, and so do others: a standby gets in',
    async (kind) => {
      const primary = await startPrimary();
      for (let i = 0; i < greetingsMax; i++) {
        const peer = await connect(primary.linkPort);
        if (kind === 'silent') continue;
        peer.send(FrameType.ACK, null);
        await peer.message(FrameType.REFUSED);
      }
      await mirror(primary, helloMs * 0.8);
      expect((await stats(primary.port)).get('curr_connections')).toBe('1');
    },
  );

  test('comes again and again: a standby gets in', async () => {
    const primary = await startPrimary();
    let coming = true;
    const crowd = async (): Promise<void> => {
      while (coming) {
        const peer = await connect(primary.linkPort);
        peer.send(FrameType.ACK, null);
        await peer.message(FrameType.REFUSED);
      }
    };
    const crowded = crowd();
    await said(primary.node, /too many strangers connect at once/);
    await mirror(primary, helloMs * 0.8);
    coming = false;
    await crowded;
  });
});

describe('who has proved itself', () => {
  test('as a standby deposes nobody, whatever it held before', async () => {
    const primary = await startPrimary();
    const standby = await FalseStandby.attach(primary.linkPort, { link: `${host}:1` });
    peers.push(standby.peer);
    await expectReigning(primary, 'in_sync');
  });

  test.each([1, 99])('as a standby that says that epoch %d reigns', async (epoch) => {
    const primary = await startPrimary();
    const standby = await FalseStandby.attach(primary.linkPort);
    peers.push(standby.peer);
    standby.peer.send(FrameType.DEPOSED, { node: 'n', link: null }, { epoch });
    if (epoch === 1) {
      await said(primary.node, /claims to reign with epoch 1, which is not newer/);
      await expectReigning(primary);
    } else {
      // It answers nobody any more, and looks for that reign.
      await said(primary.node, /epoch 99 reigns elsewhere now: it did not say where; looking at/);
      await expect(Client.connect(host, primary.port)).rejects.toThrow(/ECONNREFUSED/);
      expect(primary.node.running()).toBe(true);
    }
  });

  test('as one who reigns with the same epoch deposes nobody, and mirrors nothing', async () => {
    const primary = await startPrimary();
    const peer = await connect(primary.linkPort);
    await peer.prove({ epoch: 1 });
    expect(await peer.message(FrameType.REFUSED)).toMatchObject({
      reason: 'epoch 1 reigns here, and epoch 1 is not newer',
    });
    await until('its end', () => peer.closed);
    await expectReigning(primary);
    await mirror(primary, patienceMs);
  });

  test('is looked for where it says that it listens', async () => {
    const primary = await startPrimary();
    const peer = await connect(primary.linkPort);
    const server = await listener(() => {});
    const { port } = server.address() as net.AddressInfo;
    const knocked = new Promise((resolve) => server.once('connection', resolve));
    await peer.prove({ epoch: 2, link: `0.0.0.0:${port}` });
    await said(primary.node, /deposed: epoch 2 reigns now/);
    await within('a knock', patienceMs, knocked);
    expect(primary.node.output()).not.toContain('0.0.0.0');
  });
});

describe('a false primary', () => {
  const early = [
    ['a batch', FrameType.BATCH],
    ['a block', FrameType.BLOCK],
    ['that the copy is whole', FrameType.SYNCED],
    ['that it goes on alone', FrameType.DROPPED],
    ['a heartbeat', FrameType.HEARTBEAT],
    ['a welcome', FrameType.WELCOME],
  ] as const;

  test.each(early)('says %s before it has proved itself', async (_, type) => {
    const of = await falsePrimary((peer) => peer.send(type, null, { epoch: 1 }));
    await expectRefusalOf(of, /that is no primary/);
  });

  test('proves nothing', async () => {
    const { nonce } = helloOf('none');
    const of = await falsePrimary((peer) => {
      peer.send(FrameType.CHALLENGE, { nonce, cipher: 'none', proof: '0'.repeat(64) });
    });
    await expectRefusalOf(of, /the primary does not know the secret/);
  });
});

// To load libfabric takes a quarter of a second: a standby did so between the challenge and its proof.
test('a standby has loaded what its links need before it says hello', async () => {
  if (missing !== null) return;
  let loaded: boolean | null = null;
  const of = await falsePrimary(() => {
    loaded = readFileSync(`/proc/${nodes[0]!.pid}/maps`, 'latin1').includes('libfabric');
  });
  nodes.push(await hotspare('standby', ...alone.slice(0, 4), '--of', `${host}:${of}`));
  await until('its hello', () => loaded !== null);
  expect(loaded).toBe(true);
});

describe('two nodes with other times', () => {
  const found = /is too long for the primary's --ack-timeout 1000: a silent primary is found after/;

  test.each<[string, string[], string[], RegExp]>([
    [
      'a standby that would find the death too late',
      [],
      ['--dead-after', '900', '--ack-timeout', '5000'],
      found,
    ],
    [
      'a standby that beats too seldom for the lease',
      [],
      ['--heartbeat', '200', '--dead-after', '600', '--ack-timeout', '5000'],
      found,
    ],
    [
      'a primary that beats too seldom for its standby',
      ['--heartbeat', '90', '--dead-after', '300', '--ack-timeout', '5000'],
      ['--dead-after', '200'],
      /--dead-after 200 is less than three of the primary's heartbeats \(90 ms\)/,
    ],
  ])('%s: the standby says so and ends', async (_, theirs, ours, sentence) => {
    const primary = await startPrimary(...theirs);
    await expectRefusalOf(primary.linkPort, sentence, ...ours);
    await expectReigning(primary);
  });

  test('that fit: they mirror, and the standby finds the death by its own', async () => {
    const slow = ['--heartbeat', '50', '--dead-after', '300', '--ack-timeout', '6000'];
    const primary = await startPrimary(...slow);
    const quick = ['--heartbeat', '30', '--dead-after', '600', '--ack-timeout', '2000'];
    const standby = await mirror(primary, patienceMs, ...quick);
    primary.node.signal('SIGSTOP');
    const [, silence] = await said(standby, /is dead: nothing heard for (\d+) ms/);
    primary.node.signal('SIGCONT');
    expect(Number(silence)).toBeGreaterThanOrEqual(600);
    await said(standby, /serving on port \d+, epoch 2/);
  });
});

interface Primary {
  readonly node: Child;
  readonly port: number;
  readonly linkPort: number;
}

async function startPrimary(...flags: string[]): Promise<Primary> {
  const node = await hotspare(...alone, '--link-listen', `${host}:0`, ...flags);
  nodes.push(node);
  const [, port, link] = await said(node, /serving on port (\d+),.* attach at [\d.]+:(\d+)/);
  return { node, port: Number(port), linkPort: Number(link) };
}

/** Starts a standby that must be in sync in time. */
async function mirror(of: Primary, withinMs: number, ...flags: string[]): Promise<Child> {
  const links = ['--of', `${host}:${of.linkPort}`, '--link-listen', `${host}:${await freePort()}`];
  const standby = await hotspare('standby', ...alone.slice(0, 4), ...links, ...flags);
  nodes.push(standby);
  await within('a standby in sync', withinMs, said(standby, /in sync with/));
  return standby;
}

async function connect(port: number): Promise<Peer> {
  const peer = await Peer.connect(port);
  peers.push(peer);
  return peer;
}

async function expectRefused(peer: Peer, type: number): Promise<void> {
  expect(await peer.message(FrameType.REFUSED)).toMatchObject({
    code: 'LINK_REFUSED',
    reason: `a frame of type ${type} was not expected here`,
  });
}

/** It serves, with its first epoch, and nobody mirrors it but who should. */
async function expectReigning({ node, port }: Primary, state = 'none'): Promise<void> {
  const client = await Client.connect(host, port);
  await client.send('set k 0 0 1\r\n1\r\n');
  expect(await client.readLine()).toBe('STORED');
  client.close();
  const figures = await stats(port);
  expect([figures.get('mirror_epoch'), figures.get('mirror_state')]).toEqual(['1', state]);
  expect(node.output()).not.toMatch(/deposed/);
}

/** A standby of this port ends, refusing or refused. */
async function expectRefusalOf(port: number, sentence: RegExp, ...flags: string[]) {
  const of = `${host}:${port}`;
  const standby = await hotspare('standby', ...alone.slice(0, 4), '--of', of, ...flags);
  nodes.push(standby);
  const { code } = await within('its end', patienceMs, standby.exited);
  expect(standby.output()).toMatch(sentence);
  expect(code).toBe(exitStatus.LINK_REFUSED);
}

/** Answers a hello with whatever the test says. */
async function falsePrimary(answer: (peer: Peer) => void): Promise<number> {
  const server = await listener((socket) => {
    const peer = new Peer(socket);
    peers.push(peer);
    socket.once('data', () => answer(peer));
  });
  return (server.address() as net.AddressInfo).port;
}

async function listener(accept: (socket: net.Socket) => void): Promise<net.Server> {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    accept(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return server;
}
