/** What is written for people ends no node and makes none wait: a full disk, a reader that is gone or stands still. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import { gone, hotspare, main, patienceMs, stats } from '../support/nodes.js';
import { type Child, startChild } from '../support/process.js';
import { until, within } from '../support/until.js';

let folder = '';
const children: Child[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-log-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) await child.end();
  rmSync(folder, { recursive: true });
});

/** A place for stderr, and what breaks it once the process that writes there serves. */
interface Place {
  readonly path: string;
  spoil(): void;
  end(): void;
}

const places: Readonly<Record<string, () => Place>> = {
  'a full disk': () => ({ path: '/dev/full', spoil: () => {}, end: () => {} }),
  'a pipe whose reader is gone': () => {
    const { path, reader } = pipe();
    return { path, spoil: () => closeSync(reader), end: () => {} };
  },
  'a pipe whose reader stands still': () => {
    const { path, reader } = pipe();
    return { path, spoil: () => fill(path), end: () => closeSync(reader) };
  },
};

describe.each(Object.entries(places))('with %s behind stderr', (_, make) => {
  let place: Place;
  beforeEach(() => {
    place = make();
  });
  afterEach(() => place.end());

  test('a standby takes over, serves, and goes on alone when its own standby dies', async () => {
    const [port, link, next] = [await freePort(), await freePort(), await freePort()];
    const patient = ['--dead-after', '440', '--ack-timeout', '4000'];
    const listen = ['-p', `${port}`, '-l', '127.0.0.1', '-v', ...patient];
    const primary = await node(place, ...listen, '-m', '64', '--link-listen', `127.0.0.1:${link}`);
    await answers(port);
    const heir = ['standby', '--of', `127.0.0.1:${link}`, ...listen];
    await node(place, ...heir, '--link-listen', `127.0.0.1:${next}`);
    await inSync(port);
    place.spoil();
    await stored(port, 'k');
    primary.signal('SIGKILL');
    await gone(primary.pid);
    await found(port, 'k');
    const second = await hotspare('standby', '--of', `127.0.0.1:${next}`, ...listen);
    children.push(second);
    await inSync(port);
    second.signal('SIGKILL');
    await gone(second.pid);
    await stored(port, 'l');
    const lost = Number((await stats(port)).get('hotspare_log_lines_lost'));
    if (place.path === '/dev/full') expect(lost).toBeGreaterThan(0);
  });

  test('a pair starts whatever dies again', async () => {
    const port = await freePort();
    const pair = await node(place, 'pair', '-p', `${port}`, '-l', '127.0.0.1', '-m', '64', '-v');
    await inSync(port);
    place.spoil();
    await stored(port, 'k');
    for (let round = 0; round < 2; round++) {
      const pid = Number((await stats(port)).get('pid'));
      process.kill(pid, 'SIGKILL');
      await gone(pid);
      await found(port, 'k');
      await inSync(port);
    }
    expect(pair.running()).toBe(true);
  });

  test('a node that is asked to end does', async () => {
    const port = await freePort();
    const served = await node(place, '-p', `${port}`, '-l', '127.0.0.1', '-m', '64');
    await answers(port);
    place.spoil();
    served.signal('SIGTERM');
    expect(await served.exited).toEqual({ code: 0, signal: null });
  });
});

// It stood in that write for ever, with its sockets open: its standby saw silence, and clients waited.
test('an assertion of the addon that fails ends a process whose stderr nobody reads', async () => {
  const { path, reader } = pipe();
  fill(path);
  // Two sinks at once are an error of the caller.
  const script = `const { Wire } = require('${join(dirname(main), '../src/net/wire.js')}');
    const wire = new Wire({ connectionsMax: 2 });
    const { connection } = wire.pair(() => ({ data: (_, length) => length, closed: () => {} }));
    for (const _ of [1, 2]) wire.transport.skip(connection, 10);`;
  const words = `exec '${process.execPath}' -e "$0" 2>'${path}'`;
  const child = await startChild('sh', ['-c', words, script]);
  children.push(child);
  expect(await within('its end', patienceMs, child.exited)).toEqual({
    code: null,
    signal: 'SIGABRT',
  });
  closeSync(reader);
});

