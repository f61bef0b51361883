/** A killed node is seen as dead at once, because somebody else gives up its memory. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { gone, hotspare, lives, pids, said } from '../support/nodes.js';

test('a node has a keeper, which holds nothing but its memory and ends after it', async () => {
  const node = await hotspare('-p', '-1', '-l', '127.0.0.1');
  try {
    const [, port] = await said(node, /serving on port (\d+)/);
    const client = await Client.connect('127.0.0.1', Number(port));
    // It comes after the addresses are bound, for that may need root, and before anybody is answered.
    await client.send('version\r\n');
    expect(await client.readLine()).toMatch(/^VERSION/);
    const keeper = keeperOf(node.pid);
    expect(readFileSync(`/proc/${keeper}/comm`, 'latin1')).toBe('hotspare-keeper\n');
    // What it waits on, and no socket: a client must not be kept waiting for it.
    expect(readdirSync(`/proc/${keeper}/fd`)).toHaveLength(1);
    expect(readFileSync(`/proc/${keeper}/statm`)).toEqual(readFileSync(`/proc/${node.pid}/statm`));
    node.signal('SIGKILL');
    await client.readClosed();
    await gone(node.pid);
    await gone(keeper);
  } finally {
    await node.end();
  }
});

test('a keeper that is killed takes nothing with it', async () => {
  const node = await hotspare('-p', '-1', '-l', '127.0.0.1');
  try {
    const [, port] = await said(node, /serving on port (\d+)/);
    const client = await Client.connect('127.0.0.1', Number(port));
    await client.send('version\r\n');
    expect(await client.readLine()).toMatch(/^VERSION/);
    const keeper = keeperOf(node.pid);
    process.kill(keeper, 'SIGKILL');
    await gone(keeper);
    await client.send('version\r\n');
    expect(await client.readLine()).toMatch(/^VERSION/);
    client.close();
    expect(lives(node.pid)).toBe(true);
  } finally {
    await node.end();
  }
});

const rootTest = process.getuid?.() === 0 ? test : test.skip;
const nobody = 65_534;
const listens = ['-m', '64', '--link-listen', '127.0.0.1:0'];

rootTest('-u: neither the node nor its keeper can undo it', async () => {
  const primary = await hotspare('-u', 'nobody', '-p', '-1', '-l', '127.0.0.1', ...listens);
  const [, link] = await said(primary, /standbys attach at (\S+)/);
  const standby = await hotspare('standby', '--of', link!, '-u', 'nobody', '-p', '0');
  const pair = await hotspare(
    'pair',
    '-u',
    'nobody',
    '-p',
    `${await freePort()}`,
    '-m',
    '64',
    '-v',
  );
  const started = [primary, standby, pair];
  try {
    await said(standby, /in sync/);
    await said(pair, /in sync/);
    const paired = [...pids(pair, 'primary'), ...pids(pair, 'standby')].filter(lives);
    const nodes = [primary.pid, standby.pid, ...paired];
    for (const pid of [pair.pid, ...nodes, ...nodes.map(keeperOf)]) {
      expect(rightsOf(pid)).toEqual({
        Uid: Array(4).fill(nobody),
        Gid: Array(4).fill(nobody),
        Groups: [],
        CapPrm: [0],
        CapEff: [0],
      });
    }
    for (const keeper of nodes.map(keeperOf)) expect(statusOf(keeper, 'NoNewPrivs')).toBe('1');
  } finally {
    for (const one of started.reverse()) await one.end();
  }
});

function statusOf(pid: number, field: string): string {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return new RegExp(`^${field}:[ \t]*(.*?)[ \t]*$`, 'm').exec(status)![1]!;
}

function rightsOf(pid: number): Record<string, number[]> {
  const fields = ['Uid', 'Gid', 'Groups', 'CapPrm', 'CapEff'];
  return Object.fromEntries(
    fields.map((field) => {
      const words = statusOf(pid, field)
        .split(/\s+/)
        .filter((word) => word !== '');
      return [field, words.map(Number)];
    }),
  );
}

function keeperOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
  expect(children).toHaveLength(1);
  return Number(children[0]);
}
