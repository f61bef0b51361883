/**
 * A server whose calls into the system fail, one by one: each client gets the right answer, or its connection is
 * closed; the server goes on, keeps what it acknowledged, and leaks no descriptor.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Client } from '../support/client.js';
import {
  descriptorsOf,
  exhaustive,
  type Fault,
  type FaultCode,
  Interposer,
  interposerMissing,
  short,
  Tally,
} from '../support/faults.js';
import { main, said } from '../support/nodes.js';
import { type Child, startChild } from '../support/process.js';
import { secureClient, tlsFlags } from '../support/tls-client.js';
import { slowness, until } from '../support/until.js';

const host = '127.0.0.1';
const missing = interposerMissing();
if (missing !== null) process.stderr.write(`${missing}\n`);

/** With FAULTS=all more than one scenario makes of any call. */
const nMost = exhaustive ? 400 : 8;
/** A listener that had no descriptor left is tried again by a sweep: within a second. */
const roundMs = 8000 * slowness;
const largeBytes = 2 ** 20 - 200;

/** The first code is always tried, the others with FAULTS=all. */
type Calls = readonly (readonly [string, readonly FaultCode[]])[];
const plainCalls: Calls = [
  ['accept4', ['ECONNABORTED', 'EMFILE', 'ENOMEM', 'EAGAIN', 'EINTR']],
  ['recv', ['ECONNRESET', short, 'EAGAIN', 'EINTR', 'EIO']],
  ['readv', ['ECONNRESET', short, 'EAGAIN', 'EINTR']],
  ['send', ['EPIPE', short, 'EAGAIN', 'EINTR', 'ENOMEM', 'ENOBUFS']],
  ['sendmsg', ['EPIPE', short, 'EAGAIN', 'EINTR', 'ENOMEM', 'ENOBUFS']],
  ['epoll_ctl', ['ENOMEM', 'ENOSPC']],
  ['epoll_wait', ['EINTR', 'EIO']],
  ['setsockopt', ['ENOMEM']],
  ['getsockopt', ['ENOMEM']],
  ['shutdown', ['ENOTCONN']],
  ['close', ['EIO', 'EINTR']],
];
const tlsCalls: Calls = [
  ['accept4', ['ECONNABORTED', 'EMFILE']],
  ['socketpair', ['EMFILE', 'ENOMEM']],
  ['epoll_ctl', ['ENOSPC', 'ENOMEM']],
  ['recv', ['ECONNRESET', short]],
  ['send', ['EPIPE', short]],
  ['getpeername', ['ENOBUFS']],
  ['getsockname', ['ENOBUFS']],
];
const kinds = {
  'a server': {
    flags: [] as string[],
    connect: (port: number): Promise<Client> => Client.connect(host, port),
    // Together more than the kernel's buffers between two sockets take.
    largeGets: 9,
    calls: plainCalls,
    reached: ['accept4', 'recv', 'readv', 'send', 'sendmsg', 'epoll_ctl', 'close'],
  },
  'a server with TLS': {
    flags: tlsFlags(),
    connect: (port: number): Promise<Client> => secureClient(port),
    largeGets: 2,
    calls: tlsCalls,
    reached: ['accept4', 'socketpair', 'epoll_ctl', 'recv', 'send'],
  },
} as const;
type Kind = (typeof kinds)[keyof typeof kinds];
/** Tried in the short run, too: they are handled in other ways than the first. */
const alwaysTried: readonly FaultCode[] = [short, 'EMFILE', 'EAGAIN'];

let interposer: Interposer;
let child: Child | null = null;

/** What a key may hold: more than one value after a set whose answer was not read. */
class Expected {
  private readonly values = new Map<string, Set<string>>();

  asked(key: string, value: string): void {
    this.values.set(key, new Set([...(this.values.get(key) ?? ['']), value]));
  }

  acknowledged(key: string, value: string): void {
    this.values.set(key, new Set([value]));
  }

