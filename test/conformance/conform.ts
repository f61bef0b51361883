/**
 * The table of (sent, expected), every case sent whole, in sevens and byte by byte, and the statistics beside it, as
 * tests of one server. Each server has a test file of its own, so that they run side by side.
 *
 *   npm run conformance                     hotspare alone, hotspare with a standby, and memcached, the table's judge
 *   SERVER=host:port npm run conformance    any server; it is flushed again and again
 */
import { afterAll, describe, expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { givenServer } from '../support/server.js';
import { topics } from './cases/index.js';
import type { Judged } from './judges.js';
import { parsed } from './parser.js';
import { runCase } from './run.js';
import {
  type Counting,
  counters,
  counting,
  faults,
  resetCounters,
  stats,
  stockSettings,
} from './stats.js';
import { type Case, everySplit, set } from './table.js';

const CASE_MS = 30_000;

/** Defines the tests of one server. */
export function conform(judged: Judged): void {
  describe(judged.title, () => {
    if (judged.missing !== null) {
      test.skip(judged.missing, () => {});
      return;
    }
    afterAll(() => judged.stop());
    const rows = topics.flatMap(({ cases }) => cases);
    /** The last case of each set of flags. */
    const last = new Map(rows.map((row) => [row.flags?.join(' '), row]));
    for (const { topic, cases } of topics) {
      describe(topic, () => {
        for (const row of cases) {
          define(judged, row, last.get(row.flags?.join(' ')) === row);
        }
      });
    }
    describe('stats', () => defineStats(judged));
    describe('read with memcache-parser', () => defineParsed(judged));
  });
}

function define(judged: Judged, row: Case, isLast: boolean): void {
  const hindrance = notRun(judged, row);
  if (hindrance !== null) {
    test.skip(`${row.name} (not run: ${hindrance})`, () => {});
    return;
  }
  const told = judged.program === 'hotspare' ? { ...row, ...row.differs?.hotspare } : row;
  const { flags } = row;
  const splits = told.splits ?? everySplit;
  for (const split of splits) {
    const name = `${row.name} (${split})`;
    const endsServer = isLast && flags !== undefined && split === splits.at(-1);
    const play = async () => {
      await runCase(await judged.server(flags), told, split);
      if (endsServer) await judged.end(flags);
    };
    test(name, play, CASE_MS);
  }
}

/** Why a case cannot be run against this server, or null. */
function notRun(judged: Judged, row: Case): string | null {
  if (judged.program !== 'given') return null;
  if (row.flags !== undefined) return `needs ${row.flags.join(' ')}, and SERVER is running already`;
  return row.differs === undefined
    ? null
    : 'hotspare and memcached differ, and SERVER may be either';
}

function defineStats(judged: Judged): void {
  // A server of its own, where nothing but these tests moves a counter.
  const server = () => judged.server(givenServer === undefined ? ['-m', '64'] : []);
  for (const part of ['', 'settings', 'items', 'slabs'] as const) {
    test(`stats ${part}: the keys, and what their values look like`, async () => {
      await talk(await server(), set('k', '1'));
      expect(faults(part, await stats(await server(), part))).toEqual([]);
    });
  }
  const stock = givenServer === undefined ? test : test.skip;
  stock('stats settings: the values of a stock server', async () => {
    const found = await stats(await server(), 'settings');
    expect(Object.fromEntries(found)).toMatchObject(stockSettings);
    expect(found.get('tcpport')).toBe(String((await server()).port));
  });
  for (const row of counting) {
    test(`counts: ${row.name}`, async () => count(await server(), row));
  }
  test('counts: a cas that fits', async () => {
    const shown = await talk(await server(), `${set('k', '1')}gets k\r\n`);
    const unique = /VALUE k 0 1 (\d+)/.exec(shown)?.[1];
    await count(await server(), {
      name: '',
      sent: `cas k 0 0 1 ${unique}\r\n1\r\n`,
      moves: { cmd_set: 1, cas_hits: 1, total_items: 1 },
    });
  });
  test('stats reset sets the counters to zero, and keeps the items', async () => {
    const workload = `${set('k', '1')}get k x\r\nincr k 1\r\ntouch k 0\r\ndelete x\r\nstats reset\r\n`;
    await talk(await server(), workload);
    const found = await stats(await server(), '');
    expect(resetCounters.filter((key) => found.get(key) !== '0')).toEqual([]);
    expect(found.get('curr_items')).not.toBe('0');
  });
}

async function count(server: Awaited<ReturnType<Judged['server']>>, row: Counting): Promise<void> {
  if (row.before !== undefined) {
    await talk(server, `flush_all\r\ndelete k\r\n${row.before}`);
  }
  const before = await stats(server, '');
  await talk(server, row.sent);
  const after = await stats(server, '');
  const moved = (key: string) => Number(after.get(key)) - Number(before.get(key));
  const keys = [...new Set([...counters, ...Object.keys(row.moves)])];
  const all = Object.fromEntries(keys.map((key) => [key, moved(key)]));
  expect(all).toEqual({ ...Object.fromEntries(keys.map((key) => [key, 0])), ...row.moves });
}

/** Sends it all, and gives back what was answered before the `version` behind it. */
async function talk(server: { host: string; port: number }, sent: string): Promise<string> {
  const client = await Client.connect(server.host, server.port);
  try {
    await client.send(`${sent}version\r\n`);
    const all = await client.readUntil('a version', (text) => /VERSION \S+\r\n$/.test(text));
    return all.toString('latin1');
  } finally {
    client.close();
  }
}

function defineParsed(judged: Judged): void {
  test('values of every byte, of many sizes, and the words around them', async () => {
    const server = await judged.server();
    const values = [0, 1, 2, 255, 256, 5000, 70_000].map((length) =>
      Buffer.from(Array.from({ length }, (_, at) => (at * 7) % 256)).toString('latin1'),
    );
    const sent = values.map((text, at) => set(`parser${at}`, text, at)).join('');
    const keys = values.map((_, at) => `parser${at}`);
    const replies = await parsed(
      server,
      `${sent}get nothing ${keys.join(' ')}\r\n`,
      2 * values.length + 1,
    );
    expect(replies.splice(0, values.length).map(({ words }) => words.join(' '))).toEqual(
      values.map(() => 'STORED'),
    );
    expect(replies.map(({ words }) => words.join(' '))).toEqual([
      ...values.map((text, at) => `VALUE parser${at} ${at} ${text.length}`),
      'END',
    ]);
    expect(values.filter((text, at) => replies[at]?.data?.toString('latin1') !== text)).toEqual([]);
  });
  test('an answer of every kind', async () => {
    const server = await judged.server();
    const sent = [
      'flush_all\r\nset p 3 0 1\r\n1\r\nadd p 0 0 1\r\n1\r\nincr p 9\r\ntouch p 0\r\ngets p\r\ncas p 0 0 1 0\r\n1\r\n',
      'delete p\r\ndelete p\r\nincr p x\r\nbogus\r\nset p 0 0 1\r\nabc\r\nversion\r\n',
    ].join('');
    const replies = await parsed(server, sent, 15);
    const lines = replies.map(({ words }) => words.join(' '));
    expect(lines[5]).toMatch(/^VALUE p 3 2 \d+$/);
    expect(replies[5]?.data?.toString()).toBe('10');
    expect(lines[14]).toMatch(/^VERSION /);
    expect(lines.filter((_, at) => at !== 5 && at !== 14)).toEqual([
      'OK',
      'STORED',
      'NOT_STORED',
      '10',
      'TOUCHED',
      'END',
      'EXISTS',
      'DELETED',
      'NOT_FOUND',
      'CLIENT_ERROR invalid numeric delta argument',
      'ERROR',
      'CLIENT_ERROR bad data chunk',
      'ERROR',
    ]);
  });
}
