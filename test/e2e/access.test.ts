/** -Y beyond what the table of conformance can say: reloading, files that are wrong, statistics, a takeover. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { gone, hotspare, pids, said } from '../support/nodes.js';
import type { Child } from '../support/process.js';

let folder = '';
let file = '';
let child: Child | null = null;
const clients: Client[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-access-'));
  file = join(folder, 'users');
  writeFileSync(file, 'one:first\n');
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  const nodes = child === null ? [] : [...pids(child, 'primary'), ...pids(child, 'standby')];
  await child?.end();
  await Promise.all(nodes.map(gone));
  child = null;
  rmSync(folder, { recursive: true });
});

async function says(port: number, words: string): Promise<string> {
  return ask(await connect(port), `set x 0 0 ${words.length}\r\n${words}\r\n`);
}

async function connect(port: number): Promise<Client> {
  const client = await Client.connect('127.0.0.1', port);
  clients.push(client);
  return client;
}

async function ask(client: Client, sent: string): Promise<string> {
  await client.send(sent);
  return client.readLine();
}

const wrong = 'CLIENT_ERROR authentication failure';

test('SIGHUP: the new users are let in, the old are not, and who is in stays; a bad file changes nothing', async () => {
  child = await hotspare('-p', '-1', '-l', '127.0.0.1', '-Y', file);
  const port = Number((await said(child, /serving on port (\d+)/))[1]);
  const inside = await connect(port);
  expect(await ask(inside, 'set x 0 0 9\r\none first\r\n')).toBe('STORED');
  writeFileSync(file, 'two:second\nthree:third');
  child.signal('SIGHUP');
  await said(child, /read again, 2 users/);
  expect(await says(port, 'one first')).toBe(wrong);
  expect(await says(port, 'two second')).toBe('STORED');
  expect(await says(port, 'three third')).toBe('STORED');
  expect(await ask(inside, 'version\r\n')).toBe('VERSION 1.6.18');
  writeFileSync(file, 'nonsense\n');
  child.signal('SIGHUP');
  await said(child, /malformed entry.*still holds/);
  expect(await says(port, 'two second')).toBe('STORED');
  await inside.send('stats\r\n');
  const rows = await inside.readUntil('statistics', (text) => text.endsWith('END\r\n'));
  expect(rows.toString()).toMatch(/auth_cmds 5\r\nSTAT auth_errors 1\r\n/);
});

test('without -Y SIGHUP does nothing', async () => {
  child = await hotspare('-p', '-1', '-l', '127.0.0.1');
  const port = Number((await said(child, /serving on port (\d+)/))[1]);
  child.signal('SIGHUP');
  expect(await ask(await connect(port), 'version\r\n')).toBe('VERSION 1.6.18');
});

test('only the first eight users count, as in memcached', async () => {
  writeFileSync(file, Array.from({ length: 9 }, (_, at) => `u${at}:p\n`).join(''));
  child = await hotspare('-p', '-1', '-l', '127.0.0.1', '-Y', file);
  await said(child, /only the first 8 of 9 users count/);
  const port = Number((await said(child, /serving on port (\d+)/))[1]);
  expect(await says(port, 'u7 p')).toBe('STORED');
  expect(await says(port, 'u8 p')).toBe(wrong);
});

test.each([
  ['a:b\nnocolon\n', /malformed entry. Should be 'user:password'/],
  ['\n', /malformed/],
  ['a:b\r\n', /malformed/],
])('a file with %j is refused', async (text, reason) => {
  writeFileSync(file, text);
  child = await hotspare('-p', '-1', '-Y', file);
  expect([(await child.exited).code, child.output()]).toEqual([64, expect.stringMatching(reason)]);
});

test('a file that is not there is refused, by a standby too', async () => {
  for (const command of [[], ['standby', '--of', '127.0.0.1:1']]) {
    const node = await hotspare(...command, '-p', '-1', '-Y', '/nowhere/users');
    expect((await node.exited).code).toBe(64);
    expect(node.output()).toMatch(/Authfile \[\/nowhere\/users\] cannot be read/);
  }
});

test('a takeover: the standby knows the users, also those of a SIGHUP to the pair', async () => {
  const port = await freePort();
  child = await hotspare(
    'pair',
    '-v',
    '-p',
    String(port),
    '-l',
    '127.0.0.1',
    '--dead-after',
    '440',
    '-Y',
    file,
  );
  await said(child, /in sync/);
  expect(await says(port, 'one first')).toBe('STORED');
  writeFileSync(file, 'two:second\n');
  child.signal('SIGHUP');
  await said(child, /read again, 1 users/, 2);
  process.kill(pids(child, 'primary')[0]!, 'SIGKILL');
  await said(child, /serving on/, 2);
  expect(await says(port, 'one first')).toBe(wrong);
  expect(await says(port, 'two second')).toBe('STORED');
  expect(await ask(await connect(port), 'get x\r\n')).toBe('CLIENT_ERROR unauthenticated');
});