  async check(client: Client): Promise<void> {
    for (const [key, allowed] of this.values) {
      const found = await get(client, key);
      if (!allowed.has(found)) throw new Error(`${key} holds ${digest(found)}`);
      this.acknowledged(key, found);
    }
  }
}

function digest(value: string): string {
  return `${value.length} bytes: ${value.slice(0, 20)}`;
}

async function get(client: Client, key: string): Promise<string> {
  await client.send(`get ${key}\r\n`);
  return readValue(client, key);
}

/** The answer to a get; '' where there is none. */
async function readValue(client: Client, key: string): Promise<string> {
  const line = await client.readLine();
  if (line === 'END') return '';
  const [, length] = new RegExp(`^VALUE ${key} 0 (\\d+)$`).exec(line) ?? [];
  if (length === undefined) throw new Error(`get ${key}: ${line}`);
  const rest = (await client.read(Number(length) + 7)).toString('latin1');
  if (!rest.endsWith('\r\nEND\r\n')) throw new Error(`get ${key}: it ends with ${rest.slice(-7)}`);
  return rest.slice(0, -7);
}

async function set(client: Client, expected: Expected, key: string, value: string): Promise<void> {
  expected.asked(key, value);
  await client.send(`set ${key} 0 0 ${value.length}\r\n${value}\r\n`);
  const line = await client.readLine();
  if (line !== 'STORED') throw new Error(`set ${key}: ${line}`);
  expected.acknowledged(key, value);
}

/** Small requests, alone and many at once, and an end that the client begins. */
async function small(client: Client, expected: Expected, round: number): Promise<void> {
  const keys = Array.from({ length: 20 }, (_, i) => `small${i}`);
  for (const key of keys.slice(0, 3)) await set(client, expected, key, `${key} of ${round}`);
  for (const key of keys) expected.asked(key, `all ${round}`);
  const value = `all ${round}`;
  await client.send(keys.map((key) => `set ${key} 0 0 ${value.length}\r\n${value}\r\n`).join(''));
  for (const key of keys) {
    const line = await client.readLine();
    if (line !== 'STORED') throw new Error(`set ${key}: ${line}`);
    expected.acknowledged(key, value);
  }
  await client.send(keys.map((key) => `get ${key}\r\n`).join(''));
  client.finish();
  for (const key of keys) {
    const found = await readValue(client, key);
    if (found !== value) throw new Error(`get ${key}: ${digest(found)}`);
  }
  await client.readClosed();
}

/** A value that is larger than any buffer, sent in two parts, and read by a client that is slow at first. */
async function large(
  client: Client,
  expected: Expected,
  round: number,
  largeGets: number,
  meanwhile: () => Promise<unknown>,
): Promise<void> {
  const value = String.fromCharCode(97 + (round % 26)).repeat(largeBytes) + round;
  expected.asked('large', value);
  const half = largeBytes / 2;
  await client.send(`set large 0 0 ${value.length}\r\n${value.slice(0, half)}`);
  await client.send(`${value.slice(half)}\r\n`);
  const line = await client.readLine();
  if (line !== 'STORED') throw new Error(`set large: ${line}`);
  expected.acknowledged('large', value);
  client.pause();
  await client.send('get large\r\n'.repeat(largeGets));
  // Another client is served meanwhile: what is sent to this one piles up.
  await meanwhile();
  client.resume();
  for (let i = 0; i < largeGets; i++) {
    const found = await readValue(client, 'large');
    if (found !== value) throw new Error(`get large: ${digest(found)}`);
  }
  await client.send('quit\r\n');
  await client.readClosed();
}

/** A refusal whose data must be skipped. */
async function tooLarge(client: Client): Promise<void> {
  const length = 2 ** 21;
  await client.send(`set x 0 0 ${length}\r\n${'x'.repeat(length)}\r\nversion\r\n`);
  expect(await client.readLine()).toMatch(/^SERVER_ERROR object too large/);
  expect(await client.readLine()).toMatch(/^VERSION/);
}

