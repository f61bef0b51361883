/**
 * Clients that read nothing, and clients that never finish a value, a thousand at a time: the others are served, and
 * the memory stays within -m and the overhead that docs/OPERATING.md states.
 */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { type Server, startServer } from '../support/server.js';
import { until } from '../support/until.js';

const memoryMebibytes = 64;
/** Fixed overhead of the process (docs/OPERATING.md), plus what a thousand connections may hold. */
const overheadMebibytes = 160;
/** The program and its buffers beside them, and what each client may leave unread. */
const programMebibytes = 80;
const unreadMebibytes = 0.375;
const crowd = 1000;
const valueBytes = 900_000;
/** Gigabytes go into the kernel's buffers first, and everybody takes his turn: that takes longer than a reply may. */
const patienceMs = 30_000;

let server: Server;
let sockets: Socket[] = [];

beforeEach(async () => {
  server = await startServer(['-m', String(memoryMebibytes), '-c', '2048']);
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets = [];
  await server.stop();
});

// Large values are sent from where they stand: those of less than 16 KiB are copied for whoever reads slowly.
test('clients that ask for small values and read nothing do not bloat the server', async () => {
  const [readers, smallBytes, gets] = [300, 15_000, 1000];
  const client = await Client.connect(server.host, server.port);
  await client.send(`set small 0 0 ${smallBytes}\r\n${'x'.repeat(smallBytes)}\r\n`);
  expect(await client.readLine()).toBe('STORED');
  const line = Buffer.from(`get${' small'.repeat(gets / 10)}\r\n`.repeat(10));
  await Promise.all(Array.from({ length: readers }, () => lazy(line)));
  await rest(client);
  await answers(client);
  const unread = readers * unreadMebibytes;
  expect(residentMebibytes()).toBeLessThan(memoryMebibytes + programMebibytes + unread);
  client.close();
});

describe('a thousand clients that', () => {
  test('ask for large values and read nothing do not stop or bloat the server', async () => {
    const client = await Client.connect(server.host, server.port);
    await client.send(`set big 0 0 ${valueBytes}\r\n${'x'.repeat(valueBytes)}\r\n`);
    expect(await client.readLine()).toBe('STORED');
    const gets = Buffer.from('get big big big big\r\n'.repeat(20));
    await Promise.all(Array.from({ length: crowd }, () => lazy(gets)));
    await answers(client);
    expect(residentMebibytes()).toBeLessThan(memoryMebibytes + overheadMebibytes);
    client.close();
  });

  test('send half of a value do not stop or bloat the server', async () => {
    const client = await Client.connect(server.host, server.port);
    const half = Buffer.concat([
      Buffer.from(`set half 0 0 ${valueBytes}\r\n`),
      Buffer.alloc(valueBytes / 2, 'x'),
    ]);
    await Promise.all(Array.from({ length: crowd }, () => lazy(half)));
    await until('all of them to be accepted', async () => (await count(client)) > crowd, {
      withinMs: patienceMs,
    });
    await answers(client);
    expect(residentMebibytes()).toBeLessThan(memoryMebibytes + overheadMebibytes);
    // They give up: the chunks that were reserved for them are free again.
    for (const socket of sockets) socket.destroy();
    await until('the chunks to be free', async () => (await count(client)) === 1, {
      withinMs: patienceMs,
    });
    await client.send(`set whole 0 0 ${valueBytes}\r\n${'y'.repeat(valueBytes)}\r\n`);
    expect(await client.readLine()).toBe('STORED');
    client.close();
  });
});

test('half-sent values that stand still give way to one that comes', async () => {
  const client = await Client.connect(server.host, server.port);
  const half = `set half 0 0 ${valueBytes}\r\nx`;
  await Promise.all(Array.from({ length: 70 }, () => lazy(Buffer.from(half))));
  await until('all of them to be accepted', async () => (await count(client)) > 70);
  const whole = `set whole 0 0 ${valueBytes}\r\n${'y'.repeat(valueBytes)}\r\n`;
  await until(
    'room for a whole one',
    async () => {
      await client.send(whole);
      return (await client.readLine()) === 'STORED';
    },
    { withinMs: patienceMs },
  );
  // Only as many as are in the way go.
  expect(await count(client)).toBeGreaterThan(60);
  client.close();
});

/** A connection that has sent these bytes and will never read. */
function lazy(bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, server.host, () => {
      socket.pause();
      socket.write(bytes);
      resolve();
    });
    socket.once('error', reject);
    sockets.push(socket);
  });
}

/** The server answers somebody else a hundred times. */
async function answers(client: Client): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await client.send(`set k${i} 0 0 2\r\nab\r\nget k${i}\r\n`);
    expect(await lines(client)).toBe(`STORED\r\nVALUE k${i} 0 2\r\nab\r\nEND\r\n`);
  }
}

/** Nobody is served any more: all have their answers, or do not read them. */
async function rest(client: Client): Promise<void> {
  let [before, same] = ['', 0];
  const gets = async () => {
    await client.send('stats\r\n');
    return /cmd_get \d+/.exec(await lines(client))![0];
  };
  await until(
    'the server to rest',
    async () => {
      const now = await gets();
      same = now === before ? same + 1 : 0;
      before = now;
      return same === 10;
    },
    { withinMs: 40_000, everyMs: 50 },
  );
}

async function count(client: Client): Promise<number> {
  await client.send('stats\r\n');
  const text = await lines(client);
  return Number(/curr_connections (\d+)/.exec(text)![1]);
}

/** All that is answered, up to END. */
async function lines(client: Client): Promise<string> {
  const ended = (text: string) => text.endsWith('END\r\n');
  return (await client.readUntil('END', ended, patienceMs)).toString();
}

function residentMebibytes(): number {
  const status = readFileSync(`/proc/${server.child!.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
}
