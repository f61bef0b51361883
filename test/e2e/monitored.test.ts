/** What monitors read beside the answers to commands, judged by memcached: why a connection ended, counters, uptime. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { memcachedMissing, type Program, type Server, startProgram } from '../support/server.js';

let server: Server | null = null;
const clients: Client[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server?.stop();
  server = null;
});

async function connect(): Promise<Client> {
  const client = await Client.connect(server!.host, server!.port);
  clients.push(client);
  return client;
}

/** The numbers of `stats`, by name. */
async function statistics(client: Client): Promise<Map<string, number>> {
  await client.send('stats\r\n');
  const text = await client.readUntil('statistics', (all) => all.endsWith('END\r\n'));
  const rows = text.toString().matchAll(/^STAT (\S+) (\d+)\r$/gm);
  return new Map([...rows].map(([, name, value]) => [name!, Number(value)]));
}

/** What is sent, whether the client closes by itself, and what watchers are told. */
const ends: readonly (readonly [sent: string, closes: boolean, reason: string])[] = [
  ['GET / HTTP/1.1\r\n', false, 'error'],
  ['a'.repeat(9000), false, 'error'],
  [`set ${'a'.repeat(20_000)}\r\n`, false, 'error'],
  ['\x80'.padEnd(30, '\0'), false, 'error'],
  ['quit\r\n', false, 'normal'],
  ['', true, 'normal'],
  ['get a', true, 'normal'],
  ['set a 0 0 100\r\nxx', true, 'normal'],
];

describe.each(['hotspare', 'memcached'] as const)('%s', (program: Program) => {
  const missing = program === 'memcached' ? memcachedMissing() : null;
  const judged = missing === null ? test : test.skip;

  judged('tells watchers why a connection ended', async () => {
    server = await startProgram(program, ['-A']);
    const watching = await connect();
    await watching.send('watch connevents\r\n');
    expect(await watching.readLine()).toBe('OK');
    const told = async (client: Client): Promise<string> => {
      const ended = new RegExp(`conn_close.* rport=${client.localPort} .*reason=(\\w+)`);
      const text = await watching.readUntil('its end', (all) => ended.test(all));
      return ended.exec(text.toString())![1]!;
    };
    for (const [sent, closes, reason] of ends) {
      const client = await connect();
      await client.send(sent);
      if (closes) client.finish();
      expect([sent.slice(0, 20), await told(client)]).toEqual([sent.slice(0, 20), reason]);
    }
  });

  judged('an item that is changed in place is no new item', async () => {
    server = await startProgram(program);
    const client = await connect();
    const grown = async (sent: string): Promise<number> => {
      const before = (await statistics(client)).get('total_items')!;
      await client.send(`${sent}mn\r\n`);
      await client.readUntil('answers', (all) => all.endsWith('MN\r\n'));
      return (await statistics(client)).get('total_items')! - before;
    };
    expect(await grown('set n 0 0 1\r\n1\r\nincr n 1\r\nincr n 1\r\ndecr n 1\r\n')).toBe(1);
    expect(await grown('md n I T30\r\n')).toBe(0);
    expect(await grown('ma n\r\n')).toBe(0);
    // Longer than before, it is another item; so is what is appended to.
    expect(await grown('set n 0 0 1\r\n9\r\nincr n 1\r\n')).toBe(2);
    expect(await grown('append n 0 0 1\r\n1\r\n')).toBe(1);
  });

  judged('counts a dead item that any command meets', async () => {
    server = await startProgram(program);
    const client = await connect();
    const counted = async (sent: string): Promise<number[]> => {
      const before = await statistics(client);
      await client.send(`set e 0 -1 1\r\n1\r\n${sent}delete e\r\nmn\r\n`);
      await client.readUntil('answers', (all) => all.endsWith('MN\r\n'));
      const after = await statistics(client);
      const names = ['get_expired', 'expired_unfetched', 'reclaimed'];
      return names.map((name) => after.get(name)! - before.get(name)!);
    };
    const commands = [
      'add e 0 0 1\r\n1\r\n',
      'set e 0 0 1\r\n1\r\n',
      'touch e 0\r\n',
      'incr e 1\r\n',
    ];
    for (const sent of [
      ...commands,
      '',
      'mg e v\r\n',
      'append e 0 0 1\r\n1\r\n',
      'ms e 1\r\n1\r\n',
    ]) {
      expect([sent, await counted(sent)]).toEqual([sent, [1, 0, 0]]);
    }
  });

  judged('has an uptime that nobody divides by in vain', async () => {
    server = await startProgram(program);
    expect((await statistics(await connect())).get('uptime')).toBeGreaterThanOrEqual(2);
  });
});
