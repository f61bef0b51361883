/**
 * `-c` as large as the descriptors allow: clients hung, no standby could attach, and the messages blamed the secret and
 * the port. What the node itself needs is kept back.
 */
import { afterEach, expect, test } from '@jest/globals';
import { exitStatus } from '../../src/base/errors.js';
import { Client } from '../support/client.js';
import { expectRefusal, hotspare, main, said } from '../support/nodes.js';
import { type Child, startChild } from '../support/process.js';

const limit = 200;
const children: Child[] = [];
const clients: Client[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const child of children.splice(0)) await child.end();
});

const limited = (files: number): string[] => ['prlimit', `--nofile=${files}:${files}`];

test('clients too many are refused, and a standby attaches all the same', async () => {
  const [program, ...prefix] = [...limited(limit), process.execPath, main];
  const flags = ['-l', '127.0.0.1', '-p', '-1', '-v', '-c', String(limit)];
  const primary = await startChild(program!, [...prefix, ...flags, '--link-listen', '127.0.0.1:0']);
  children.push(primary);
  const [, room] = await said(primary, /-c 200: 200 open files have room for (\d+) clients/);
  expect(Number(room)).toBeGreaterThan(limit / 4);
  const [, port] = await said(primary, /listening on 127\.0\.0\.1:(\d+)/);
  const [, link] = await said(primary, /standbys attach at (\S+)/);
  const answers: string[] = [];
  for (let i = 0; i < limit + 10; i++) {
    const client = await Client.connect('127.0.0.1', Number(port));
    clients.push(client);
    await client.send('version\r\n');
    answers.push((await client.readLine()).split(' ')[0]!);
  }
  expect(answers.filter((word) => word === 'VERSION')).toHaveLength(Number(room));
  expect(answers.filter((word) => word === 'ERROR')).toHaveLength(limit + 10 - Number(room));
  const standby = await hotspare('standby', '--of', link!, '-l', '127.0.0.1', '-p', port!);
  children.push(standby);
  await said(standby, /ready to take over/);
});

test('without descriptors for clients it does not start, and says why', async () => {
  const sentence = /may have 60 files open, and the node itself needs \d+ \(raise ulimit -Hn/;
  const flags = ['-l', '127.0.0.1', '-p', '-1', '-c', '60'];
  await expectRefusal(flags, exitStatus.LISTEN, sentence, limited(60));
});