/** Also in mid-handshake. */
const wasClosed = /; the server closed;|ECONNRESET|disconnected before secure|mid-handshake/;

/** Runs one client to its end: 'answered', or 'closed' by the server. */
async function attempt(
  connect: Promise<Client>,
  work: (client: Client) => Promise<void>,
): Promise<'answered' | 'closed'> {
  let client: Client | null = null;
  try {
    client = await connect;
    await work(client);
    return 'answered';
  } catch (error) {
    if (wasClosed.test((error as Error).message)) return 'closed';
    throw error;
  } finally {
    client?.close();
  }
}

async function round(
  { connect, largeGets }: Kind,
  port: number,
  expected: Expected,
  number: number,
): Promise<string> {
  const meanwhile = (): Promise<string> =>
    attempt(connect(port), async (client) => {
      await client.send('version\r\n');
      expect(await client.readLine()).toMatch(/^VERSION/);
    });
  const all = await Promise.all([
    attempt(connect(port), (client) => small(client, expected, number)),
    attempt(connect(port), (client) => large(client, expected, number, largeGets, meanwhile)),
    attempt(connect(port), tooLarge),
  ]);
  const closed = all.filter((one) => one === 'closed').length;
  return closed === 0 ? 'answered' : `closed ${closed}`;
}

beforeAll(() => {
  if (missing === null) interposer = new Interposer();
});
afterEach(async () => {
  await child?.end();
  child = null;
});
afterAll(() => interposer?.end());

(missing === null ? describe : describe.skip)('whichever call fails', () => {
  test.each(Object.keys(kinds) as (keyof typeof kinds)[])(
    '%s answers rightly or closes',
    async (name) => {
      const kind = kinds[name];
      const fault = interposer.fault();
      const port = await freePort();
      const flags = ['-p', String(port), '-l', host, '-m', '32', '-v', ...kind.flags];
      child = await startChild(process.execPath, [main, ...flags], { env: fault.env });
      await said(child, /serving on port/);
      const tally = new Tally();
      const expected = new Expected();
      let number = 0;
      await round(kind, port, expected, number++);
      const baseline = await settled(child.pid);
      for (const [call, codes] of kind.calls) {
        for (const code of codes) {
          if (!exhaustive && code !== codes[0] && !alwaysTried.includes(code)) continue;
          for (let n = 1; n <= nMost; n++) {
            fault.arm(call, n, code);
            const outcome = await inTime(fault, round(kind, port, expected, number++));
            fault.disarm();
            if (fault.hits === 0) break;
            tally.add(call, code, n, outcome);
            await check(kind, child, port, expected, baseline, fault);
          }
        }
      }
      if (exhaustive) process.stderr.write(`${name}\n${tally}\n`);
      for (const call of kind.reached) expect([call, tally.reached(call)]).toEqual([call, true]);
      fault.close();
    },
    (exhaustive ? 300_000 : 60_000) * slowness,
  );
});

async function inTime<T>(fault: Fault, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${fault}: a round does not end`)), roundMs);
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    const { message } = error as Error;
    throw new Error(`${fault}: ${message}\n${child?.output()}`);
  } finally {
    clearTimeout(timer);
  }
}

async function check(
  { connect }: Kind,
  server: Child,
  port: number,
  expected: Expected,
  baseline: number,
  fault: Fault,
): Promise<void> {
  const checker = await inTime(fault, connect(port));
  try {
    await inTime(fault, expected.check(checker));
  } finally {
    checker.close();
  }
  const same = (): boolean => descriptorsOf(server.pid) === baseline;
  await until(() => `${fault}: ${descriptorsOf(server.pid)} descriptors, not ${baseline}`, same, {
    everyMs: 2,
  });
}

/** Descriptors once all clients have left. */
function settled(pid: number): Promise<number> {
  let last = -1;
  return until('descriptors that stay', () => {
    const now = descriptorsOf(pid);
    const same = now === last;
    last = now;
    return same ? now : null;
  });
}
