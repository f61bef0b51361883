/**
 * Start-up by memcached's flags, side by side with memcached: what it refuses with words is refused here with the same
 * words in one line; what it takes is taken, or refused because to ignore it would break a promise.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { exitStatus } from '../../src/base/errors.js';
import { Client } from '../support/client.js';
import { expectRefusal, hotspare, main, patienceMs, said } from '../support/nodes.js';
import { type Child, run } from '../support/process.js';
import { memcachedMissing, type Server, startProgram } from '../support/server.js';

const alone = ['-p', '-1', '-l', '127.0.0.1'];
const asRoot = process.getuid!() === 0 ? ['-u', 'root'] : [];
let children: Child[] = [];
let servers: Server[] = [];

afterEach(async () => {
  await Promise.all([...children.map((child) => child.end()), ...servers.map((one) => one.stop())]);
  children = [];
  servers = [];
});

/** Both refuse; the words are memcached's. */
const sameWords: readonly [args: string[], words: string, status?: number][] = [
  [['-c', '0'], 'Maximum connections must be greater than 0'],
  [['-c', '-5'], 'Maximum connections must be greater than 0'],
  [['-c', 'abc'], 'Maximum connections must be greater than 0'],
  [['-t', '0'], 'Number of threads must be greater than 0'],
  [['-t', '-1'], 'Number of threads must be greater than 0'],
  [['-R', '0'], 'Number of requests per event must be greater than 0'],
  [['-N', '0'], 'Maximum number of NAPI IDs must be greater than 0'],
  [['-B', 'foo'], 'Invalid value for binding protocol: foo'],
  [['-I', '1000'], 'Item max size cannot be less than 1024 bytes.'],
  [['-I', '33m'], 'Cannot set item size limit higher than 1/2 of memory max.'],
  [['-I', '5m', '-m', '8'], 'Cannot set item size limit higher than 1/2 of memory max.'],
  [['-m', '1'], 'Cannot set item size limit higher than 1/2 of memory max.'],
  [['-I', '1025m', '-m', '4096'], 'Cannot set item size limit higher than a gigabyte.'],
  [['-n', '0'], 'Chunk size must be greater than 0'],
  [['-f', '1'], 'Factor must be greater than 1'],
  [['-f', '0.5'], 'Factor must be greater than 1'],
  [['-f', 'abc'], 'Factor must be greater than 1'],
  [['-u', 'nobodyatall'], "can't find the user nobodyatall to switch to"],
  [['-l', 'nobody.invalid'], 'getaddrinfo()'],
  [['-o', 'bogus'], 'Illegal suboption "bogus"'],
  [['-o', 'no_bogus'], 'Illegal suboption "no_bogus"'],
  [['-o', ','], 'Illegal suboption ""'],
  [['-o', 'modern,bogus=1'], 'Illegal suboption "bogus=1"'],
  [['-o', 'hashpower'], 'Missing numeric argument for hashpower'],
  [['-o', 'hashpower=11'], 'Initial hashtable multiplier of 11 is too low'],
  [['-o', 'hashpower=33'], 'Initial hashtable multiplier of 33 is too high'],
  [['-o', 'slab_automove=3'], 'slab_automove must be between 0 and 2'],
  [['-o', 'slab_automove_ratio'], 'Missing slab_automove_ratio argument'],
  [['-o', 'slab_automove_ratio=2'], 'slab_automove_ratio must be > 0 and < 1'],
  [['-o', 'slab_automove_window=1'], 'slab_automove_window must be > 2'],
  [['-o', 'tail_repair_time'], 'Missing numeric argument for tail_repair_time'],
  [['-o', 'tail_repair_time=5'], 'Cannot set tail_repair_time to less than 10 seconds'],
  [['-o', 'hash_algorithm'], 'Missing hash_algorithm argument'],
  [['-o', 'hash_algorithm=foo'], 'Unknown hash_algorithm option (jenkins, murmur3, xxh3)'],
  [['-o', 'lru_crawler_sleep'], 'Missing lru_crawler_sleep value'],
  [['-o', 'lru_crawler_sleep=2000000'], 'LRU crawler sleep must be between 0 and 1 second'],
  [['-o', 'lru_crawler_tocrawl=abc'], 'lru_crawler_tocrawl takes a numeric 32bit value'],
  [['-o', 'hot_lru_pct'], 'Missing hot_lru_pct argument'],
  [['-o', 'hot_lru_pct=90'], 'hot_lru_pct must be > 1 and < 80'],
  [
    ['-o', 'hot_lru_pct=50,warm_lru_pct=50'],
    'hot_lru_pct + warm_lru_pct cannot be more than 80% combined',
  ],
  [['-o', 'hot_max_factor=0'], 'hot_max_factor must be > 0'],
  [['-o', 'temporary_ttl'], 'Missing temporary_ttl argument'],
  [['-o', 'idle_timeout'], 'Missing numeric argument for idle_timeout'],
  [['-o', 'watcher_logbuf_size'], 'Missing watcher_logbuf_size argument'],
  [['-o', 'worker_logbuf_size=abc'], 'could not parse argument to worker_logbuf_size'],
  [['-o', 'read_buf_mem_limit'], 'Missing read_buf_mem_limit argument'],
  [
    ['-U', '11311', '-Y', '/dev/null'],
    'Cannot use UDP with ascii authentication enabled (-U 0 to disable)',
  ],
  [['-o', 'ssl_verify_mode=9'], 'Invalid ssl_verify_mode. Use help to see valid options.'],
  [['-o', 'ssl_min_version=abc'], 'could not parse argument to ssl_min_version'],
];

