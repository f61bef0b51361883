/**
 * `-e FILE`: after a clean stop and after kill -9 the cache is there, with flags, expiry and CAS ids. What must not be
 * served is refused in one line and left as it is; --discard-memory-file starts empty instead.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { FrameType } from '../../backup/channel/frame.js';
import { exitStatus } from '../../src/base/errors.js';
import { layoutVersion, RecordWord, SuperWord } from '../../src/store/layout.js';
import { Client } from '../support/client.js';
import { expectRefusal, hotspare, patienceMs, said } from '../support/nodes.js';
import type { PeerFrame } from '../support/peer.js';
import type { Child } from '../support/process.js';
import { Relay } from '../support/relay.js';
import { until, within } from '../support/until.js';

const alone = ['-p', '-1', '-l', '127.0.0.1'];
const small = [...alone, '-m', '8'];
const farFuture = Math.floor(Date.now() / 1000) + 100_000_000;

let folder: string;
let children: Child[] = [];
let relays: Relay[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-restart-'));
});

afterEach(async () => {
  await Promise.all(children.map((child) => child.end()));
  children = [];
  for (const relay of relays) relay.end();
  relays = [];
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('the cache is there', () => {
  test.each<[string, (node: Child, port: number) => unknown]>([
    ['SIGTERM', (node) => node.signal('SIGTERM')],
    ['SIGINT', (node) => node.signal('SIGINT')],
    ['SIGUSR1', (node) => node.signal('SIGUSR1')],
    ['shutdown', (_, port) => ask(port, 'shutdown\r\n', /^$/)],
    ['kill -9', (node) => node.signal('SIGKILL')],
  ])('after %s', async (how, end) => {
    const file = join(folder, how);
    const first = await start(...small, '-A', '-e', file);
    const sets = [
      `set plain 0 0 5\r\nvalue\r\nset flagged 4294967295 ${farFuture} 3\r\nabc\r\n`,
      'set counted 7 0 2\r\n41\r\nincr counted 1\r\nset gone 0 -1 1\r\nx\r\n',
      `set large 0 0 20000\r\n${'l'.repeat(20_000)}\r\nset changed 0 0 1\r\n1\r\ntouch changed 1\r\n`,
      'set deleted 0 0 1\r\nx\r\ndelete deleted\r\n',
    ];
    await ask(await portOf(first), sets.join(''), /DELETED\r\n$/);
    const before = await kept(await portOf(first));
    expect(before).toMatch(/VALUE flagged 4294967295 3 \d+\r\nabc\r\nVALUE counted 7 2 \d+\r\n42/);
    await end(first, await portOf(first));
    const { code } = await within('its end', patienceMs, first.exited);
    expect(code).toBe(how === 'kill -9' ? null : 0);

    const second = await start(...small, '-e', file);
    await said(second, /holds a cache of epoch 1/);
    const port = await portOf(second);
    expect(await kept(port)).toBe(before);
    // An old CAS id still fits, and new ones are above all old ones.
    const old = Number(/VALUE plain 0 5 (\d+)/.exec(before)![1]);
    await ask(port, `cas plain 0 0 3 ${old}\r\nnew\r\n`, /^STORED\r\n$/);
    const fresh = await ask(port, 'gets plain\r\n', /END\r\n$/);
    const ids = [...before.matchAll(/VALUE \S+ \d+ \d+ (\d+)/g)].map(([, id]) => Number(id));
    expect(Number(/VALUE plain 0 3 (\d+)/.exec(fresh)![1])).toBeGreaterThan(Math.max(...ids));
    const absent = await ask(port, 'get gone deleted\r\n', /END\r\n$/);
    expect(absent).toBe('END\r\n');
    await until('a TTL to pass', async () => {
      return (await ask(port, 'get changed\r\n', /END\r\n$/)) === 'END\r\n';
    });
  });

  test('and a flush stays one', async () => {
    const file = join(folder, 'flushed');
    const first = await start(...small, '-e', file);
    await ask(await portOf(first), 'set k 0 0 1\r\nx\r\nflush_all\r\n', /OK\r\n$/);
    first.signal('SIGKILL');
    await first.exited;
    const second = await start(...small, '-e', file);
    expect(await ask(await portOf(second), 'get k\r\n', /END\r\n$/)).toBe('END\r\n');
  });

  test('with --discard-memory-file too, when it can be served', async () => {
    const file = await memoryFile('kept');
    const node = await start(...small, '-e', file, '--discard-memory-file');
    await said(node, /holds a cache/);
    expect(await ask(await portOf(node), 'get k\r\n', /END\r\n$/)).toMatch(/^VALUE k 0 4\r\n/);
  });
});

interface Unservable {
  readonly name: string;
  /** Flags of the one that finds the file. */
  readonly flags?: readonly string[];
  readonly damage?: (bytes: Buffer) => void;
  readonly sentence: RegExp;
  /** False: not even --discard-memory-file takes it. */
  readonly mayGo?: false;
}

