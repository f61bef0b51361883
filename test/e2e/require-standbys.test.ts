/** `--require-standbys`: which commands are refused while too few standbys are in sync, and since when. */
import { afterEach, expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { expectRefusal, hotspare, said, stats } from '../support/nodes.js';
import type { Child } from '../support/process.js';

const host = '127.0.0.1';
const refused = 'SERVER_ERROR fewer standbys in sync than --require-standbys';
const children: Child[] = [];

afterEach(async () => {
  for (const child of children.splice(0).reverse()) await child.end();
});

/** Each write, and the answer to it while it is taken and the item `k` holds 1. */
const writes: readonly (readonly [line: string, taken: string])[] = [
  ['set k 0 0 1\r\n1', 'STORED'],
  ['add l 0 0 1\r\n1', 'STORED'],
  ['replace k 0 0 1\r\n1', 'STORED'],
  ['append k 0 0 1\r\n1', 'STORED'],
  ['prepend k 0 0 1\r\n1', 'STORED'],
  ['cas m 0 0 1 1\r\n1', 'NOT_FOUND'],
  ['incr k 1', '112'],
  ['decr k 1', '111'],
  ['touch k 0', 'TOUCHED'],
  ['ms k 1\r\n1', 'HD'],
  ['ma k', 'HD'],
  ['md n', 'NF'],
  ['mg k T0', 'HD'],
  ['mg o N0', 'HD W'],
  ['delete l', 'DELETED'],
  ['flush_all', 'OK'],
];

test('without enough standbys every write is refused, reads go on, and stats and the log say since when', async () => {
  const primary = await node(
    '-l',
    host,
    '-p',
    '-1',
    '--link-listen',
    `${host}:0`,
    '--require-standbys',
    '1',
  );
  const [, served, link] = await said(primary, /serving on port (\d+),.* attach at [\d.]+:(\d+)/);
  const port = Number(served);
  const client = await Client.connect(host, port);
  const answers = async (line: string): Promise<string> => {
    await client.send(`${line}\r\n`);
    return client.readLine();
  };
  for (const [line] of writes) expect([line, await answers(line)]).toEqual([line, refused]);
  for (const line of ['gat 0 k', 'gats 0 k']) expect(await answers(line)).toBe(refused);
  // A noreply stays without a reply.
  await client.send('set k 0 0 1 noreply\r\n1\r\n');
  for (const line of ['get k', 'gets k']) expect(await answers(line)).toBe('END');
  expect(await answers('mg k v')).toBe('EN');
  await said(primary, /0 of 1 required standbys in sync: writes are refused/);
  expect(await gate(port)).toEqual(['1', '1']);

  const standby = await node('standby', '--of', `${host}:${link}`, '-p', '-1', '-l', host);
  await said(primary, /1 in sync: writes are taken again, after \d+ s/);
  for (const [line, taken] of writes) expect([line, await answers(line)]).toEqual([line, taken]);
  expect(await gate(port)).toEqual(['1', '0']);

  // A value that is on its way when the standby ends is refused as well.
  await client.send('set k 0 0 3\r\n1');
  await standby.end();
  await said(primary, /0 of 1 required standbys in sync: writes are refused/, 2);
  await client.send('23\r\n');
  expect(await client.readLine()).toBe(refused);
  expect(await answers('get k')).toBe('END');
  client.close();
});

// The remedies are tried above, and in several.test.ts.
test('a node that could never have so many says what to change', async () => {
  const listen = ['--link-listen', `${host}:0`];
  const cases = [
    [
      ['--require-standbys', '1'],
      /no standby can attach.*say with --link-listen where standbys attach/,
    ],
    [
      [...listen, '--require-standbys', '2'],
      /a primary takes 1 \(require fewer, or let it take more with --standbys\)/,
    ],
    [[...listen, '--standbys', '2'], /start them on this machine with hotspare pair/],
  ] as const;
  for (const [flags, words] of cases) {
    await expectRefusal(['-l', host, '-p', '-1', ...flags], 64, words);
  }
});

async function node(...flags: string[]): Promise<Child> {
  const child = await hotspare(...flags);
  children.push(child);
  return child;
}

async function gate(port: number): Promise<(string | undefined)[]> {
  const rows = await stats(port);
  return ['mirror_standbys_required', 'mirror_writes_refused'].map((name) => rows.get(name));
}