/** Refused here, with the sentence; memcached takes it, or has other words. */
const ownWords: readonly [args: string[], sentence: RegExp][] = [
  [['-z'], /unknown option '-z'/],
  [['-p'], /argument missing/],
  [['-p', '99999'], /'-p, --port <num>' argument '99999' is invalid/],
  [['-B', 'binary'], /the binary protocol is not served/],
  [['-n', '300000'], /'-n, --slab-min-size/],
  [['-m', '0'], /'-m, --memory-limit/],
  [['-I', '1.5m'], /bytes, or a number with k or m/],
  [['-b', 'abc'], /'-b, --listen-backlog <num>'/],
  [['-D', ''], /one printable character/],
  [['-a', '999'], /an octal number/],
  [['-S'], /-S: SASL belongs to the binary protocol/],
  [['-Z'], /-Z needs -o ssl_chain_cert=FILE/],
  [['-o', 'ext_path=/x:1G'], /extstore is not there/],
  [['-o', 'drop_privileges'], /no seccomp sandbox/],
  [['-o', 'sock_cookie_id=5'], /sockets are not marked/],
  [['-l', '127.0.0.1:abc'], /an address is HOST, HOST:PORT or \[IPV6\]:PORT/],
  [['--discard-memory-file'], /there is no file.*name it with -e/],
  [['-P', '/nowhere/pid'], /Could not open the pid file \/nowhere\/pid for writing: .*\(ENOENT\)/],
  [['-v', 'pair', '-p', '1'], /--verbose: it stands before pair \(put it behind\)/],
  [['pair', '-p', '1023', '-u', 'nobody'], /only root can take port 1023 over/],
];

describe('what both refuse', () => {
  test.each(sameWords)('%j: %s', async (args, words, status = exitStatus.USAGE) => {
    await expectRefusal([...alone, ...args], status, new RegExp(escaped(words)));
    if (memcachedMissing() !== null) return;
    const judge = await run('/usr/bin/memcached', [...asRoot, ...alone, ...args], patienceMs);
    expect(judge.code).toBeGreaterThan(0);
    expect(judge.output).toContain(words);
  });
});

describe('what is refused here', () => {
  test.each(ownWords)('%j', async (args, sentence) => {
    await expectRefusal(args, exitStatus.USAGE, sentence);
  });
});

describe('what is taken', () => {
  test('that does nothing is said, once each; the rest is not', async () => {
    const child = await start(
      ...['-t', '4', '-R', '20', '-C', '-N', '2', '-r', '-U', '0', '-B', 'auto', '-b', '100'],
      ...[
        '-F',
        '-X',
        '-W',
        '-A',
        '-M',
        '-D',
        ':',
        '-L',
        '-o',
        'modern,hashpower=20',
        '-o',
        'no_maxconns_fast',
      ],
    );
    const remarks = [...child.output().matchAll(/ hotspare: (-\S+(?: \S+)?): /g)].map(
      ([, flag]) => flag,
    );
    expect(remarks).toEqual(['-r', '-t 4', '-R 20', '-C', '-N 2', '-o modern', '-o hashpower=20']);
  });

  test('-k: the cache is locked, or the start refused', async () => {
    await expectRefusal(
      [...alone, '-k'],
      exitStatus.MEMORY,
      /-k: cannot lock \d+ MiB of memory: mlock: E\w+ \(raise ulimit -l/,
      [...unprivileged, 'bash', '-c', 'ulimit -l 64 && exec "$@"', 'limited'],
    );
  });

  test('-V and -i print and end', async () => {
    const version = await run(process.execPath, [main, '-V'], patienceMs);
    expect(version).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^hotspare \S+ \(answers/),
    });
    const licence = await run(process.execPath, [main, '-i'], patienceMs);
    expect(licence).toMatchObject({ code: 0, output: expect.stringContaining('MIT') });
  });
});

describe('stats settings', () => {
  const needed = memcachedMissing() === null ? test : test.skip;

  needed('has memcached’s keys, in its order, whatever was set', async () => {
    const flags = [
      '-A',
      '-D',
      '/',
      '-X',
      '-F',
      '-a',
      '770',
      '-b',
      '99',
      '-R',
      '7',
      '-B',
      'ascii',
      '-M',
      '-vv',
    ];
    const words = [
      'hashpower=18,no_maxconns_fast,idle_timeout=9,temporary_ttl=50,tail_repair_time=11',
      'hot_max_factor=0.3,no_lru_crawler,slab_automove=2',
    ].join(',');
    const all = [...flags, '-o', words];
    const [ours, theirs] = await Promise.all([
      settings('hotspare', all),
      settings('memcached', all),
    ]);
    expect([...ours.keys()]).toEqual([...theirs.keys()]);
    const differ = [...ours.keys()].filter((key) => ours.get(key) !== theirs.get(key));
    expect(differ).toEqual(truths);
  });

  needed('of a stock server differ in what is not there', async () => {
    const [ours, theirs] = await Promise.all([settings('hotspare', []), settings('memcached', [])]);
    expect([...ours.keys()]).toEqual([...theirs.keys()]);
    const differ = [...ours.keys()].filter((key) => ours.get(key) !== theirs.get(key));
    expect(differ).toEqual(truths);
  });
});

/** What hotspare cannot say as memcached does without a lie; and the port, which differs by itself. */
const truths = [
  'tcpport',
  'num_threads',
  'num_threads_per_udp',
  'hash_algorithm',
  'lru_maintainer_thread',
];

const unprivileged =
  process.getuid!() === 0 ? ['setpriv', '--reuid', '65534', '--bounding-set', '-all'] : [];

async function start(...args: string[]): Promise<Child> {
  const child = await hotspare(...alone, ...args);
  children.push(child);
  await said(child, /serving on port/);
  return child;
}

async function settings(
  program: 'hotspare' | 'memcached',
  flags: string[],
): Promise<Map<string, string>> {
  const server = await startProgram(program, flags);
  servers.push(server);
  const client = await Client.connect(server.host, server.port);
  try {
    await client.send('stats settings\r\n');
    const text = await client.readUntil('settings', (all) => all.endsWith('END\r\n'));
    const rows = text.toString('latin1').matchAll(/^STAT (\S+) (.*)\r$/gm);
    return new Map([...rows].map(([, name, value]) => [name!, value!]));
  } finally {
    client.close();
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
