/**
 * Differences from memcached that many connections at once bring out; docs/PROTOCOL.md lists them. They are what
 * keeps clients that send half a value, or read none, from starving everybody else.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { patienceMs } from '../support/nodes.js';
import { type Program, type Server, startProgram } from '../support/server.js';
import { until } from '../support/until.js';

const valueBytes = 1_000_000;
const block = `${'x'.repeat(valueBytes)}\r\n`;

/** So many values are more than the kernel's buffers of a connection take in (rmem and wmem: at most 32 and 4 MiB). */
const beyondBuffers = 64;

let server: Server | null = null;
let crowd: Client[] = [];

afterEach(async () => {
  for (const client of crowd) client.close();
  crowd = [];
  await server?.stop();
  server = null;
});

describe('differences from memcached', () => {
  test('difference arriving-values: they hold at most half of the memory', async () => {
    const answers = { hotspare: 'SERVER_ERROR out of memory storing object', memcached: 'STORED' };
    for (const program of ['hotspare', 'memcached'] as const) {
      await start(program, ['-m', '64']);
      for (let n = 0; n < 40; n++) {
        const half = await join();
        await half.send(`set half${n} 0 0 ${valueBytes}\r\nx`);
        await settled();
      }
      await crowd.at(-1)!.send(block.slice(1));
      expect([program, await crowd.at(-1)!.readLine()]).toEqual([program, answers[program]]);
      await leave();
    }
  });

  test('difference unread-replies: the slowest reader is closed for one that stores', async () => {
    await start('hotspare', ['-m', '8']);
    const writer = await join();
    const keys = Array.from({ length: 8 }, (_, n) => `unread${n}`);
    for (const key of keys) {
      await writer.send(`set ${key} 0 0 ${valueBytes}\r\n${block}`);
      expect(await writer.readLine()).toBe('STORED');
    }
    const readers: Client[] = [];
    for (const key of keys) {
      const reader = await join();
      reader.pause();
      await reader.send(`get ${`${key} `.repeat(beyondBuffers)}\r\n`);
      await settled();
      readers.push(reader);
    }
    // The first set finds no memory; it gets a reader closed, so that another finds some.
    await until('a set that is stored', async () => {
      await writer.send(`set new 0 0 ${valueBytes}\r\n${block}`);
      return (await writer.readLine()) === 'STORED';
    });
    for (const reader of readers) reader.resume();
    // Half a gigabyte comes to this process first, and the end of a connection behind what was sent on it.
    const isClosed = () => readers.some((reader) => reader.closed());
    await until('a reader to be closed', isClosed, { withinMs: patienceMs });
    expect(readers.some((reader) => !reader.closed())).toBe(true);
  });
});

async function start(program: Program, flags: readonly string[]): Promise<void> {
  server = await startProgram(program, flags);
}

async function join(): Promise<Client> {
  const client = await Client.connect(server!.host, server!.port);
  crowd.push(client);
  return client;
}

/** What was sent before has been served: somebody who came later has been. */
async function settled(): Promise<void> {
  const client = await Client.connect(server!.host, server!.port);
  await client.send('version\r\n');
  await client.readLine();
  client.close();
}

async function leave(): Promise<void> {
  for (const client of crowd) client.close();
  crowd = [];
  await server!.stop();
}
