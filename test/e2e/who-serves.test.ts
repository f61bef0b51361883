/**
 * Who may serve, between nodes without a supervisor: an address that is taken, two reigns that meet behind a cut, a
 * standby whose primary is deposed by another, a node that comes back empty. Named after the faults that were found.
 */
import { createSocket } from 'node:dgram';
import { mkdtempSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { hotspare, patienceMs, said, stats } from '../support/nodes.js';
import type { Child } from '../support/process.js';
import { Relay } from '../support/relay.js';
import { until, within } from '../support/until.js';

const host = '127.0.0.1';
/** A test's nodes share the machine with other tests' nodes: silence is no death here before this. */
const times = ['--dead-after', '400', '--ack-timeout', '2000'];

const nodes: Child[] = [];
const relays: Relay[] = [];
const servers: { close(): unknown }[] = [];

afterEach(async () => {
  for (const node of nodes) node.signal('SIGCONT');
  await Promise.all(nodes.splice(0).map((node) => node.end()));
  for (const relay of relays.splice(0)) relay.end();
  for (const server of servers.splice(0)) server.close();
});

interface Node {
  readonly child: Child;
  readonly port: number;
  readonly link: string;
}

async function start(of: string | null, port?: number, linkPort?: number): Promise<Node> {
  const clients = port ?? (await freePort());
  const link = `${host}:${linkPort ?? (await freePort())}`;
  const common = ['-p', String(clients), '-l', host, '--link-listen', link, '-v', ...times];
  const role = of === null ? ['-m', '8'] : ['standby', '--of', of];
  const child = await hotspare(...role, ...common);
  nodes.push(child);
  await said(child, of === null ? /serving on port/ : /in sync with/);
  return { child, port: clients, link };
}

/** A primary and its standby in sync, with a relay on their link. */
async function behindRelay(
  heirLinkPort?: number,
): Promise<{ old: Node; heir: Node; relay: Relay }> {
  const old = await start(null);
  const relay = new Relay(Number(old.link.split(':')[1]));
  relays.push(relay);
  const heir = await start(`${host}:${await relay.listen()}`, undefined, heirLinkPort);
  await said(old.child, /is in sync/);
  return { old, heir, relay };
}

async function store(port: number, key: string, value: string): Promise<void> {
  const client = await Client.connect(host, port);
  await client.send(`set ${key} 0 0 ${value.length}\r\n${value}\r\n`);
  await until('the answer', () => client.peek().length > 0, { withinMs: patienceMs });
  expect(await client.readLine()).toBe('STORED');
  client.close();
}

async function read(port: number, key: string): Promise<string> {
  const client = await Client.connect(host, port);
  await client.send(`get ${key}\r\n`);
  const text = await client.readUntil('END', (all) => all.endsWith('END\r\n'));
  client.close();
  return text.toString().split('\r\n')[1] ?? '';
}

describe('an address that is taken', () => {
  // L2: the heir ended after ten seconds (71), and the primary that it had deposed as well (69).
  test('is tried on by an heir, which holds the cache, and by its old primary, which mirrors it', async () => {
    const old = await start(null);
    const port = await freePort();
    const heir = await start(old.link, port);
    await said(heir.child, /in sync with \S+: ready to take over/);
    const holder = net.createServer();
    servers.push(holder);
    await new Promise<void>((resolve) => holder.listen(port, host, resolve));
    await said(heir.child, /NOT ready to take over: failed to listen on TCP .*already in use/);
    await store(old.port, 'k', 'kept');

    old.child.signal('SIGSTOP');
    await said(heir.child, /already in use; trying on: this node holds the cache \(stop what/);
    old.child.signal('SIGCONT');
    await said(old.child, /deposed: epoch 2 reigns now/);
    await said(old.child, /in sync with/);
    expect(heir.child.output()).not.toMatch(/serving/);
    // Each of a thousand attempts a second was logged.
    const attempts = heir.child.output().match(/: bindFailed → binding/g)!;
    expect(attempts.length).toBeLessThan(3);
    await new Promise((resolve) => holder.close(resolve));
    await said(heir.child, /serving on port \d+, epoch 2/);
    expect(await read(port, 'k')).toBe('kept');
  });
});

describe('addresses for clients', () => {
  /** A primary and its standby with these addresses of their own or in common; resolves to what the standby says. */
  async function nodesAt(primary: readonly string[], standby: readonly string[]): Promise<string> {
    const link = `${host}:${await freePort()}`;
    const old = await hotspare('-l', host, '--link-listen', link, ...primary, ...times);
    nodes.push(old);
    await said(old, /serving on/);
    const heir = await hotspare('standby', '--of', link, '-l', host, ...standby, ...times);
    nodes.push(heir);
    return (await said(heir, /in sync with \S+: (.*)/))[1]!;
  }

  test('of UDP and of a UNIX socket that another program holds are said at the start', async () => {
    const port = await freePort();
    const socket = createSocket('udp4');
    servers.push(socket);
    await new Promise<void>((resolve) => socket.bind(port, host, resolve));
    const udp = ['-p', String(await freePort()), '-U', String(port)];
    const none = ['-p', '-1'];
    expect(await nodesAt(none, udp)).toMatch(
      /^NOT ready to take over: .* UDP .*Address already in use/,
    );
    const path = join(mkdtempSync(join(tmpdir(), 'hotspare-')), 'socket');
    const holder = net.createServer();
    servers.push(holder);
    await new Promise<void>((resolve) => holder.listen(path, resolve));
    expect(await nodesAt(none, ['-s', path])).toMatch(
      /^NOT ready to take over: .* UNIX .*Address already in use/,
    );
  });

  test('that the primary holds on the same machine are free when it is dead', async () => {
    const ports = ['-p', String(await freePort()), '-U', String(await freePort())];
    expect(await nodesAt(ports, ports)).toBe('ready to take over');
    const path = ['-s', join(mkdtempSync(join(tmpdir(), 'hotspare-')), 'socket')];
    expect(await nodesAt(path, path)).toBe('ready to take over');
  });
});

describe('two reigns that meet', () => {
  // L6: 611 of 611 and 629 of 629 writes were given up for a reign that nobody had used.
  test('an heir that nobody used gives way to a primary that went on', async () => {
    const { old, heir, relay } = await behindRelay();
    await store(old.port, 'k', 'before');
    relay.hold();
    await said(heir.child, /serving on port \d+, epoch 2/);
    // Answered once the lease of the lost standby is over.
    await store(old.port, 'k', 'after');
    relay.leadTo(Number(old.link.split(':')[1]));
    await said(old.child, /reigns with epoch 2, and must give way: we have acknowledged 1 changes/);
    await said(heir.child, /in sync with/, 2);
    expect(await read(old.port, 'k')).toBe('after');
    expect((await stats(old.port)).get('mirror_epoch')).toBe('3');
    await expect(Client.connect(host, heir.port)).rejects.toThrow();
    // And what the heir has now is the reign that went on.
    old.child.signal('SIGKILL');
    await said(heir.child, /serving on port \d+, epoch 4/);
    expect(await read(heir.port, 'k')).toBe('after');
  });

  test('a primary that went on gives way to an heir that was used, and says what is lost', async () => {
    const { old, heir, relay } = await behindRelay();
    relay.hold();
    await said(heir.child, /serving on port \d+, epoch 2/);
    await store(old.port, 'a', '1');
    await store(old.port, 'b', '1');
    await store(heir.port, 'k', 'heir');
    relay.leadTo(Number(old.link.split(':')[1]));
    await said(
      old.child,
      /deposed: epoch 2 reigns now, ours was 1; 2 changes acknowledged .* lost/,
    );
    await said(old.child, /in sync with/);
    expect(await read(heir.port, 'k')).toBe('heir');
  });

  // Its knock named the port of the flag: 0, at which nobody listens. The primary ended.
  test('an heir whose link port the system chose says in its knock which one that is', async () => {
    const { old, heir, relay } = await behindRelay(0);
    relay.hold();
    await said(heir.child, /serving on port \d+, epoch 2/);
    await store(heir.port, 'k', 'heir');
    relay.leadTo(Number(old.link.split(':')[1]));
    await said(old.child, /deposed: epoch 2 reigns now/);
    await said(old.child, /in sync with/);
    expect(await read(heir.port, 'k')).toBe('heir');
  });

  // L1: the standby found its primary's link closed, took over, and both acknowledged for ever.
  test('a deposed primary tells its standby who reigns: it does not take over', async () => {
    const { old, heir, relay } = await behindRelay();
    relay.hold();
    await said(heir.child, /serving on port \d+, epoch 2/);
    await store(heir.port, 'k', 'heir');
    const second = await start(old.link);
    relay.leadTo(Number(old.link.split(':')[1]));
    await said(old.child, /deposed: epoch 2 reigns now/);
    await said(second.child, /epoch 2 reigns elsewhere now: at \S+/);
    // One of the two is the heir's standby, and the other waits for its turn.
    await said(heir.child, /is in sync/);
    expect(second.child.output()).not.toMatch(/is dead|serving/);
    expect(await read(heir.port, 'k')).toBe('heir');
  });
});

describe('two heirs of one primary', () => {
  const gaveWay = /deposed: epoch \d+ reigns now|epoch \d+ reigns elsewhere now/;

  async function oneGivesWay(...heirs: readonly [Node, Node]) {
    const loser = await until(
      'one to give way',
      () => heirs.find(({ child }) => gaveWay.test(child.output())),
      { withinMs: patienceMs },
    );
    return { loser, winner: heirs.find((one) => one !== loser)! };
  }

  // L1: they had the same epoch, knew nothing of each other, and both served for ever.
  test('are led together by the primary that gave way to one of them: one goes on', async () => {
    // The system chooses the first heir's link port when it reigns, so the second was not told of it.
    const { old, heir, relay } = await behindRelay(0);
    const oldLink = Number(old.link.split(':')[1]);
    relay.hold();
    await said(heir.child, /serving on port \d+, epoch 2/);
    await store(heir.port, 'k', 'first');
    const cut = new Relay(oldLink);
    relays.push(cut);
    const second = await start(`${host}:${await cut.listen()}`);
    await said(old.child, /is in sync/, 2);
    cut.hold();
    await said(second.child, /serving on port \d+, epoch 2/);
    await store(second.port, 'k', 'second');
    // The primary hears of the second heir, and mirrors it; then the first comes back.
    cut.leadTo(oldLink);
    await said(old.child, /deposed: epoch 2 reigns now/);
    await said(old.child, /in sync with/);
    relay.leadTo(oldLink);
    const { winner, loser } = await oneGivesWay(heir, second);
    await until(
      'its clients to be sent away',
      () =>
        Client.connect(host, loser.port).then(
          (client) => {
            client.close();
            return false;
          },
          () => true,
        ),
      { withinMs: patienceMs },
    );
    expect(winner.child.output()).not.toMatch(gaveWay);
    expect(await read(winner.port, 'k')).toBe(winner === heir ? 'first' : 'second');
  });

  test('find each other while their primary is away: its welcome told the second of the first', async () => {
    const { old, heir, relay } = await behindRelay();
    relay.hold();
    await said(heir.child, /serving on port \d+, epoch 2/);
    const second = await start(old.link);
    old.child.signal('SIGSTOP');
    const { winner, loser } = await oneGivesWay(heir, second);
    await said(loser.child, /in sync with/, 2);
    expect(winner.child.output()).not.toMatch(gaveWay);
  });
});

describe('a node that comes back', () => {
  // L5: 352 to 355 writes were acknowledged by an empty cache, and lost.
  test('empty, while its heir reigns, answers nobody: it becomes the standby', async () => {
    const old = await start(null);
    const heir = await start(old.link);
    old.child.signal('SIGKILL');
    await said(heir.child, /serving on port \d+, epoch 2/);
    const flags = ['-m', '8', '-p', String(old.port), '-l', host, '--link-listen', old.link];
    const again = await hotspare(...flags, ...times);
    nodes.push(again);
    const client = await until('its port', () => Client.connect(host, old.port).catch(() => null), {
      withinMs: patienceMs,
      everyMs: 5,
    });
    await client.send('set k 0 0 1\r\n1\r\n');
    expect((await client.readClosed(patienceMs)).toString()).toBe('');
    await said(again, /in sync with/);
    expect(again.output()).not.toMatch(/serving/);
  });
});

describe('a standby that is asked to end', () => {
  // O6: the reset of its connection overtook its last word, and clients waited for its lease.
  test('is heard to leave, also while batches are on their way to it', async () => {
    const old = await start(null);
    const client = await Client.connect(host, old.port);
    for (let round = 1; round <= 4; round++) {
      const standby = await start(old.link);
      await said(old.child, /is in sync/, round);
      let writing = true;
      const write = async (): Promise<void> => {
        while (writing) await client.send(`set k 0 0 1 noreply\r\n1\r\n`.repeat(50));
      };
      const writes = write();
      standby.child.signal('SIGTERM');
      await within('its end', patienceMs, standby.child.exited);
      await said(old.child, /standby \w+ lost: it has ended in order/, round);
      writing = false;
      await writes;
    }
    client.close();
    expect(old.child.output()).not.toMatch(/may take over/);
  });
});

describe('a pair', () => {
  // O6: a terminal and a service manager send their signal to every process at once.
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'whose processes are all sent %s at once ends without a takeover',
    async (signal) => {
      const pair = await hotspare(
        'pair',
        '-p',
        String(await freePort()),
        '-l',
        host,
        '-v',
        ...times,
      );
      nodes.push(pair);
      await said(pair, /standby \w+ is in sync/);
      const pids = [...pair.output().matchAll(/started as (primary|standby), pid (\d+)/g)];
      for (const [, , pid] of pids) process.kill(Number(pid), signal);
      pair.signal(signal);
      expect((await within('its end', patienceMs, pair.exited)).code).toBe(0);
      expect(pair.output()).not.toMatch(/is dead|epoch 2/);
    },
  );
});
