/** A large cache that is nearly empty: it is mirrored at once, clients are served meanwhile, and it stays small. */
import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { hotspare, said } from '../support/nodes.js';
import type { Child } from '../support/process.js';
import { allocatedBytes } from '../support/region.js';

const host = '127.0.0.1';
const MiB = 2 ** 20;
const keys = 1000;
/** A busy machine must not turn the copy into a takeover. */
const patient = ['--dead-after', '5000', '--ack-timeout', '20000'];
const nodes: Child[] = [];

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.end()));
});

test('a cache of 16 GiB with a thousand items gets a standby while it serves', async () => {
  const link = `${host}:${await freePort()}`;
  const local = ['-l', host, '-v', ...patient];
  const primary = await start(['-p', '-1', ...local, '-m', '16384', '--link-listen', link]);
  const port = Number((await said(primary, /serving on port (\d+)/))[1]);
  const client = await Client.connect(host, port);
  for (let key = 0; key < keys; key++) {
    await client.send(`set key${key} 0 0 5\r\nvalue\r\n`);
    expect(await client.readLine()).toBe('STORED');
  }
  const before = allocatedBytes(primary.pid);

  const heirPort = await freePort();
  const standby = await start(['standby', '--of', link, '-p', String(heirPort), ...local]);
  const synced = said(standby, /in sync with .*: ready to take over/);
  let ended = false;
  const done = synced.finally(() => {
    ended = true;
  });
  let served = 0;
  while (!ended) {
    await client.send(`set key${served++ % keys} 0 0 5\r\nother\r\n`);
    expect(await client.readLine()).toBe('STORED');
  }
  await done;
  expect(served).toBeGreaterThan(0);
  // The primary allocates what it reads of the page table, the standby what it was sent.
  expect(allocatedBytes(primary.pid) - before).toBeLessThan(MiB);
  expect(allocatedBytes(standby.pid)).toBeLessThan(before + 2 * MiB);
  for (const { pid } of [primary, standby]) expect(residentBytes(pid)).toBeLessThan(256 * MiB);

  client.close();
  process.kill(primary.pid, 'SIGKILL');
  await said(standby, /serving on port/);
  const heir = await Client.connect(host, heirPort);
  for (let key = 0; key < keys; key++) {
    await heir.send(`get key${key}\r\n`);
    expect(await heir.readLine()).toBe(`VALUE key${key} 0 5`);
    expect(await heir.readLine()).toMatch(/^(value|other)$/);
    expect(await heir.readLine()).toBe('END');
  }
  heir.close();
});

async function start(args: readonly string[]): Promise<Child> {
  const node = await hotspare(...args);
  nodes.push(node);
  return node;
}

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) * 1024;
}