const word =
  (at: number, change: (value: number) => number) =>
  (bytes: Buffer): void => {
    bytes.writeInt32LE(change(bytes.readInt32LE(at * 4)) | 0, at * 4);
  };
const fixed = [
  'PAGE_BYTES',
  'PAGE_COUNT',
  'BUCKET_BITS',
  'UNIT_BYTES',
  'CHUNK_MIN',
  'GROWTH',
  'ITEM_BYTES_MAX',
  'SEED_LOW',
  'SEED_HIGH',
  'CHECKSUM',
] as const;
const recorded = [
  'CAS_CEILING_LOW',
  'CAS_CEILING_HIGH',
  'FLUSH_CAS_LOW',
  'FLUSH_CAS_HIGH',
  'FLUSH_AT',
  'CHECKSUM',
] as const;

const unservable: readonly Unservable[] = [
  { name: 'more memory', flags: ['-m', '9'], sentence: /is not \d+ bytes long/ },
  { name: 'less memory', flags: ['-m', '7'], sentence: /is not \d+ bytes long/ },
  { name: 'another growth', flags: ['-f', '1.5'], sentence: /with other -m, -I, -f or -n/ },
  { name: 'other chunks', flags: ['-n', '64'], sentence: /with other -m, -I, -f or -n/ },
  { name: 'other items', flags: ['-I', '512k'], sentence: /with other -m, -I, -f or -n/ },
  {
    name: 'the layout version',
    damage: word(SuperWord.LAYOUT, () => layoutVersion + 1),
    sentence: new RegExp(
      `has layout version ${layoutVersion + 1}, this hotspare has ${layoutVersion}`,
    ),
  },
  {
    name: 'the magic',
    damage: word(SuperWord.MAGIC, () => 1),
    sentence: /is damaged: no magic/,
    mayGo: false,
  },
  ...fixed.map((field) => ({
    name: `the superblock's ${field}`,
    damage: word(SuperWord[field], (value) => value ^ 64),
    sentence: /is damaged: the checksum of the superblock is wrong/,
  })),
  {
    name: 'the epoch',
    damage: word(SuperWord.EPOCH, () => 0),
    sentence: /is damaged: there is no epoch/,
  },
  {
    name: 'the selector',
    damage: word(SuperWord.SELECTOR, () => 2),
    sentence: /is damaged: no record is/,
  },
  ...recorded.map((field) => ({
    name: `the record's ${field}`,
    damage: (bytes: Buffer) => {
      const { SELECTOR, RECORD_0, RECORD_1 } = SuperWord;
      const record = bytes.readInt32LE(SELECTOR * 4) === 0 ? RECORD_0 : RECORD_1;
      word(record + RecordWord[field], (value) => value ^ 4)(bytes);
    },
    sentence: /is damaged: the checksum of the record of CAS ids/,
  })),
  { name: 'half a copy', damage: word(SuperWord.NODE, () => 1), sentence: /is a standby's copy/ },
];

describe('what is not served', () => {
  test.each(unservable)('$name', async ({ name, flags = [], damage, sentence, mayGo = true }) => {
    const file = await memoryFile(name.replaceAll(/\W/g, '-'));
    const bytes = readFileSync(file);
    damage?.(bytes);
    writeFileSync(file, bytes);
    const args = [...small, ...flags, '-e', file];
    const remedy = mayGo ? /.*--discard-memory-file/ : /.*\(delete \S+ to start empty\)/;
    await expectRefusal(args, exitStatus.REGION, new RegExp(sentence.source + remedy.source));
    expect(readFileSync(file).equals(bytes)).toBe(true);
    if (!mayGo) {
      await expectRefusal([...args, '--discard-memory-file'], exitStatus.REGION, sentence);
      expect(readFileSync(file).equals(bytes)).toBe(true);
      return;
    }
    const node = await start(...args, '--discard-memory-file');
    await said(node, new RegExp(`${sentence.source}.*: given up, and started empty`));
    expect(await ask(await portOf(node), 'get k\r\n', /END\r\n$/)).toBe('END\r\n');
    // And what is put into it is kept the next time.
    await ask(await portOf(node), 'set k 0 0 1\r\nx\r\n', /STORED\r\n$/);
    node.signal('SIGKILL');
    await node.exited;
    const next = await start(...args);
    expect(await ask(await portOf(next), 'get k\r\n', /END\r\n$/)).toBe(
      'VALUE k 0 1\r\nx\r\nEND\r\n',
    );
  });

  test('a file in use, whatever is asked for', async () => {
    const file = join(folder, 'used');
    const node = await start(...small, '-e', file);
    await ask(await portOf(node), 'set k 0 0 1\r\nx\r\n', /STORED\r\n$/);
    for (const flags of [[], ['--discard-memory-file'], ['--discard-memory-file', '-m', '9']]) {
      await expectRefusal([...small, '-e', file, ...flags], exitStatus.REGION, /in use by another/);
    }
    expect(await ask(await portOf(node), 'get k\r\n', /END\r\n$/)).toMatch(/^VALUE k/);
  });

  test("somebody's file, whatever is asked for", async () => {
    const file = join(folder, 'letter');
    writeFileSync(file, 'Dear Sir or Madam,');
    for (const flags of [[], ['--discard-memory-file']]) {
      await expectRefusal(
        [...small, '-e', file, ...flags],
        exitStatus.REGION,
        /is not \d+ bytes long/,
      );
    }
    expect(readFileSync(file, 'utf8')).toBe('Dear Sir or Madam,');
  });

  test('a file of zeros is an empty cache: who made it died before its first write', async () => {
    const file = await memoryFile('zeros');
    writeFileSync(file, Buffer.alloc(statSync(file).size));
    const node = await start(...small, '-e', file);
    expect(await ask(await portOf(node), 'get k\r\n', /END\r\n$/)).toBe('END\r\n');
  });

  test('a real half copy', async () => {
    const file = join(folder, 'half');
    const { standby, release } = await copying('-e', file);
    standby.signal('SIGKILL');
    await standby.exited;
    release();
    const args = [...alone, '-m', '32', '-e', file];
    await expectRefusal(args, exitStatus.REGION, /is a standby's copy/);
  });
});

test('a standby gives up a file of another size only when it is told to', async () => {
  const file = await memoryFile('standby');
  const primary = await start(...alone, '-m', '16', '--link-listen', '127.0.0.1:0');
  const [, of] = await said(primary, /standbys attach at 127\.0\.0\.1:(\d+)/);
  const args = ['standby', ...alone, '--of', `127.0.0.1:${of}`, '-e', file];
  await expectRefusal(args, exitStatus.REGION, /is not \d+ bytes long/);
  const standby = await hotspare(...args, '--discard-memory-file');
  children.unshift(standby);
  await said(standby, /in sync with/);
});

async function start(...args: string[]): Promise<Child> {
  const child = await hotspare(...args);
  children.push(child);
  await said(child, /serving on port|attached to/);
  return child;
}

async function portOf(node: Child): Promise<number> {
  const [, port] = await said(node, /serving on port (\d+)/);
  return Number(port);
}

async function ask(port: number, text: string, answer: RegExp): Promise<string> {
  const client = await Client.connect('127.0.0.1', port);
  try {
    await client.send(text);
    if (answer.source === '^$') return (await client.readClosed()).toString('latin1');
    return (await client.readUntil(`${answer}`, (all) => answer.test(all))).toString('latin1');
  } finally {
    client.close();
  }
}

/** Everything a client can know of the items that live. */
function kept(port: number): Promise<string> {
  return ask(port, 'gets plain flagged counted large\r\n', /END\r\n$/);
}

/** A memory file of 8 MiB that a node has left, with one item. */
async function memoryFile(name: string): Promise<string> {
  const file = join(folder, name);
  const node = await start(...small, '-e', file);
  await ask(await portOf(node), 'set k 0 0 4\r\nkept\r\n', /STORED\r\n$/);
  await node.end();
  return file;
}

/** A primary and a standby whose copy stops after the first block, until it is released. */
async function copying(...flags: string[]) {
  const primary = await start(...alone, '-m', '32', '--link-listen', '127.0.0.1:0');
  const [, of] = await said(primary, /standbys attach at 127\.0\.0\.1:(\d+)/);
  const relay = new Relay(Number(of));
  relays.push(relay);
  let blocks = 0;
  relay.toStandby.keeps = ({ type }) =>
    type === FrameType.SYNCED || (type === FrameType.BLOCK && ++blocks > 1);
  const port = await relay.listen();
  const standby = await start('standby', ...alone, '--of', `127.0.0.1:${port}`, ...flags);
  // The first ack says that memory is there, and counts no block.
  const landed = ({ type, count }: PeerFrame): boolean => type === FrameType.ACK && count > 0;
  await until('a block', () => relay.toPrimary.arrived.some(landed));
  return { standby, release: () => relay.end() };
}
