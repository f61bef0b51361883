/**
 * The whole life of a process, from its start to its end in order, with one call into the system that fails: it serves
 * and loses nothing, or says in one line why it does not, with the exit status that is documented, and leaves a memory
 * file as it was.
 */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exitStatus } from '../../src/base/errors.js';
import { Client } from '../support/client.js';
import { mirrored } from '../support/digest.js';
import {
  exhaustive,
  expectClearEnd,
  type Fault,
  type FaultCode,
  Interposer,
  interposerMissing,
  short,
  Tally,
} from '../support/faults.js';
import { main, patienceMs } from '../support/nodes.js';
import { type Child, run, startChild } from '../support/process.js';
import { slowness, until } from '../support/until.js';

const missing = interposerMissing();
if (missing !== null) process.stderr.write(`${missing}\n`);

const nMost = exhaustive ? 100 : 12;
/** Of calls that only make things better the first alone is tried, but for FAULTS=all. */
const niceties = ['syscall', 'write', 'close', 'setsockopt'];
const roundsMs = (exhaustive ? 600_000 : 90_000) * slowness;
/** Processes at once. */
const workers = 3;

interface Kind {
  readonly flags: (files: Files) => string[];
  /** The first code is always tried, the others with FAULTS=all. */
  readonly calls: Readonly<Record<string, readonly FaultCode[]>>;
  /** A memory file that holds a cache, or none yet. */
  readonly file: 'old' | 'new' | null;
}

interface Files {
  readonly memory: string;
  readonly socket: string;
  readonly ports: string;
}

interface Plan {
  readonly call: string;
  readonly code: FaultCode;
  readonly n: number;
}

const tcp = ['-l', '127.0.0.1', '-p', '-1', '-m', '8'];
const kinds: Readonly<Record<string, Kind>> = {
  'TCP, UDP, a link and memory that is locked': {
    flags: () => [...tcp, '-U', '-1', '-k', '-L', '-v', '--link-listen', '127.0.0.1:0'],
    file: null,
    calls: {
      socket: ['EMFILE', 'ENOBUFS', 'EACCES'],
      bind: ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL'],
      listen: ['EADDRINUSE', 'ENOBUFS'],
      setsockopt: ['ENOMEM'],
      getsockname: ['ENOBUFS'],
      getaddrinfo: ['ENOMEM'],
      epoll_create1: ['EMFILE', 'ENOMEM'],
      epoll_ctl: ['ENOSPC', 'ENOMEM'],
      uv_poll_init: ['ENOSPC', 'ENOMEM'],
      memfd_create: ['EMFILE', 'ENOMEM', 'ENOSYS'],
      ftruncate: ['ENOSPC', 'EFBIG'],
      getrlimit: ['EPERM'],
      fcntl: ['EMFILE', 'EINVAL'],
      mmap: ['ENOMEM'],
      madvise: ['EINVAL'],
      mlock: ['ENOMEM', 'EPERM'],
      pthread_create: ['EAGAIN'],
      syscall: ['ENOSYS', 'EMFILE'],
      clone: ['EAGAIN'],
      write: ['EIO', 'EAGAIN', 'EINTR', short],
    },
  },
  'a UNIX socket and a memory file that holds a cache': {
    flags: ({ memory, socket }) => ['-s', socket, '-m', '8', '-v', '-e', memory],
    file: 'old',
    calls: {
      lstat: ['EACCES'],
      fchmodat: ['EPERM'],
      fchmod: ['EPERM'],
      unlink: ['EPERM'],
      open: ['EMFILE', 'EACCES', 'ENOENT'],
      fstat: ['EIO'],
      flock: ['EWOULDBLOCK', 'ENOLCK', 'EINTR'],
      ftruncate: ['ENOSPC', 'EIO'],
      posix_fallocate: ['ENOSPC', 'EINTR', 'EIO'],
      fstatfs: ['EIO'],
      fcntl: ['EMFILE'],
      mmap: ['ENOMEM'],
      msync: ['EIO'],
      close: ['EIO'],
    },
  },
  'a memory file that is new': {
    flags: ({ memory }) => [...tcp, '-v', '-e', memory],
    file: 'new',
    calls: {
      open: ['EMFILE'],
      fstat: ['EIO'],
      ftruncate: ['ENOSPC', 'EINTR'],
      posix_fallocate: ['ENOSPC'],
      mmap: ['ENOMEM'],
      msync: ['EIO'],
    },
  },
};

