/**
 * Two plain nodes without a supervisor: a primary that was only stopped comes back while its standby reigns. It must
 * answer nobody, and become the standby of the new primary.
 */
import { afterEach, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { hotspare, patienceMs, said, stats } from '../support/nodes.js';
import type { Child } from '../support/process.js';
import { until, within } from '../support/until.js';

const host = '127.0.0.1';
let nodes: Child[] = [];
let clients: Client[] = [];

afterEach(async () => {
  for (const client of clients) client.close();
  clients = [];
  for (const node of nodes) node.signal('SIGCONT');
  await Promise.all(nodes.map((node) => node.end()));
  nodes = [];
});

test('an old primary that wakes up answers nobody and mirrors the new one', async () => {
  const { old, oldPort, heir, heirPort } = await twoNodes();
  const [writer, reader] = [await connect(oldPort), await connect(oldPort)];
  await writer.send('set k 7 0 5\r\nfirst\r\n');
  expect(await writer.readLine()).toBe('STORED');

  old.signal('SIGSTOP');
  await said(heir, /serving on port \d+, epoch 2/);
  // What reaches the old primary while it sleeps is waiting for it when it wakes up.
  await writer.send('set k 0 0 4\r\nlate\r\nget k\r\n');
  await reader.send('get k\r\n');
  await expectItem(heirPort, 'k', 'VALUE k 7 5\r\nfirst\r\nEND\r\n');
  await store(heirPort, 'k', 'second');

  old.signal('SIGCONT');
  await said(old, /deposed: epoch 2 reigns now, ours was 1/);
  expect((await writer.readClosed(patienceMs)).toString()).toBe('');
  expect((await reader.readClosed(patienceMs)).toString()).toBe('');
  await said(old, /in sync with/);
  await expect(Client.connect(host, oldPort)).rejects.toThrow();
  await until(
    'the new primary to have a standby',
    async () => (await stats(heirPort)).get('mirror_state') === 'in_sync',
    { withinMs: patienceMs },
  );
  await expectItem(heirPort, 'k', 'VALUE k 0 6\r\nsecond\r\nEND\r\n');

  // And back again: what it holds now is the new reign's.
  heir.signal('SIGKILL');
  await within('the end of the heir', patienceMs, heir.exited);
  await said(old, /serving on port \d+, epoch 3/);
  await expectItem(oldPort, 'k', 'VALUE k 0 6\r\nsecond\r\nEND\r\n');
});

test('so does one whose clients have never stopped asking', async () => {
  const { old, oldPort, heir } = await twoNodes();
  const asking = await Promise.all(Array.from({ length: 20 }, () => connect(oldPort)));
  const lines = 'set k 0 0 1\r\n1\r\nget k\r\n';
  for (const client of asking) await client.send(lines);
  for (const client of asking) {
    await client.readUntil('an answer', (text) => text.endsWith('END\r\n'));
  }
  old.signal('SIGSTOP');
  for (const client of asking) await client.send(lines.repeat(50));
  await said(heir, /serving on port \d+, epoch 2/);
  old.signal('SIGCONT');
  // Requests that were executed before it knew may be answered only if the standby has acked them; it has fenced.
  for (const client of asking) {
    expect((await client.readClosed(patienceMs)).toString()).toBe('');
  }
  await said(old, /in sync with/);
});

interface Two {
  readonly old: Child;
  readonly oldPort: number;
  readonly heir: Child;
  readonly heirPort: number;
}

/** A primary and a standby in sync, each with ports of its own, which it keeps in whatever role. */
async function twoNodes(): Promise<Two> {
  const [oldPort, heirPort] = [await freePort(), await freePort()];
  const [oldLink, heirLink] = [`${host}:${await freePort()}`, `${host}:${await freePort()}`];
  const common = ['-l', host, '-v', '-p'];
  const old = await hotspare(...common, String(oldPort), '--link-listen', oldLink);
  nodes.push(old);
  await said(old, /serving on port/);
  const links = ['--of', oldLink, '--link-listen', heirLink];
  const heir = await hotspare('standby', ...links, ...common, String(heirPort));
  nodes.push(heir);
  await said(old, /is in sync/);
  return { old, oldPort, heir, heirPort };
}

async function connect(port: number): Promise<Client> {
  const client = await Client.connect(host, port);
  clients.push(client);
  return client;
}

async function expectItem(port: number, key: string, reply: string): Promise<void> {
  const client = await connect(port);
  await client.send(`get ${key}\r\n`);
  const text = await client.readUntil('END', (all) => all.endsWith('END\r\n'));
  expect(text.toString()).toBe(reply);
}

async function store(port: number, key: string, value: string): Promise<void> {
  const client = await connect(port);
  await client.send(`set ${key} 0 0 ${value.length}\r\n${value}\r\n`);
  expect(await client.readLine()).toBe('STORED');
}
