/**
 * The link breaks while both nodes live. Whatever the primary then acknowledges alone must not be lost by a takeover
 * from the copy that the standby still holds (docs/decisions/lease.md). Found by a drill through a relay.
 */
import { connect, createServer, type Server as Listener, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { helloMs } from '../../src/base/limits.js';
import { Client } from '../support/client.js';
import { FalseStandby } from '../support/false-standby.js';
import { hotspare, said } from '../support/nodes.js';
import type { Child } from '../support/process.js';
import { until } from '../support/until.js';

/** Long enough for a busy machine to do what must be done within the lease: half of it. */
const ackTimeoutMs = 4000;
const times = ['--ack-timeout', String(ackTimeoutMs), '--dead-after', '1000'];

let primary: Child;
let standby: Child;
let relay: Relay;
let client: Client;

beforeEach(async () => {
  const linkPort = await freePort();
  const link = `127.0.0.1:${linkPort}`;
  primary = await hotspare('-p', '-1', '-l', '127.0.0.1', '--link-listen', link, ...times);
  const [, port] = await said(primary, /serving on port (\d+)/);
  relay = await Relay.to(linkPort);
  const of = `127.0.0.1:${relay.port}`;
  standby = await hotspare('standby', '--of', of, '-p', '-1', '-l', '127.0.0.1', ...times);
  await said(primary, /is in sync/);
  await said(standby, /in sync with/);
  client = await Client.connect('127.0.0.1', Number(port));
  await client.send('set k 0 0 1\r\n1\r\n');
  expect(await client.readLine()).toBe('STORED');
});

afterEach(async () => {
  client.close();
  relay.close();
  standby.signal('SIGCONT');
  await Promise.all([primary.end(), standby.end()]);
});

test('what is acknowledged after the lease is not lost: the old copy is not served', async () => {
  standby.signal('SIGSTOP');
  relay.close();
  const brokenMs = performance.now();
  await client.send('set k 0 0 1\r\n2\r\n');
  await until('the reply', () => client.peek().length > 0, { withinMs: ackTimeoutMs * 2 });
  expect(performance.now() - brokenMs).toBeGreaterThan(ackTimeoutMs * 0.45);
  expect(performance.now() - brokenMs).toBeLessThan(ackTimeoutMs);
  expect(await client.readLine()).toBe('STORED');
  primary.signal('SIGKILL');
  await primary.exited;
  standby.signal('SIGCONT');
  await said(
    standby,
    /may be out of date; .* \(start a primary at that address, and it is mirrored\)$/,
  );
  // It goes on, and mirrors whoever is started at that address: as every copy, from the beginning.
  const next = ['-p', '-1', '-l', '127.0.0.1', '--link-listen', `127.0.0.1:${relay.port}`];
  primary = await hotspare(...next, ...times);
  await said(standby, /in sync with/, 2);
  expect(standby.output()).not.toMatch(/serving/);
});

test('within the lease nothing is acknowledged, and the copy is served', async () => {
  relay.refuse();
  await said(primary, /standby \w+ lost/);
  await client.send('set k 0 0 1\r\n2\r\nget k\r\n');
  primary.signal('SIGKILL');
  await primary.exited;
  expect((await client.readClosed()).toString()).toBe('');
  const [, port] = await said(standby, /serving on port (\d+), epoch 2/);
  const other = await Client.connect('127.0.0.1', Number(port));
  await other.send('get k\r\n');
  expect(await other.readLine()).toBe('VALUE k 0 1');
  expect(await other.readLine()).toBe('1');
  other.close();
});

test('a port forward that ends is no death: only silence is', async () => {
  relay.close();
  await said(standby, /is dead: nothing heard for \d{4} ms/);
  await said(standby, /serving on port \d+, epoch 2/);
});

test('a standby that comes back ends the wait', async () => {
  const brokenMs = performance.now();
  relay.breakOnce();
  await client.send('set k 0 0 1\r\n2\r\n');
  expect(await client.readLine()).toBe('STORED');
  expect(performance.now() - brokenMs).toBeLessThan(ackTimeoutMs * 0.45);
  await said(primary, /is in sync/, 2);
});

test('a standby that is asked to end says so: nobody waits for its lease', async () => {
  const endedMs = performance.now();
  standby.signal('SIGTERM');
  await said(primary, /standby \w+ lost: it has ended in order/);
  await client.send('set k 0 0 1\r\n2\r\n');
  expect(await client.readLine()).toBe('STORED');
  expect(performance.now() - endedMs).toBeLessThan(ackTimeoutMs * 0.45);
  expect((await standby.exited).code).toBe(0);
});

test('another standby waits until the lost one cannot take over, longer than a hello may take', async () => {
  const long = ['--ack-timeout', String(helloMs * 2 + 1000), '--dead-after', '1000'];
  const other = await hotspare(
    '-p',
    '-1',
    '-l',
    '127.0.0.1',
    '--link-listen',
    '127.0.0.1:0',
    ...long,
  );
  const [, link] = await said(other, /standbys attach at (127\.0\.0\.1:\d+)/);
  const lost = await FalseStandby.attach(Number(link!.split(':')[1]));
  lost.peer.end();
  await said(other, /standby peer lost/);
  const second = await hotspare('standby', '--of', link!, '-p', '-1', '-l', '127.0.0.1', ...long);
  try {
    await said(second, /in sync with/);
    await said(other, /standby peer cannot take over any more[\s\S]*standby \w+ is in sync/);
  } finally {
    await Promise.all([other.end(), second.end()]);
  }
});

/** Passes bytes between a standby and a primary's link port, until it is told not to. */
class Relay {
  readonly port: number;
  private readonly listener: Listener;
  private readonly sockets = new Set<Socket>();

  private constructor(listener: Listener, port: number) {
    this.listener = listener;
    this.port = port;
  }

  static async to(target: number): Promise<Relay> {
    const port = await freePort();
    const listener = createServer();
    const relay = new Relay(listener, port);
    listener.on('connection', (incoming) => {
      const outgoing = connect(target, '127.0.0.1');
      for (const [from, into] of [
        [incoming, outgoing],
        [outgoing, incoming],
      ] as const) {
        relay.sockets.add(from);
        from.on('data', (bytes) => into.write(bytes));
        from.on('error', () => {});
        from.on('close', () => into.destroy());
      }
    });
    await new Promise<void>((resolve) => listener.listen(port, '127.0.0.1', resolve));
    return relay;
  }

  /** Breaks what there is; the next connection gets through again. */
  breakOnce(): void {
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }

  /** Breaks what there is, and keeps what comes waiting, as a cut cable would. */
  refuse(): void {
    this.listener.removeAllListeners('connection');
    this.listener.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('error', () => {});
    });
    this.breakOnce();
  }

  /** Breaks all, for good. */
  close(): void {
    this.listener.close();
    this.breakOnce();
  }
}
