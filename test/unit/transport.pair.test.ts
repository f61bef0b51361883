/** Connections over socket pairs: what is fed in at the other end, how they count, and sockets that are handed over. */
import net from 'node:net';
import { expect, test } from '@jest/globals';
import { EventKind } from '../../src/native/addon.js';
import { must, reached, serve } from '../support/tickserver.js';

function socketOf(descriptor: number): net.Socket {
  return new net.Socket({ fd: descriptor, readable: true, writable: true, allowHalfOpen: true });
}

/** All that comes before the other side ends. */
async function rest(socket: net.Socket): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

test('what is written to the other end of a pair is served, and its end ends the connection', async () => {
  const server = serve();
  const { connection, descriptor } = must(server.transport.pair());
  expect(server.transport.counters[4]).toBe(1);
  const other = socketOf(descriptor);
  other.end('hello');
  expect(await rest(other)).toBe('hello');
  expect(server.of(EventKind.CLOSED).map((row) => row.connection)).toEqual([connection]);
  await reached(() => server.transport.counters[4] === 0);
});

test('a pair counts for the limit, and is refused at it', async () => {
  const server = serve();
  server.transport.limit(1, 'full\r\n');
  const { descriptor } = must(server.transport.pair());
  expect(server.transport.pair()).toEqual({ error: 'ENOBUFS', call: 'limit' });
  expect(server.transport.counters[5]).toBe(1);
  socketOf(descriptor).destroy();
  await reached(() => server.transport.counters[4] === 0);
  socketOf(must(server.transport.pair()).descriptor).destroy();
});

test('a reply over a pair waits for its barrier', async () => {
  const server = serve();
  const other = socketOf(must(server.transport.pair()).descriptor);
  server.barrier = 7;
  other.write('held');
  await reached(() => server.of(EventKind.DATA).length === 1);
  expect(server.transport.counters[3]).toBe(4);
  server.transport.release(7);
  other.end();
  expect(await rest(other)).toBe('held');
});

test('a diverted connection hands its socket over and goes on over the pair', async () => {
  const server = serve();
  const client = net.connect(server.listen(), '127.0.0.1');
  await reached(() => server.of(EventKind.OPENED).length === 1);
  const { connection } = server.of(EventKind.OPENED)[0]!;
  const made = must(server.transport.divert(connection));
  const [outer, inner] = [socketOf(made.socket), socketOf(made.descriptor)];
  expect(server.transport.counters[4]).toBe(1);
  client.end('for the taker');
  expect(await rest(outer)).toBe('for the taker');
  expect(server.of(EventKind.DATA)).toEqual([]);
  inner.end('for the server');
  expect(await rest(inner)).toBe('for the server');
  expect(server.of(EventKind.DATA)[0]!.connection).toBe(connection);
  outer.destroy();
  client.destroy();
});

test('only a connection that is open can be diverted', () => {
  expect(serve().transport.divert(3)).toEqual({ error: 'ENOTCONN', call: 'divert' });
});
