/** UDP, beside memcached where it is there: requests and answers in datagrams, and what is not answered. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { DatagramClient } from '../support/datagrams.js';
import { gone, hotspare, pids, said } from '../support/nodes.js';
import { memcachedMissing, type Program, type Server, startProgram } from '../support/server.js';

let server: Server | null = null;
let client: DatagramClient | null = null;

afterEach(async () => {
  client?.close();
  client = null;
  await server?.stop();
  server = null;
});

async function start(program: Program = 'hotspare', ...flags: string[]): Promise<DatagramClient> {
  const port = await freePort();
  server = await startProgram(program, ['-t', '1', '-U', String(port), ...flags]);
  // TCP accepts a moment before UDP is bound; whoever is answered comes later.
  const tcp = await Client.connect('127.0.0.1', server.port);
  await tcp.send('version\r\n');
  await tcp.readLine();
  tcp.close();
  client = new DatagramClient(port);
  return client;
}

const programs: Program[] = memcachedMissing() === null ? ['hotspare', 'memcached'] : ['hotspare'];

describe.each(programs)('%s', (program) => {
  test('answers in one datagram, under the id of the request', async () => {
    const udp = await start(program);
    expect(await udp.ask(1, 'set k 5 0 3\r\nabc\r\n')).toBe('STORED\r\n');
    expect(await udp.ask(2, 'get k\r\n')).toBe('VALUE k 5 3\r\nabc\r\nEND\r\n');
    expect(await udp.ask(65_535, 'incr k 1\r\n')).toMatch(/^CLIENT_ERROR cannot increment/);
    expect(await udp.ask(3, 'bogus\r\n')).toBe('ERROR\r\n');
    expect(await udp.ask(4, `get ${'k'.repeat(251)}\r\n`)).toBe(
      'CLIENT_ERROR bad command line format\r\n',
    );
    expect(udp.received.map(({ sequence, total }) => [sequence, total])).toEqual(
      Array.from({ length: 5 }, () => [0, 1]),
    );
  });

  test('cuts long answers into numbered datagrams of 1400 bytes', async () => {
    const udp = await start(program);
    const text = Array.from({ length: 5000 }, (_, at) => String.fromCharCode(97 + (at % 26))).join(
      '',
    );
    expect(await udp.ask(1, `set k 0 0 5000\r\n${text}\r\n`)).toBe('STORED\r\n');
    await udp.send(2, 'get k\r\n');
    const parts = await udp.answer(2);
    expect(parts.map(({ sequence, total, bytes }) => [sequence, total, bytes])).toEqual([
      [0, 4, 1400],
      [1, 4, 1400],
      [2, 4, 1400],
      [3, 4, 855],
    ]);
    expect(parts.map(({ body }) => body).join('')).toBe(`VALUE k 0 5000\r\n${text}\r\nEND\r\n`);
  });

  test('says nothing to what asks nothing: no body, noreply', async () => {
    const udp = await start(program);
    await udp.raw(Buffer.alloc(0));
    await udp.raw(Buffer.from('1234'));
    await udp.send(1, '');
    await udp.send(4, 'set k 0 0 3 noreply\r\nabc\r\n');
    expect(await udp.ask(5, 'get k\r\n')).toBe('VALUE k 0 3\r\nabc\r\nEND\r\n');
    expect(udp.received).toHaveLength(1);
  });
});

describe('hotspare', () => {
  // memcached goes on with the half it has: here the next request would be taken for the rest.
  test('difference half-datagram: a request that is half sent is not completed by the next datagram', async () => {
    const udp = await start();
    await udp.send(1, 'set k 0 0 6\r\nabc');
    await udp.send(4, 'get k');
    expect(await udp.ask(2, 'version\r\n')).toBe('VERSION 1.6.18\r\n');
    expect(await udp.ask(3, 'get k\r\n')).toBe('END\r\n');
  });

  test('difference several-requests-a-datagram: answers them in one message', async () => {
    const udp = await start();
    expect(await udp.ask(1, 'set k 0 0 1\r\n1\r\nget k k\r\nversion\r\n')).toBe(
      'STORED\r\nVALUE k 0 1\r\n1\r\nVALUE k 0 1\r\n1\r\nEND\r\nVERSION 1.6.18\r\n',
    );
  });

  test('difference several-datagrams, difference long-datagram-answer: both are refused', async () => {
    const udp = await start();
    const several = 'SERVER_ERROR multi-packet request not supported\r\n';
    for (const [id, total] of [
      [1, 2],
      [2, 0],
      [3, 65_535],
    ] as const) {
      await udp.send(id, 'version\r\n', 0, total);
      expect((await udp.answer(id))[0]!.body).toBe(several);
    }
    const tcp = await Client.connect('127.0.0.1', server!.port);
    await tcp.send(`set k 0 0 1000000\r\n${'x'.repeat(1_000_000)}\r\n`);
    expect(await tcp.readLine()).toBe('STORED');
    tcp.close();
    expect(await udp.ask(4, 'get k k k\r\n')).toBe('SERVER_ERROR response too large for UDP\r\n');
    expect(await udp.ask(5, 'version\r\n')).toBe('VERSION 1.6.18\r\n');
  });

  test('leaves nothing behind: two hundred requests later there is one connection', async () => {
    const udp = await start();
    for (let id = 1; id <= 200; id++) await udp.ask(id, 'get k\r\n');
    expect(await udp.ask(201, 'stats\r\n')).toContain('STAT curr_connections 1\r\n');
    expect(await udp.ask(202, 'stats conns\r\n')).toMatch(
      /:UDP UDP\r\nSTAT \d+:addr udp:127\.0\.0\.1:\d+\r\nSTAT \d+:state conn_read/,
    );
  });

  test('-U -1 takes any port and says which; -p 0 leaves UDP alone', async () => {
    const child = await hotspare('-v', '-p', '0', '-U', '-1', '-l', '127.0.0.1');
    try {
      const port = Number((await said(child, /listening on UDP 127\.0\.0\.1:(\d+)/))[1]);
      client = new DatagramClient(port);
      expect(await client.ask(1, 'version\r\n')).toBe('VERSION 1.6.18\r\n');
    } finally {
      await child.end();
    }
  });

  test('-Y and -U exclude each other', async () => {
    const child = await hotspare('-p', '-1', '-U', '-1', '-Y', '/nowhere');
    expect((await child.exited).code).toBe(64);
    expect(child.output()).toContain('Cannot use UDP with ascii authentication enabled');
  });

  test('a standby that has taken over answers datagrams', async () => {
    const [port, udpPort] = [await freePort(), await freePort()];
    const pair = await hotspare(
      'pair',
      '-v',
      '-p',
      String(port),
      '-U',
      String(udpPort),
      '-l',
      '127.0.0.1',
      '--dead-after',
      '440',
    );
    try {
      await said(pair, /in sync/);
      client = new DatagramClient(udpPort);
      expect(await client.ask(1, 'set k 0 0 1\r\n1\r\n')).toBe('STORED\r\n');
      process.kill(pids(pair, 'primary')[0]!, 'SIGKILL');
      await said(pair, /serving on/, 2);
      expect(await client.ask(2, 'get k\r\n')).toBe('VALUE k 0 1\r\n1\r\nEND\r\n');
    } finally {
      await pair.end();
      await Promise.all([...pids(pair, 'primary'), ...pids(pair, 'standby')].map(gone));
    }
  });
});