const old = 'a value of before';

let interposer: Interposer;
let folder: string;
let named = 0;

beforeAll(() => {
  if (missing !== null) return;
  interposer = new Interposer();
  folder = mkdtempSync('/dev/shm/hotspare-faults-');
});
afterAll(() => {
  if (missing !== null) return;
  interposer.end();
  rmSync(folder, { recursive: true });
});

(missing === null ? describe : describe.skip)('a process with', () => {
  test.each(Object.keys(kinds))(
    '%s',
    async (name) => {
      const kind = kinds[name]!;
      const template = join(folder, 'template');
      if (kind.file === 'old' && !existsSync(template)) await makeTemplate(kind, template);
      const tally = new Tally();
      const counts = await count(kind);
      const plans: Plan[] = [];
      for (const [call, codes] of Object.entries(kind.calls)) {
        const most = niceties.includes(call) && !exhaustive ? 1 : nMost;
        const last = Math.min(counts.get(call) ?? 0, most);
        for (const code of exhaustive ? codes : codes.slice(0, 1)) {
          for (let n = 1; n <= last; n++) plans.push({ call, code, n });
        }
      }
      const failures: string[] = [];
      await Promise.all(
        Array.from({ length: workers }, async () => {
          for (let plan = plans.shift(); plan !== undefined; plan = plans.shift()) {
            const { call, code, n } = plan;
            const fault = interposer.fault();
            fault.arm(call, n, code);
            const outcome = await live(kind, fault).catch((error: Error) => {
              failures.push(`${fault}: ${error.message}`);
              return 'WRONG';
            });
            if (fault.hits > 0) tally.add(call, code, n, outcome);
            fault.close();
          }
        }),
      );
      if (exhaustive || failures.length > 0) process.stderr.write(`${tally}\n`);
      expect(failures).toEqual([]);
      const never = Object.keys(kind.calls).filter((call) => !tally.reached(call));
      expect(never).toEqual([]);
    },
    roundsMs,
  );

  test('a thread for its log that is late says why it does not start, all the same', async () => {
    const fault = interposer.fault();
    fault.arm('pthread_create', 1, short);
    const { code, output } = await run(process.execPath, [main, '-l', '203.0.113.77'], patienceMs, {
      env: fault.env,
    });
    expect(fault.hits).toBe(1);
    fault.close();
    expect(output).toMatch(/^hotspare: failed to listen on TCP 203\.0\.113\.77.* \(.*\)$/m);
    expect(code).toBe(exitStatus.LISTEN);
  });

  test('no thread for its log says why it does not start, all the same', async () => {
    const fault = interposer.fault();
    fault.arm('pthread_create', 1, 'EAGAIN', 1000);
    const { code, output } = await run(process.execPath, [main, '-l', '203.0.113.77'], patienceMs, {
      env: fault.env,
    });
    expect(fault.hits).toBeGreaterThan(0);
    fault.close();
    expect(output).toMatch(/^hotspare: failed to listen on TCP 203\.0\.113\.77.* \(.*\)$/m);
    expect(code).toBe(exitStatus.LISTEN);
  });
});

/** A cache in a file, whose process was ended in order. */
async function makeTemplate(kind: Kind, template: string): Promise<void> {
  const files = filesOf();
  const fault = interposer.fault();
  const child = await startChild(process.execPath, [main, ...kind.flags(files)], env(files, fault));
  await serves(child, files);
  await exchange(files, async (client) => {
    await client.send(`set old 0 0 ${old.length}\r\n${old}\r\n`);
    expect(await client.readLine()).toBe('STORED');
  });
  expect(await child.end()).toEqual({ code: 0, signal: null });
  copyFileSync(files.memory, template);
  fault.close();
}

/** How often a life without faults makes each call. */
async function count(kind: Kind): Promise<ReadonlyMap<string, number>> {
  const fault = interposer.fault();
  fault.count();
  expect(await live(kind, fault)).toBe('served');
  const { counts } = fault;
  fault.close();
  return counts;
}

