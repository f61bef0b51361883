/**
 * Commands that wait for memory: while a page is emptied for them, a thousand items a tick, or while replies of the
 * same tick still hold what they need. They are executed anew in a later tick, and answered once.
 */
import { afterEach, expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { type Server, startProgram } from '../support/server.js';
import { until } from '../support/until.js';

let server: Server | null = null;
let client: Client;

afterEach(async () => {
  client.close();
  await server?.stop();
  server = null;
});

async function start(...flags: string[]): Promise<void> {
  server = await startProgram('hotspare', flags);
  client = await Client.connect('127.0.0.1', server.port);
}

/** What is answered to this, and to the `mn` behind it. */
async function answer(sent: string): Promise<string> {
  await client.send(`${sent}mn\r\n`);
  return (await client.readUntil('MN', (text) => text.endsWith('MN\r\n'))).toString('latin1');
}

const longKey = 'v'.repeat(240);
// It was told to be the slowest reader by what it had asked for in the same breath, and closed.
test('a set waits for the replies of its own tick, whose values hold all pages', async () => {
  await start('-m', '2');
  const value = 'x'.repeat(100_000);
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
  for (const key of keys) {
    await client.send(`set ${key} 0 0 ${value.length}\r\n${value}\r\n`);
    expect(await client.readLine()).toBe('STORED');
  }
  // The last and the one before the last ten: one of each page.
  const gets = ['k9', 'k19'].map((key) => `VALUE ${key} 0 ${value.length}\r\n${value}\r\n`);
  const large = 'y'.repeat(600_000);
  const sent = `get k9 k19\r\nset large 0 0 ${large.length}\r\n${large}\r\n`;
  expect(await answer(sent)).toBe(`${gets.join('')}END\r\nSTORED\r\nMN\r\n`);
  expect(server!.child!.output()).not.toContain('slowest reader');
});

// It was closed in the middle of its own append, whose chunk was then given back twice: the process ended.
test('the slowest reader is closed for what it appends itself, and nobody else minds', async () => {
  await start('-m', '2');
  const value = 'x'.repeat(100_000);
  for (let i = 0; i < 20; i++) {
    await client.send(`set k${i} 0 0 ${value.length}\r\n${value}\r\n`);
    expect(await client.readLine()).toBe('STORED');
  }
  const readers = [await reader('k9'), await reader('k19')];
  await until('the slowest reader to be closed', async () => {
    const parts = [`append k9 0 0 ${value.length}\r\nx`, `${value.slice(1)}\r\n`];
    for (const part of parts) {
      await readers[0]!.send(part);
      expect(await answer('')).toBe('MN\r\n');
    }
    return (await all('stats\r\n')).includes('STAT curr_connections 2\r\n');
  });
  // A thread writes the log.
  await until('a line of it', () =>
    server!.child!.output().includes('the slowest reader is closed'),
  );
  for (const slow of readers) slow.close();
});

/** A client that has asked for this value so often, and read so little, that it is still being sent. */
async function reader(key: string): Promise<Client> {
  const slow = await Client.connect('127.0.0.1', server!.port);
  slow.pause();
  const before = Number(/STAT cmd_get (\d+)/.exec(await all('stats\r\n'))![1]);
  const sending = async () => (await all('stats conns\r\n')).split('conn_mwrite').length;
  const others = await sending();
  for (let gets = 1; (await sending()) === others; gets++) {
    await slow.send(`get ${key}\r\n`);
    const told = `STAT cmd_get ${before + gets}\r\n`;
    await until('the get', async () => (await all('stats\r\n')).includes(told));
  }
  return slow;
}

async function all(sent: string): Promise<string> {
  await client.send(sent);
  return (await client.readUntil('END', (text) => text.endsWith('END\r\n'))).toString('latin1');
}

const decoded = 'v'.repeat(180);
const coded = Buffer.from(decoded).toString('base64');

test.each([
  ['set', `set ${longKey} 0 0 1\r\nx\r\n`, 'STORED\r\n'],
  ['ms', `ms ${longKey} 1\r\nx\r\n`, 'HD\r\n'],
  // They were answered EN, or out of memory, in each tick until the page was there.
  ['mg that makes an item', `mg ${longKey} N30 t\r\n`, 'HD t30 W\r\n'],
  ['ma that makes an item', `ma ${longKey} N0 J5 v\r\n`, 'VA 1\r\n5\r\n'],
  // A key in base64 is decoded where it stands: in the second tick it was decoded once more.
  ['ms in base64', `ms ${coded} 1 b k\r\nx\r\n`, `HD k${coded} b\r\n`],
  ['mg in base64', `mg ${coded} b N30 k\r\n`, `HD k${decoded} W\r\n`],
  ['ma in base64', `ma ${coded} b N0 J5 k\r\n`, `HD k${coded} b\r\n`],
])('%s for which a page is emptied is answered once', async (_, sent, expected) => {
  await start('-m', '2');
  let many = '';
  for (let i = 0; i < 25_000; i++) many += `set k${i} 0 0 1 noreply\r\nx\r\n`;
  expect(await answer(many)).toBe('MN\r\n');
  expect(await answer(sent)).toBe(`${expected}MN\r\n`);
});
