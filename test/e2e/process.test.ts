/** What a server does as a process: background, pid file, user, signals, and what it does with clients too many. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { exitStatus } from '../../src/base/errors.js';
import { Client } from '../support/client.js';
import {
  expectRefusal,
  gone,
  hotspare,
  lives,
  main,
  patienceMs,
  said,
  stats,
} from '../support/nodes.js';
import { type Child, run, startChild } from '../support/process.js';
import { until, within } from '../support/until.js';

const alone = ['-p', '-1', '-l', '127.0.0.1'];
const isRoot = process.getuid!() === 0;
let folder: string;
let children: Child[] = [];
let daemons: number[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-process-'));
});

afterEach(async () => {
  await Promise.all(children.map((child) => child.end()));
  for (const pid of daemons.filter(lives)) process.kill(pid, 'SIGKILL');
  children = [];
  daemons = [];
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('-d and -P', () => {
  test('the command ends when the server serves; the pid file when the server ends', async () => {
    const port = String(await freePort());
    const pidFile = join(folder, 'pid');
    const args = ['-d', '-p', port, '-l', '127.0.0.1', '-P', pidFile, '-t', '2'];
    const begun = await run(process.execPath, [main, ...args], patienceMs);
    expect(begun.code).toBe(0);
    expect(begun.output.match(/-t 2:/g)).toHaveLength(1);
    const pid = Number(readFileSync(pidFile, 'utf8'));
    daemons.push(pid);
    expect((await stats(Number(port))).get('pid')).toBe(String(pid));
    // In a session of its own, with nothing of ours open.
    const session = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /, '')
      .split(' ')[3];
    expect(Number(session)).toBe(pid);
    process.kill(pid, 'SIGHUP');
    expect((await stats(Number(port))).get('pid')).toBe(String(pid));
    process.kill(pid, 'SIGTERM');
    await gone(pid);
    expect(existsSync(pidFile)).toBe(false);
  });

  test('what keeps it from serving is said by the command', async () => {
    const first = await start();
    const port = await portOf(first);
    const pidFile = join(folder, 'none');
    const args = ['-d', '-p', String(port), '-l', '127.0.0.1', '-P', pidFile];
    await expectRefusal(args, exitStatus.LISTEN, /Address already in use/);
    expect(existsSync(pidFile)).toBe(false);
    const pair = ['pair', '-d', '-p', String(port), '-l', '127.0.0.1', '-m', '8'];
    await expectRefusal(pair, exitStatus.LISTEN, /Address already in use/);
  });

  test('a pair goes into the background as a whole', async () => {
    const port = await freePort();
    const pidFile = join(folder, 'pair');
    const clients = ['-A', '-D', '/', '-R', '9', '-o', 'idle_timeout=77', '-o', 'no_maxconns_fast'];
    const own = ['-d', '-P', pidFile, '-m', '8'];
    const args = ['pair', ...own, '-p', String(port), '-l', '127.0.0.1', ...clients];
    const begun = await run(process.execPath, [main, ...args], patienceMs);
    expect({ code: begun.code, output: begun.output }).toMatchObject({ code: 0 });
    const pid = Number(readFileSync(pidFile, 'utf8'));
    daemons.push(pid);
    const node = Number((await stats(port)).get('pid'));
    expect(node).not.toBe(pid);
    // Each of them is said once, and reaches the nodes.
    expect(begun.output.match(/-R 9:/g)).toHaveLength(1);
    expect(await settings(port)).toMatchObject({
      shutdown_command: 'yes',
      stat_key_prefix: '/',
      reqs_per_event: '9',
      idle_timeout: '77',
      maxconns_fast: 'no',
    });
    process.kill(pid, 'SIGTERM');
    await gone(pid);
    await gone(node);
    expect(existsSync(pidFile)).toBe(false);
  });

  test('a pid file of a process that runs is told of, and taken over', async () => {
    const pidFile = join(folder, 'taken');
    writeFileSync(pidFile, `${process.pid}\n`);
    const node = await start('-P', pidFile);
    await said(
      node,
      new RegExp(`The pid file contained the following \\(running\\) pid: ${process.pid}`),
    );
    expect(readFileSync(pidFile, 'utf8')).toBe(`${node.pid}\n`);
    await node.end();
    expect(existsSync(pidFile)).toBe(false);
  });
});

describe('-u', () => {
  const asRoot = isRoot ? test : test.skip;
  const userOf = (pid: number) =>
    /^Uid:\s+(\d+\s+\d+\s+\d+\s+\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1];
  const nobody = /^nobody:[^:]*:(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))![1]!;
  const all = Array<string>(4).fill(nobody).join('\t');

  asRoot('root is given up, with its groups, once the port is bound', async () => {
    const node = await start('-u', 'nobody');
    const user = await until('another user', () => userOf(node.pid) === all && userOf(node.pid));
    expect(user).toBe(all);
    const status = readFileSync(`/proc/${node.pid}/status`, 'utf8');
    expect(/^Groups:\s*$/m.test(status)).toBe(true);
    expect(/^CapEff:\s*0+$/m.test(status)).toBe(true);
    expect((await stats(await portOf(node))).get('curr_items')).toBe('0');
  });

  asRoot('a standby gives it up before it attaches, and takes over all the same', async () => {
    const port = String(await freePort());
    const common = ['-p', port, '-l', '127.0.0.1', '-u', 'nobody', '--link-listen', '127.0.0.1:0'];
    const primary = await hotspare(...common, '-m', '8');
    children.push(primary);
    const [, of] = await said(primary, /standbys attach at 127\.0\.0\.1:(\d+)/);
    const standby = await hotspare('standby', ...common, '--of', `127.0.0.1:${of}`);
    children.push(standby);
    await said(standby, /in sync with/);
    expect(userOf(standby.pid)).toBe(all);
    primary.signal('SIGKILL');
    await said(standby, /serving on port/);
  });
});

describe('signals', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGUSR1'] as const)('%s ends it in order', async (signal) => {
    const node = await start();
    node.signal(signal);
    expect(await within('its end', patienceMs, node.exited)).toEqual({ code: 0, signal: null });
  });

  // libfabric's shm provider took the signals: the process ended with status 1, and nothing in order.
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s ends nodes that link in order, too',
    async (signal) => {
      const links = [...alone, '--link-listen', '127.0.0.1:0', '-P'];
      const primary = await hotspare(...links, join(folder, 'primary'));
      children.push(primary);
      const [, at] = await said(primary, /standbys attach at (\S+)/);
      const standby = await hotspare('standby', ...links, join(folder, 'standby'), '--of', at!);
      children.push(standby);
      await said(standby, /in sync with/);
      for (const node of [standby, primary]) {
        node.signal(signal);
        expect((await node.exited).code).toBe(0);
        expect(node.output()).toContain(`ending: ${signal}`);
      }
      expect(existsSync(join(folder, 'primary')) || existsSync(join(folder, 'standby'))).toBe(
        false,
      );
    },
  );

  test('SIGHUP does not', async () => {
    const node = await start();
    node.signal('SIGHUP');
    expect((await stats(await portOf(node))).get('pid')).toBe(String(node.pid));
  });
});

describe('shutdown', () => {
  test.each(['shutdown', 'shutdown graceful'])('%s ends it, and answers nothing', async (line) => {
    const node = await start('-A');
    const client = await Client.connect('127.0.0.1', await portOf(node));
    await client.send(`${line}\r\nversion\r\n`);
    expect((await client.readClosed()).toString()).toBe('');
    client.close();
    expect(await within('its end', patienceMs, node.exited)).toEqual({ code: 0, signal: null });
  });
});

test('MEMCACHED_PORT_FILENAME names the ports that are bound, as memcached does', async () => {
  const file = join(folder, 'ports');
  const args = ['-p', '-1', '-l', '127.0.0.1', '-l', '127.0.0.1:0', '-v'];
  const node = await startChild(process.execPath, [main, ...args], {
    env: { MEMCACHED_PORT_FILENAME: file },
  });
  children.push(node);
  const [, first] = await said(node, /listening on 127\.0\.0\.1:(\d+)/);
  const [, second] = await said(node, /listening on 127\.0\.0\.1:(\d+)/, 2);
  await said(node, /serving/);
  expect(readFileSync(file, 'utf8')).toBe(`TCP INET: ${first}\nTCP INET: ${second}\n`);
});

test('-l with names, stars and both families', async () => {
  const port = await freePort();
  const node = await hotspare('-p', '-1', '-l', `localhost:${port},*:0`, '-v');
  children.push(node);
  await said(node, new RegExp(`listening on 127\\.0\\.0\\.1:${port}$`));
  await said(node, /listening on 0\.0\.0\.0:\d+$/);
  expect((await stats(port)).get('curr_connections')).toBe('1');
});

describe('-c', () => {
  test('one more waits with -o no_maxconns_fast, and is served when another leaves', async () => {
    const node = await start('-c', '2', '-o', 'no_maxconns_fast');
    const port = await portOf(node);
    const first = await Client.connect('127.0.0.1', port);
    const second = await Client.connect('127.0.0.1', port);
    await answered(first);
    await answered(second);
    const third = await Client.connect('127.0.0.1', port);
    await third.send('version\r\n');
    // The listener was found full, and nobody was refused.
    const row = async (name: string) => {
      await first.send('stats\r\n');
      const text = (await first.readUntil('stats', (all) => all.endsWith('END\r\n'))).toString();
      return new RegExp(`STAT ${name} (\\d+)`).exec(text)![1];
    };
    await until('a listener that waits', async () => (await row('listen_disabled_num')) === '1');
    expect(await row('accepting_conns')).toBe('0');
    expect(await row('rejected_connections')).toBe('0');
    second.close();
    expect((await third.readLine()).toString()).toMatch(/^VERSION/);
    first.close();
    await until('one to leave', async () => (await statOf(third, 'curr_connections')) === '1');
    expect(await statOf(third, 'accepting_conns')).toBe('1');
    expect(Number(await statOf(third, 'time_in_listen_disabled_us'))).toBeGreaterThan(0);
    third.close();
  });

  test('more than the process may have open', async () => {
    const few = ['bash', '-c', 'ulimit -n 500 && exec "$@"', 'few'];
    const sentence = /-c 501: failed to set rlimit for open files/;
    await expectRefusal([...alone, '-c', '501'], exitStatus.LISTEN, sentence, few);
  });
});

test('-o idle_timeout closes who sends nothing, and nobody else', async () => {
  const node = await start('-o', 'idle_timeout=1');
  const port = await portOf(node);
  const idle = await Client.connect('127.0.0.1', port);
  const busy = await Client.connect('127.0.0.1', port);
  // Half a value is not idle: memcached closes only who waits for a command.
  const halfway = await Client.connect('127.0.0.1', port);
  await halfway.send('set k 0 0 5\r\nab');
  let done = false;
  const traffic = until(
    'the idle one to be closed',
    async () => {
      await answered(busy);
      return done;
    },
    { withinMs: patienceMs, everyMs: 100 },
  );
  expect((await idle.readClosed(patienceMs)).length).toBe(0);
  done = true;
  await traffic;
  expect(await statOf(busy, 'idle_kicks')).toBe('1');
  await halfway.send('cde\r\n');
  expect((await halfway.readLine()).toString()).toBe('STORED');
  for (const client of [idle, busy, halfway]) client.close();
});

async function start(...args: string[]): Promise<Child> {
  const child = await hotspare(...alone, ...args);
  children.push(child);
  await said(child, /serving on port/);
  return child;
}

async function settings(port: number): Promise<Record<string, string>> {
  const client = await Client.connect('127.0.0.1', port);
  try {
    await client.send('stats settings\r\n');
    const text = await client.readUntil('settings', (all) => all.endsWith('END\r\n'));
    const rows = text.toString('latin1').matchAll(/^STAT (\S+) (.*)\r$/gm);
    return Object.fromEntries([...rows].map(([, name, value]) => [name, value]));
  } finally {
    client.close();
  }
}

async function portOf(node: Child): Promise<number> {
  const [, port] = await said(node, /serving on port (\d+)/);
  return Number(port);
}

async function answered(client: Client): Promise<void> {
  await client.send('version\r\n');
  expect((await client.readLine()).toString()).toMatch(/^VERSION/);
}

async function statOf(client: Client, name: string): Promise<string | undefined> {
  await client.send('stats\r\n');
  const text = await client.readUntil('stats', (all) => all.endsWith('END\r\n'));
  return new RegExp(`STAT ${name} (\\d+)`).exec(text.toString())?.[1];
}