/** One life. Says how it went; throws where that is not allowed. */
async function live(kind: Kind, fault: Fault): Promise<string> {
  const files = filesOf();
  const template = join(folder, 'template');
  if (kind.file === 'old') copyFileSync(template, files.memory);
  const child = await startChild(process.execPath, [main, ...kind.flags(files)], env(files, fault));
  try {
    if (!(await serves(child, files))) {
      await expectClearEnd(child);
      expectUntouched(kind, files.memory);
      return 'refused';
    }
    const outcome = await use(kind, files, child);
    if (outcome === 'refused') {
      await expectClearEnd(child);
      expectUntouched(kind, files.memory);
      return outcome;
    }
    const { code, signal } = await child.end();
    if (
      fault.hits > 0 &&
      fault.call === 'msync' &&
      !/may not be on its disk/.test(child.output())
    ) {
      throw new Error(`it does not say that the file is not written:\n${child.output()}`);
    }
    if (code !== 0) throw new Error(`it ended with ${code ?? signal}:\n${child.output()}`);
    if (kind.file !== null && mirrored(files.memory).items !== (kind.file === 'old' ? 2 : 1)) {
      throw new Error(`the memory file holds ${mirrored(files.memory).items} items`);
    }
    return outcome;
  } finally {
    await child.end();
    for (const file of Object.values(files)) rmSync(file, { force: true });
  }
}

function filesOf(): Files {
  const number = named++;
  const file = (name: string): string => join(folder, `${name}${number}`);
  return { memory: file('memory'), socket: file('socket'), ports: file('ports') };
}

function env({ ports }: Files, fault: Fault): { env: Record<string, string> } {
  return { env: { ...fault.env, MEMCACHED_PORT_FILENAME: ports } };
}

/** False: it has ended instead. */
async function serves(child: Child, { ports, socket }: Files): Promise<boolean> {
  return until(
    () => `it to serve:\n${child.output()}`,
    async () => {
      if (!child.running()) return 'ended';
      return existsSync(ports) || existsSync(socket) ? 'serves' : null;
    },
    { withinMs: patienceMs, everyMs: 5 },
  ).then((found) => found === 'serves');
}

/** Whoever does not serve a cache leaves it alone; what is no cache yet must not pass for one. */
function expectUntouched(kind: Kind, memory: string): void {
  if (kind.file === 'old' && mirrored(memory).items !== 1) {
    throw new Error('the cache in its file was changed');
  }
  if (kind.file === 'new' && existsSync(memory) && statSync(memory).size > 0) {
    throw new Error(`a file of ${statSync(memory).size} bytes was left`);
  }
}

/**
 * A write and what must be read. The fault may close a connection, twice at most. A connection that is refused proves
 * nothing while the process lives, as a UNIX socket has its file before it listens.
 */
async function use(kind: Kind, files: Files, child: Child): Promise<string> {
  let closed = 0;
  return until(
    () => `it to serve, or to end:\n${child.output()}`,
    async () => {
      const lived = child.running();
      try {
        await exchange(files, (client) => writeAndRead(kind, client));
        return closed === 0 ? 'served' : `served, closed ${closed}`;
      } catch (error) {
        const { message } = error as Error;
        if (/; the server closed;|ECONNRESET|EPIPE/.test(message)) closed++;
        else if (!/ECONNREFUSED|ENOENT/.test(message)) throw error;
        return lived && closed <= 2 ? null : 'refused';
      }
    },
    { withinMs: patienceMs, everyMs: 5 },
  );
}

async function writeAndRead(kind: Kind, client: Client): Promise<void> {
  await client.send('set new 0 0 3\r\nnew\r\nget old new\r\n');
  expect(await client.readLine()).toBe('STORED');
  const before = kind.file === 'old' ? `VALUE old 0 ${old.length}\r\n${old}\r\n` : '';
  const values = `${before}VALUE new 0 3\r\nnew\r\nEND\r\n`;
  expect((await client.read(values.length)).toString('latin1')).toBe(values);
}

async function exchange(files: Files, work: (client: Client) => Promise<void>): Promise<void> {
  const client = await Client.to(placeOf(files));
  try {
    await work(client);
  } finally {
    client.close();
  }
}

function placeOf({ ports, socket }: Files): { path: string } | { host: string; port: number } {
  if (existsSync(socket)) return { path: socket };
  const [, port] = /^TCP INET: (\d+)$/m.exec(readFileSync(ports, 'latin1')) ?? [];
  return { host: '127.0.0.1', port: Number(port) };
}
