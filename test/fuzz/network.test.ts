/** Bytes that are no TLS at a TLS port, and datagrams of all kinds: nothing crashes or is left, the rest is served. */
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { DatagramClient, header } from '../support/datagrams.js';
import { type Server, startServer } from '../support/server.js';
import { secureClient, tlsFlags } from '../support/tls-client.js';
import { until } from '../support/until.js';
import { Random } from './random.js';

const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 0x8000_0000);
const strangers = 300;
const datagrams = 3000;
/** How a TLS 1.2 client begins: a handshake record with a ClientHello. */
const hello = Buffer.from('16030100', 'hex');

let server: Server;
let udpPort = 0;

beforeAll(async () => {
  udpPort = await freePort();
  server = await startServer([...tlsFlags(), '-U', String(udpPort)]);
});
afterAll(() => server?.stop());

function descriptors(): number {
  return readdirSync(`/proc/${server.child!.pid}/fd`).length;
}

test(`bytes that are no TLS: a close, never a word of the protocol (FUZZ_SEED=${seed})`, async () => {
  const random = new Random(seed);
  const before = descriptors();
  for (let i = 0; i < strangers; i++) {
    const client = await Client.connect(server.host, server.port);
    const noise = noiseOf(random, random.below(600));
    const bytes = [
      () => noise,
      () => Buffer.concat([hello, noise]),
      () => Buffer.from('version\r\nget k\r\nset k 0 0 1\r\n1\r\n'),
    ][random.below(3)]!();
    await client.send(bytes, random.below(2) === 0 ? undefined : { pieceBytes: 7 });
    if (random.below(2) === 0) {
      client.finish();
      expect((await client.readClosed()).toString('latin1')).not.toMatch(
        /VERSION|END|STORED|ERROR/,
      );
    }
    client.close(random.below(2) === 0);
  }
  const client = await secureClient(server.port);
  await client.send('stats\r\n');
  const rows = await client.readUntil('statistics', (text) => text.endsWith('END\r\n'));
  expect(rows.toString()).toMatch(/STAT cmd_get 0\r\nSTAT cmd_set 0\r\n/);
  client.close();
  await until('all descriptors to be free', () => descriptors() <= before + 1, {
    withinMs: 15_000,
  });
});

test(`datagrams of all kinds: answers are well formed, and the rest is served (FUZZ_SEED=${seed})`, async () => {
  const random = new Random(seed);
  const udp = new DatagramClient(udpPort);
  const before = descriptors();
  const requests = [
    'get k\r\n',
    'set k 0 0 3\r\nabc\r\n',
    'stats\r\n',
    'quit\r\n',
    'watch\r\n',
    'set k 0 0 9',
  ];
  for (let i = 0; i < datagrams; i++) {
    const body =
      random.below(2) === 0
        ? noiseOf(random, random.below(1500))
        : Buffer.from(requests[random.below(requests.length)]!);
    const head =
      random.below(4) === 0
        ? noiseOf(random, random.below(9))
        : header(7, random.below(3), random.below(3));
    await udp.raw(Buffer.concat([head, body]));
  }
  await until('the answer to a datagram that is good', async () => {
    await udp.send(9, 'version\r\n');
    return udp.received.some(({ id, body }) => id === 9 && body === 'VERSION 1.6.18\r\n');
  });
  for (const { sequence, total, bytes } of udp.received) {
    expect([sequence < total, bytes <= 1400, bytes > 8]).toEqual([true, true, true]);
  }
  await until('all descriptors to be free', () => descriptors() <= before);
  udp.close();
});

function noiseOf(random: Random, length: number): Buffer {
  return Buffer.from(random.bytes(length), 'latin1');
}
