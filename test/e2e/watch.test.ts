/** What watchers are sent: beside memcached where it can judge, and by a connection that does not read. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { memcachedMissing, type Program, type Server, startProgram } from '../support/server.js';
import { until } from '../support/until.js';

let server: Server | null = null;
const clients: Client[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server?.stop();
  server = null;
});

async function start(program: Program, ...flags: string[]): Promise<void> {
  server = await startProgram(program, flags);
}

async function connect(): Promise<Client> {
  const client = await Client.connect(server!.host, server!.port);
  clients.push(client);
  return client;
}

async function watcher(topics: string): Promise<Client> {
  const client = await connect();
  await client.send(`watch ${topics}\r\n`);
  expect(await client.readLine()).toBe('OK');
  return client;
}

/** All lines up to the one that names this key; a last line is complete. */
async function linesUntil(client: Client, key: string): Promise<string[]> {
  const ends = new RegExp(`key=${key} .*\n$`);
  const all = await client.readUntil(`a line about ${key}`, (text) => ends.test(text));
  return all.toString('latin1').split('\n').slice(0, -1);
}

/** Without what differs between servers and runs: times, numbers of lines, descriptors, classes. */
function plain(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line
      .replace(/^ts=\d+\.\d+ gid=\d+ /, '')
      .replace(/ (clsid|cfd|rport)=\d+/g, ' $1=N')
      .replace(/clsid=N/, (text) => (line.includes('clsid=0 ') ? 'clsid=0' : text)),
  );
}

const work = [
  'set a 0 0 1\r\n1\r\nset b%c\x80\x7f"\' 5 100 2\r\n12\r\nget a zz\r\ngets a\r\nadd a 0 0 1\r\n1\r\n',
  'add q 0 0 1\r\n1\r\nreplace a 0 0 1\r\n2\r\nappend a 0 0 1\r\n2\r\nprepend a 0 0 1\r\n2\r\n',
  'cas a 0 0 1 1\r\n2\r\ncas nn 0 0 1 1\r\n2\r\nincr a 5\r\nincr nn 1\r\ndelete a\r\ndelete nn\r\n',
  'touch q 10\r\ngat 10 q nn\r\nset t 0 10 0\r\n\r\nget t\r\nset e 0 -1 1\r\n1\r\nget e\r\n',
  'set f 7 0 3 noreply\r\nabc\r\nreplace nn 0 0 1\r\n1\r\nflush_all\r\nget q\r\nset bad 0 0 1\r\nxxx\r\n',
].join('');

const fetched = [
  ...[
    'a not_found',
    'b%25c%80%7F%22%27 not_found',
    'a found',
    'zz not_found',
    'a found',
    'a found',
  ],
  ...['q not_found', 'a found', 'a found', 'a found', 'a found', 'nn not_found', 'a found'],
  ...['nn not_found', 'a found', 'nn not_found', 'q found', 'q found', 'nn not_found'],
  ...['t not_found', 't found', 'e not_found', 'e expired', 'f not_found', 'nn not_found'],
  ...['q flushed', 'last not_found'],
];
const programs: Program[] = memcachedMissing() === null ? ['hotspare', 'memcached'] : ['hotspare'];

test('hotspare tells its watchers of deletions', async () => {
  await start('hotspare');
  const watching = await watcher('deletions');
  const sent = [
    'set a 0 0 4\r\nabcd\r\ndelete a\r\ndelete a\r\nset b%c 0 0 2\r\nxy\r\nmd b%c q\r\n',
    'md b%c\r\nset c 0 0 3\r\nabc\r\nmd c I\r\nmd c C1\r\nmd c x\r\nms YSBi 1 b\r\na\r\nmd YSBi b\r\n',
    'set last 0 0 1\r\nl\r\ndelete last noreply\r\n',
  ];
  await (await connect()).send(sent.join(''));
  const lines = await linesUntil(watching, 'last');
  const told = lines.map((line) => line.replace(/^ts=\d+\.\d+ gid=\d+ /, ''));
  const deleted = (key: string, cmd: string, size: number) =>
    `type=deleted key=${key} cmd=${cmd} clsid=1 size=${size}`;
  expect(told).toEqual([
    deleted('a', 'delete', 4),
    deleted('b%25c', 'md', 2),
    deleted('c', 'md', 3),
    deleted('a%20b', 'md', 1),
    deleted('last', 'delete', 1),
  ]);
});

