/** A killed node is seen as dead at once, because somebody else gives up its memory. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { gone, hotspare, lives, said } from '../support/nodes.js';

test('a node has a keeper, which holds nothing but its memory and ends after it', async () => {
  const node = await hotspare('-p', '-1', '-l', '127.0.0.1');
  try {
    const [, port] = await said(node, /serving on port (\d+)/);
    const client = await Client.connect('127.0.0.1', Number(port));
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
    process.kill(keeperOf(node.pid), 'SIGKILL');
    await gone(keeperOf(node.pid));
    const client = await Client.connect('127.0.0.1', Number(port));
    await client.send('version\r\n');
    expect(await client.readLine()).toMatch(/^VERSION/);
    client.close();
    expect(lives(node.pid)).toBe(true);
  } finally {
    await node.end();
  }
});

function keeperOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
  expect(children).toHaveLength(1);
  return Number(children[0]);
}