test('a reader that comes back learns how many lines it has missed, and the rest in order', async () => {
  const { path, reader } = pipe();
  const port = await freePort();
  const served = await node({ path, spoil: () => {}, end: () => {} }, '-p', `${port}`, '-m', '64');
  await until('its first line', () => heard(reader).includes('serving on'));
  closeSync(reader);
  const again = async (): Promise<string | undefined> => {
    served.signal('SIGHUP');
    return (await stats(port)).get('hotspare_log_lines_lost');
  };
  served.signal('SIGUSR2');
  await until('a lost line', async () => Number((await again()) ?? 0) > 0);
  const back = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  served.signal('SIGTERM');
  await served.exited;
  const text = heard(back);
  closeSync(back);
  expect(text).toMatch(
    /^20\S+Z hotspare: 1 line could not be written: broken pipe\n20\S+Z hotspare: ending: SIGTERM\n$/,
  );
});

test('the last words of a program that cannot start are whole', async () => {
  const child = await hotspare('-p', '99999999');
  children.push(child);
  expect((await child.exited).code).toBe(64);
  expect(child.output()).toMatch(/^hotspare: .*\n$/);
});

test('a help that nobody reads to its end is no error', async () => {
  const line = `'${process.execPath}' '${main}' -h | head -1; '${process.execPath}' '${main}' -h > /dev/full`;
  const child = await startChild('sh', ['-c', line]);
  children.push(child);
  await child.exited;
  expect(child.output()).not.toMatch(/Error|node:/);
});

async function node(place: Place, ...args: string[]): Promise<Child> {
  const words = [process.execPath, main, ...args].map((word) => `'${word}'`).join(' ');
  const child = await startChild('sh', ['-c', `exec ${words} 2>'${place.path}'`]);
  children.push(child);
  return child;
}

function pipe(): { path: string; reader: number } {
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  return { path, reader: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) };
}

/** What stands in a pipe. */
function heard(reader: number): string {
  const bytes = Buffer.alloc(65_536);
  try {
    return bytes.toString('utf8', 0, readSync(reader, bytes, 0, bytes.length, null));
  } catch {
    return '';
  }
}

/** Writes until nothing more goes in. */
function fill(path: string): void {
  const descriptor = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    for (;;) writeSync(descriptor, 'x');
  } catch (error) {
    expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN');
  } finally {
    closeSync(descriptor);
  }
}

async function asked(port: number, sent: string): Promise<string | null> {
  let client: Client | null = null;
  try {
    client = await Client.connect('127.0.0.1', port);
    await client.send(sent);
    return await client.readLine();
  } catch {
    return null;
  } finally {
    client?.close();
  }
}

function answers(port: number): Promise<boolean> {
  const version = async () => (await asked(port, 'version\r\n')) !== null;
  return until('an answer', version, { withinMs: patienceMs });
}

function found(port: number, key: string): Promise<boolean> {
  const there = async () => (await asked(port, `get ${key}\r\n`)) === `VALUE ${key} 0 1`;
  return until(`${key} to be found`, there, { withinMs: patienceMs });
}

function stored(port: number, key: string): Promise<boolean> {
  const done = async () => (await asked(port, `set ${key} 0 0 1\r\nx\r\n`)) === 'STORED';
  return until(`${key} to be stored`, done, { withinMs: patienceMs });
}

function inSync(port: number): Promise<boolean> {
  const done = async () => {
    const rows = await stats(port).catch(() => null);
    return rows?.get('mirror_state') === 'in_sync';
  };
  return until('a standby in sync', done, { withinMs: patienceMs });
}