describe.each(programs)('%s tells its watchers', (program) => {
  test('of every look-up', async () => {
    await start(program);
    const watching = await watcher('fetchers');
    await (await connect()).send(`${work}get last\r\n`);
    const lines = await linesUntil(watching, 'last');
    for (const line of lines) {
      expect(line).toMatch(
        /^ts=\d+\.\d+ gid=\d+ type=item_get key=\S+ status=\w+ clsid=\d+ cfd=\d+ size=\d+$/,
      );
    }
    const told = lines.map((line) => /key=(\S+) status=(\w+)/.exec(line)!.slice(1).join(' '));
    expect(told).toEqual(fetched);
    expect(new Set(lines.map((line) => /cfd=(\d+)/.exec(line)![1])).size).toBe(1);
    const numbers = lines.map((line) => Number(/gid=(\d+)/.exec(line)![1]));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });

  test('of meta commands', async () => {
    await start(program);
    const watching = await watcher('fetchers mutations');
    const client = await connect();
    const sent = 'mg a v\r\nms a 2\r\nab\r\nms a 1 ME\r\nc\r\nms a 1 MA\r\nc\r\nms a 1 C1\r\nd\r\n';
    await client.send(`${sent}ma n\r\nma n N0\r\nmd n\r\nme a\r\nmg last\r\n`);
    const told = (await linesUntil(watching, 'last')).map((line) => {
      const [, type, key, status, rest] = /type=item_(\w+) key=(\w+) status=(\w+) (.*)/.exec(line)!;
      return [type, key, status, /cmd=(\w+)/.exec(rest!)?.[1] ?? ''].join(' ').trim();
    });
    expect(told).toEqual([
      ...['get a not_found', 'get a not_found', 'store a stored set'],
      ...['get a found', 'store a not_stored add', 'get a found', 'store a stored append'],
      ...['get a found', 'store a exists cas', 'get n not_found'],
      ...['get n not_found', 'get n not_found', 'store n stored add'],
      ...['get n found', 'get a found', 'get last not_found'],
    ]);
  });

  test('of every storage command', async () => {
    await start(program);
    const watching = await watcher('mutations');
    await (await connect()).send(`${work}set last 0 0 3\r\nabc\r\n`);
    const lines = plain(await linesUntil(watching, 'last'));
    const stored = (key: string, status: string, cmd: string, ttl: number | RegExp, size: number) =>
      `type=item_store key=${key} status=${status} cmd=${cmd} ttl=${ttl} clsid=N cfd=N size=${size}`;
    // memcached writes a negative TTL as it stands in memory.
    const told = lines.map((line) => line.replace(/(key=e .*ttl=)\d+/, '$10'));
    expect(told.filter((line) => !line.includes('status=not_stored'))).toEqual([
      stored('a', 'stored', 'set', 0, 1),
      stored('b%25c%80%7F%22%27', 'stored', 'set', 100, 2),
      stored('q', 'stored', 'add', 0, 1),
      stored('a', 'stored', 'replace', 0, 1),
      stored('a', 'stored', 'append', 0, 2),
      stored('a', 'stored', 'prepend', 0, 3),
      stored('a', 'exists', 'cas', 0, 1),
      stored('nn', 'not_found', 'cas', 0, 1),
      stored('t', 'stored', 'set', 10, 0),
      stored('e', 'stored', 'set', 0, 1),
      stored('f', 'stored', 'set', 0, 3),
      stored('last', 'stored', 'set', 0, 3),
    ]);
    const refused = told.filter((line) => line.includes('status=not_stored'));
    expect(refused.map((line) => /key=(\S+) .*cmd=(\w+)/.exec(line)!.slice(1))).toEqual([
      ['a', 'add'],
      ['nn', 'replace'],
    ]);
  });

  test('of evictions', async () => {
    await start(program, '-m', '8');
    const watching = await watcher('evictions');
    const client = await connect();
    const value = 'x'.repeat(500_000);
    for (let i = 0; i < 40; i++) {
      await client.send(`set big${i} 0 0 ${value.length}\r\n${value}\r\n`);
      expect(await client.readLine()).toBe('STORED');
    }
    const [line] = await watching
      .readUntil('an eviction', (text) => text.includes('\n'))
      .then((bytes) => bytes.toString().split('\n'));
    expect(line).toMatch(
      /^ts=\d+\.\d+ gid=\d+ type=eviction key=big\d+ fetch=no ttl=-1 la=\d+ clsid=\d+ size=500000$/,
    );
  });

  test('of connections that come and go', async () => {
    await start(program);
    const watching = await watcher('connevents');
    const [first, second] = [await connect(), await connect()];
    // The connection that was tried at the start may still be ending: only what is told of these two counts.
    let text = '';
    const told = (client: Client, count: number): Promise<string[]> =>
      until(`${count} lines of a connection`, () => {
        text += watching.take().toString();
        const whole = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
        const lines = whole.filter((line) => line.includes(` rport=${client.localPort} `));
        return lines.length >= count ? plain(lines) : null;
      });
    const peer = 'rip=127.0.0.1 rport=N transport=tcp';
    const opened = `type=conn_new ${peer} cfd=N`;
    const closed = `type=conn_close ${peer} reason=normal cfd=N`;
    expect(await told(first, 1)).toEqual([opened]);
    expect(await told(second, 1)).toEqual([opened]);
    await first.send('quit\r\n');
    expect(await told(first, 2)).toEqual([opened, closed]);
    expect(await told(second, 1)).toEqual([opened]);
    second.close();
    expect(await told(second, 2)).toEqual([opened, closed]);
  });

  test('that an idle connection is closed for that', async () => {
    await start(program, '-o', 'idle_timeout=1');
    const watching = await watcher('connevents');
    const idle = await connect();
    await idle.readClosed(20_000);
    // The difference idle-lines: what happens between two ticks is told with the next one (docs/PROTOCOL.md).
    await (await connect()).send('version\r\n');
    const ended = (text: string) => text.includes('reason=idle_timeout');
    await watching.readUntil('the end of an idle connection', ended);
  });
});

