/**
 * No tick lasts longer than its budget, whatever is asked. Work is counted, not measured: the clock advances with each
 * look at it. A primary that was silent for longer than --dead-after, because one client kept the loop, was deposed.
 */
import { expect, test } from '@jest/globals';
import {
  commandsPerLook,
  copyBytesPerTick,
  seizeItemsMost,
  watchedBytesPerTick,
  watcherBytesMax,
} from '../../src/base/limits.js';
import { Topic } from '../../src/commands/execution/watchers.js';
import { journalHeadroom, records } from '../../src/store/journal.js';
import { geometryOf } from '../../src/store/layout.js';
import { copyMemory, RegionBytes } from '../support/region.js';
import { looksPerTick, Ticking } from '../support/ticking.js';

const MiB = 2 ** 20;
const geometry = geometryOf({
  memoryBytes: 8 * MiB,
  itemBytesMax: MiB,
  chunkMin: 48,
  growthFactor: 1.25,
});
const commandsPerTick = (looksPerTick + 2) * commandsPerLook;

/** How often a text stands in an answer, in the tick in which it stands there most. */
function most(answers: string[][], text: string): number {
  return Math.max(...answers.map((tick) => tick.join('').split(text).length - 1));
}

function all(answers: string[][], text: string): number {
  return answers.reduce((sum, tick) => sum + tick.join('').split(text).length - 1, 0);
}

test('commands that a client has pipelined', () => {
  const ticking = new Ticking(geometry);
  const answers = ticking.serve([[ticking.session(), 'mn\r\n'.repeat(5000)]]);
  expect(all(answers, 'MN\r\n')).toBe(5000);
  expect(most(answers, 'MN\r\n')).toBeLessThanOrEqual(commandsPerTick);
});

test('keys of one get', () => {
  const ticking = new Ticking(geometry);
  ticking.small.set('k', 'v');
  const answers = ticking.serve([[ticking.session(), `get${' k'.repeat(5000)}\r\nmn\r\n`]]);
  expect(all(answers, 'VALUE k')).toBe(5000);
  expect(answers.flat().join('')).toMatch(/END\r\nMN\r\n$/);
  expect(most(answers, 'VALUE k')).toBeLessThanOrEqual(commandsPerTick);
});

test('each connection of a tick has its share, and replies keep their order', () => {
  const ticking = new Ticking(geometry);
  ticking.small.set('k', 'v');
  const busy = 'stats\r\n'.repeat(200);
  const others = 'get k\r\n'.repeat(40);
  const sessions = Array.from({ length: 8 }, (_, i) => ticking.session(i));
  const answers = ticking.serve(sessions.map((session, i) => [session, i === 0 ? busy : others]));
  // Nobody waits for the busy one: all of the others' commands are executed in the first ticks.
  const done = answers.findIndex((tick) => tick.slice(1).every((text) => text === ''));
  expect(done).toBeLessThan(5);
  for (let i = 1; i < 8; i++) {
    expect(answers.map((tick) => tick[i]).join('')).toBe('VALUE k 0 1\r\nv\r\nEND\r\n'.repeat(40));
  }
  expect(all(answers, 'STAT pid')).toBe(200);
  expect(most(answers, 'STAT pid')).toBeLessThanOrEqual(looksPerTick + 1);
});

test('commands that are watched', () => {
  const ticking = new Ticking(geometry);
  const { observer } = ticking.executor;
  for (let i = 0; i < 20; i++) observer.watchers.add(100 + i, Topic.fetchers);
  observer.update();
  const flushed: number[] = [];
  const output = {
    append: (_: number, first: Uint8Array, second: Uint8Array) => {
      flushed.push(first.length + second.length);
      return true;
    },
    pendingBytes: () => 0,
  };
  const ticks: number[] = [];
  const answers = ticking.serve(
    [[ticking.session(), `get ${'k'.repeat(200)}\r\n`.repeat(2000)]],
    () => {
      observer.watchers.flush(output);
      ticks.push(flushed.splice(0).reduce((sum, bytes) => sum + bytes, 0));
    },
  );
  expect(all(answers, 'END\r\n')).toBe(2000);
  expect(most(answers, 'END\r\n')).toBeLessThanOrEqual(looksPerTick + 1);
  expect(Math.max(...ticks)).toBeLessThanOrEqual(watchedBytesPerTick + 20 * 1000);
  expect(observer.watchers.skipped).toBe(0);
});

