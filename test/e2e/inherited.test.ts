/** What a node tells of its cache after a takeover: the region that it inherited, not what its own flags would make. */
import { afterEach, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { hotspare, said, stats } from '../support/nodes.js';
import type { Child } from '../support/process.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
const nodes: Child[] = [];

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.end()));
});

/** What stands in a region, under the keys of memcached. */
const ofRegion = ['limit_maxbytes', 'hash_power_level', 'hash_bytes', 'bytes', 'curr_items'];

test('stats, stats settings and stats slabs of an heir are those of the primary', async () => {
  const link = `${host}:${await freePort()}`;
  const local = ['-l', host, '-v'];
  const geometry = ['-m', '257', '-I', '2m', '-f', '1.5', '-n', '96'];
  const primary = await start(['-p', '-1', ...local, ...geometry, '--link-listen', link]);
  const port = Number((await said(primary, /serving on port (\d+)/))[1]);
  const client = await Client.connect(host, port);
  const large = 1_500_000;
  await client.send(`set large 0 0 ${large}\r\n${'x'.repeat(large)}\r\nset small 0 0 1\r\nx\r\n`);
  expect(await client.readLine()).toBe('STORED');
  expect(await client.readLine()).toBe('STORED');
  const standby = await start(['standby', '--of', link, '-p', '-1', ...local]);
  await said(standby, /in sync with .*: ready to take over/);
  const of = async (at: number) => ({
    general: pick(await stats(at), ofRegion),
    settings: without(await stats(at, 'settings'), ['tcpport']),
    slabs: pick(await stats(at, 'slabs'), null),
  });
  const before = await of(port);
  expect(before.general['limit_maxbytes']).toBe(String(256 * 2 ** 20));
  expect(before.settings).toMatchObject({
    maxbytes: String(256 * 2 ** 20),
    growth_factor: '1.50',
    chunk_size: '96',
    item_size_max: String(2 * 2 ** 20),
  });
  client.close();

  process.kill(primary.pid, 'SIGKILL');
  const heirPort = Number((await said(standby, /serving on port (\d+)/))[1]);
  await until('the end of the adoption', async () => {
    return (await stats(heirPort)).get('hotspare_pages_to_adopt') === '0';
  });
  expect(await of(heirPort)).toEqual(before);
});

async function start(args: readonly string[]): Promise<Child> {
  const node = await hotspare(...args);
  nodes.push(node);
  return node;
}

type Rows = ReadonlyMap<string, string>;

/** The rows of these names; null: those that tell what is there, not what was done. */
function pick(rows: Rows, names: readonly string[] | null): Record<string, string> {
  const told = /chunk|pages|active_slabs|total_malloced/;
  const wanted = (name: string): boolean =>
    names === null ? told.test(name) : names.includes(name);
  return Object.fromEntries([...rows].filter(([name]) => wanted(name)));
}

function without(rows: Rows, names: readonly string[]): Record<string, string> {
  return Object.fromEntries([...rows].filter(([name]) => !names.includes(name)));
}