describe('a watcher', () => {
  test('is told of what it asked for only, and of nothing once it has gone', async () => {
    await start('hotspare');
    const [fetchers, both] = [await watcher('fetchers'), await watcher('fetchers mutations')];
    const client = await connect();
    await client.send('set k 0 0 1\r\n1\r\nget last\r\n');
    expect(await linesUntil(fetchers, 'last')).toHaveLength(2);
    expect(await linesUntil(both, 'last')).toHaveLength(3);
    fetchers.close();
    both.close();
    await client.take();
    const rows = async (): Promise<string> => {
      await client.send('stats\r\n');
      return (await client.readUntil('statistics', (all) => all.endsWith('END\r\n'))).toString();
    };
    await until('the watchers to be gone', async () => /log_watchers 0/.test(await rows()));
    expect(await rows()).toMatch(/log_worker_written 3\r\n[\s\S]*log_watcher_sent 5\r\n/);
  });

  test('that does not read misses lines, and is told how many; nobody waits for it', async () => {
    await start('hotspare');
    const watching = await watcher('fetchers');
    watching.pause();
    const client = await connect();
    const gets = `get ${Array.from({ length: 30 }, (_, at) => `${'k'.repeat(200)}${at}`).join(' ')}\r\n`;
    let asked = 0;
    const skipped = async (): Promise<number> => {
      await client.send('stats\r\n');
      const text = await client.readUntil('statistics', (all) =>
        /log_watchers 1[\s\S]*END\r\n$/.test(all),
      );
      return Number(/log_watcher_skipped (\d+)/.exec(text.toString())![1]);
    };
    await until(
      'lines to be skipped',
      async () => {
        await client.send(gets.repeat(100));
        asked += 3000;
        await client.readUntil('answers', (all) => all === 'END\r\n'.repeat(100));
        return (await skipped()) > 0;
      },
      { withinMs: 30_000, everyMs: 0 },
    );
    watching.resume();
    let text = '';
    await until('word of what was missed', async () => {
      text += watching.take().toString();
      await client.send('get more\r\n');
      asked++;
      await client.readLine();
      return /skipped=\d+\n[\s\S]*key=more.*\n$/.test(text);
    });
    const missed = [...text.matchAll(/^skipped=(\d+)$/gm)].map(([, count]) => Number(count));
    const told = text.match(/^ts=.*$/gm)!.length;
    // What is still under way is the last few `more`s.
    const known = told + missed.reduce((sum, count) => sum + count, 0);
    expect(known).toBeLessThanOrEqual(asked);
    expect(known).toBeGreaterThan(asked - 100);
  });

  test('may not be one of more than twenty', async () => {
    await start('hotspare');
    for (let i = 0; i < 20; i++) await watcher('fetchers');
    const client = await connect();
    await client.send('watch\r\nversion\r\n');
    expect(await client.readLine()).toBe('WATCHER_TOO_MANY log watcher limit reached');
    expect(await client.readLine()).toBe('VERSION 1.6.18');
  });
});
