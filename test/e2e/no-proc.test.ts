/** Without /proc, as in a bare chroot, every node starts, mirrors and takes over. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { main, patienceMs, said, stats } from '../support/nodes.js';
import { type Child, run, startChild } from '../support/process.js';

const host = '127.0.0.1';
/** No living node is found silent, however busy the machine is. */
const patient = ['--dead-after', '20000', '--ack-timeout', '60000'];
/** Runs a command where an empty folder stands over /proc: this needs the right to mount. */
const bare = ['-m', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$@"', 'sh'] as const;
/** The same, and what stands over /proc is a /proc again. */
const mounted = [
  ...bare.slice(0, 2),
  'mount -t tmpfs none /proc && mount -t proc proc /proc && exec "$@"',
  'sh',
];
const mayMount = spawnSync('unshare', [...bare, 'true']).status === 0;

let folder: string;
const nodes: Child[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-bare-'));
});

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.end()));
  rmSync(folder, { recursive: true });
});

async function node(...args: string[]): Promise<Child> {
  const child = await startChild('unshare', [...bare, process.execPath, main, ...args]);
  nodes.push(child);
  return child;
}

(mayMount ? describe : describe.skip)('without /proc', () => {
  test('two nodes mirror, and the one that is left serves; their files are kept', async () => {
    const [link, file] = [`${host}:${await freePort()}`, join(folder, 'cache')];
    const common = ['-l', host, '-p', '-1', ...patient, '-e'];
    const primary = await node(...common, file, '-m', '8', '--link-listen', link);
    const [, port] = await said(primary, /serving on port (\d+)/);
    expect(primary.output()).toMatch(
      /\/proc does not tell how many files .* -c 1024 is taken as it is/,
    );
    const heir = await node('standby', '--of', link, ...common, join(folder, 'copy'));
    await said(heir, /in sync with \S+: ready to take over/);
    const client = await Client.connect(host, Number(port));
    await client.send('set k 0 0 1\r\n1\r\n');
    expect(await client.readLine()).toBe('STORED');
    client.close();
    primary.signal('SIGKILL');
    await primary.exited;
    const [, next] = await said(heir, /serving on port (\d+), epoch 2/);
    const reader = await Client.connect(host, Number(next));
    await reader.send('get k\r\n');
    expect(await reader.readLine()).toBe('VALUE k 0 1');
    reader.close();
  });

  test('a pair serves', async () => {
    const port = String(await freePort());
    const pair = await node('pair', '-l', host, '-m', '8', '-p', port, '-v', ...patient);
    await said(pair, /in sync/);
    expect((await stats(Number(port))).get('mirror_state')).toBe('in_sync');
  });

  test('doctor says what it cannot know, and knows it once /proc is mounted', async () => {
    const doctor = async (where: readonly string[]): Promise<string> =>
      (await run('unshare', [...where, process.execPath, main, 'doctor'], patienceMs)).output;
    const unknown = /rights +unknown: \/proc cannot be read/;
    const output = await doctor(bare);
    expect(output).toMatch(unknown);
    expect(output).toContain('mount /proc here');
    expect(await doctor(mounted)).not.toMatch(unknown);
  });
});