test('lines for all watchers together end a tick before they are too many', () => {
  const ticking = new Ticking(geometry);
  const { watchers } = ticking.executor.observer;
  for (let i = 0; i < 20; i++) watchers.add(100 + i, Topic.fetchers);
  let lines = 0;
  while (!watchers.isFull) {
    watchers.log(Topic.fetchers, 0, 'x'.repeat(1000));
    lines++;
  }
  expect(lines * 1000 * 20).toBeGreaterThan(watchedBytesPerTick / 2);
  expect(lines * 1000).toBeLessThan(watcherBytesMax);
});

test('stats conns with very many connections', () => {
  const ticking = new Ticking(geometry);
  ticking.connections = function* () {
    for (let i = 0; i < 1000; i++) yield `STAT ${i}:addr x\r\n`;
  };
  const asked = Array.from(
    { length: 8 },
    (_, i) => [ticking.session(i), 'stats conns\r\n'] as const,
  );
  const answers = ticking.serve(asked);
  expect(all(answers, ':addr x')).toBe(8000);
  // Of each connection one line at least.
  expect(most(answers, ':addr x')).toBeLessThanOrEqual(looksPerTick + 8);
});

test.each([
  ['lru_crawler metadump all', 'key='],
  ['lru_crawler mgdump all', 'mg '],
  ['stats cachedump 1 0', 'ITEM '],
])('%s', (command, line) => {
  const ticking = new Ticking(geometry);
  for (let i = 0; i < 4000; i++) ticking.small.set(`k${i}`, 'v');
  const answers = ticking.serve([[ticking.session(), `${command}\r\n`]]);
  expect(all(answers, line)).toBe(4000);
  // Some items to a bucket.
  expect(most(answers, line)).toBeLessThanOrEqual(8 * commandsPerTick);
  expect(answers.length).toBeGreaterThan(4);
});

test('stats sizes with very many sizes', () => {
  const ticking = new Ticking(geometry);
  ticking.serve([[ticking.session(), 'stats sizes_enable\r\n']]);
  for (let i = 0; i < 500; i++) ticking.small.set(`k${i}`, i * 32);
  const answers = ticking.serve([[ticking.session(), 'stats sizes\r\n']]);
  expect(all(answers, 'STAT ')).toBeGreaterThan(300);
  expect(most(answers, 'STAT ')).toBeLessThanOrEqual(looksPerTick + 1);
});

test('stats detail dump', () => {
  const ticking = new Ticking(geometry);
  const { observer } = ticking.executor;
  observer.prefixes.on = true;
  observer.update();
  const gets = Array.from({ length: 1000 }, (_, i) => `get ${i}:k\r\n`).join('');
  const answers = ticking.serve([[ticking.session(), `${gets}stats detail dump\r\nmn\r\n`]]);
  expect(all(answers, 'PREFIX ')).toBe(1000);
  expect(answers.flat().join('')).toMatch(/END\r\nMN\r\n$/);
  expect(most(answers, 'PREFIX ')).toBeLessThanOrEqual(looksPerTick + 1);
});

// A page of 10,900 items was emptied within one tick for an append that outgrew into a class without a page.
test.each([
  ['append', `append k1 0 0 100000\r\n${'y'.repeat(100_000)}\r\n`, 'STORED'],
  ['ms with MA', `ms k1 100000 MA\r\n${'y'.repeat(100_000)}\r\n`, 'HD'],
])('a page that is emptied for %s', (_, sent, reply) => {
  const ticking = new Ticking(geometry);
  const { store, small } = ticking;
  let count = 0;
  while (store.evictions === 0) small.set(`k${count++}`, 'v');
  small.set('k1', 'v');
  const before = store.evictions;
  const evicted: number[] = [];
  let last = before;
  const answers = ticking.serve([[ticking.session(), sent]], () => {
    evicted.push(store.evictions - last);
    last = store.evictions;
  });
  expect(answers.flat().join('')).toBe(`${reply}\r\n`);
  expect(Math.max(...evicted)).toBeLessThanOrEqual(seizeItemsMost);
});

/** Room for values that are too large to be copied in one tick. */
const large = geometryOf({
  memoryBytes: 64 * MiB,
  itemBytesMax: 16 * MiB,
  chunkMin: 48,
  growthFactor: 1.25,
});

test.each([
  ['append', 'append k 0 0 3\r\nend\r\n', 'STORED', (value: string) => `${value}end`],
  ['prepend', 'prepend k 0 0 3\r\nend\r\n', 'STORED', (value: string) => `end${value}`],
  ['md with I', 'md k I T30\r\n', 'HD', (value: string) => value],
])('a large value is copied in slices for %s, and mirrored in slices', (_, sent, reply, grown) => {
  const ticking = new Ticking(large);
  const { store, small } = ticking;
  const { journal } = store.region;
  const bytes = 5 * MiB + 13;
  small.set('k', bytes);
  const value = small.get('k')!;
  const copy = copyMemory(small.memory);
  const mirrored = new RegionBytes(copy);
  journal.active = true;
  let reported = 0;
  journal.onFull = () => {
    for (const { offset, payload } of records(journal.bytes, journalHeadroom, journal.at)) {
      mirrored.apply(offset, payload);
      reported += payload.length;
    }
    journal.clear();
  };
  const perTick: number[] = [];
  const answers = ticking.serve([[ticking.session(), sent]], () => {
    journal.onFull();
    perTick.push(reported);
    reported = 0;
  });
  expect(answers.flat().join('')).toBe(`${reply}\r\n`);
  expect(small.get('k')).toBe(grown(value));
  expect(perTick.length).toBeGreaterThan(bytes / copyBytesPerTick);
  expect(Math.max(...perTick)).toBeLessThan(copyBytesPerTick + 1000);
  expect(
    copy.segments.map((segment) =>
      Buffer.from(segment).equals(Buffer.from(small.memory.segments[0]!)),
    ),
  ).toEqual([true]);
});

// Eight clients that appended to values of 5 MB had 8 MiB copied in one tick: 36 to 57 ms of processor time.
test.each([
  ['large values', 2 * MiB],
  ['values that one tick could copy', 200_000],
])('clients that append to %s share what a tick copies', (_, bytes) => {
  const ticking = new Ticking(large);
  const { store, small } = ticking;
  const clients = 8;
  for (let i = 0; i < clients; i++) small.set(`k${i}`, bytes);
  let copied = 0;
  const perTick: number[] = [];
  store.region.journal.active = true;
  store.region.journal.onFull = () => {
    const { journal } = store.region;
    for (const { payload } of records(journal.bytes, journalHeadroom, journal.at)) {
      copied += payload.length;
    }
    journal.clear();
  };
  const sent = Array.from(
    { length: clients },
    (_, i) => [ticking.session(i), `append k${i} 0 0 3\r\nend\r\n`] as const,
  );
  const answers = ticking.serve(sent, () => {
    store.region.journal.onFull();
    perTick.push(copied);
    copied = 0;
  });
  expect(all(answers, 'STORED\r\n')).toBe(clients);
  expect(small.get('k7')?.length).toBe(bytes + 3);
  expect(Math.max(...perTick)).toBeLessThan(copyBytesPerTick + clients * 1000);
});

test('a copy that is as long as many commands makes the clock be looked at', () => {
  const ticking = new Ticking(large);
  ticking.small.set('k', 100_000);
  const answers = ticking.serve([
    [ticking.session(), 'append k 0 0 1\r\ny\r\n'.repeat(commandsPerLook)],
  ]);
  expect(all(answers, 'STORED')).toBe(commandsPerLook);
  expect(most(answers, 'STORED')).toBeLessThanOrEqual(looksPerTick + 1);
});

test('a large copy whose item is replaced meanwhile begins anew', () => {
  const ticking = new Ticking(large);
  const { store, small } = ticking;
  small.set('k', 5 * MiB);
  const free = store.slabs.classes.map(({ freeChunks }) => freeChunks);
  let replaced = false;
  const answers = ticking.serve([[ticking.session(), 'append k 0 0 1\r\ny\r\n']], () => {
    if (!replaced) small.set('k', 'x');
    replaced = true;
  });
  expect(answers.flat().join('')).toBe('STORED\r\n');
  expect(small.get('k')).toBe('xy');
  small.delete('k');
  const after = store.slabs.classes.map(({ freeChunks }) => freeChunks);
  // All chunks of that page are free again.
  expect(Math.max(...after.map((count, number) => count - free[number]!))).toBeGreaterThan(0);
  expect(store.slabs.classes.reduce((sum, { items }) => sum + items, 0)).toBe(0);
});

test('a connection that ends in the midst of a large copy leaves nothing behind', () => {
  const ticking = new Ticking(large);
  const { store, small } = ticking;
  small.set('k', 5 * MiB);
  const session = ticking.session();
  let ended = false;
  ticking.serve([[session, 'append k 0 0 1\r\ny\r\n']], () => {
    if (!ended) session.end();
    ended = true;
  });
  small.delete('k');
  for (const { freeChunks, pages, perPage } of store.slabs.classes.slice(1)) {
    expect(freeChunks).toBe(pages.length * perPage);
  }
});

test('a number that memcached would keep in several chunks is none', () => {
  const ticking = new Ticking(large);
  ticking.small.set('k', `1${' '.repeat(MiB)}`);
  const answers = ticking.serve([[ticking.session(), 'incr k 1\r\n']]);
  expect(answers.flat().join('')).toMatch(/^CLIENT_ERROR cannot increment/);
});
