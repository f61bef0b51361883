/** The command line as a function: getopt_long's habits, the words of -o, and what is said of flags that do nothing. */
import { describe, expect, test } from '@jest/globals';
import { Command } from 'commander';
import { extended } from '../../src/flags/extended.js';
import { words } from '../../src/flags/extended-words.js';
import { addFlags, given, review } from '../../src/flags/flag.js';
import { memcachedFlags, ownFlags } from '../../src/flags/server-flags.js';
import type { Settings } from '../../src/flags/settings.js';
import { settingsOf } from '../../src/flags/settings-from-flags.js';

const table = [...memcachedFlags, ...ownFlags];

function command(...args: string[]): Command {
  const parsed = addFlags(new Command('test'), table)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return parsed.parse(args, { from: 'user' });
}

async function settings(...args: string[]): Promise<Settings> {
  return (await settingsOf(command(...args), {})).settings;
}

describe('getopt_long', () => {
  test.each<[string[], Partial<Settings>]>([
    [['--port=1'], { port: 1 }],
    [['--port', '1'], { port: 1 }],
    [['-p1'], { port: 1 }],
    [['-vvAp', '11212'], { verbosity: 2, shutdown: true, port: 11212 }],
    [['-vvMp11212'], { verbosity: 2, evict: false, port: 11212 }],
    [['-p', '-1'], { port: -1 }],
    [['-p-1'], { port: -1 }],
    [['--port=-1'], { port: -1 }],
    [['-p', '1', '-p', '2'], { port: 2 }],
    [['-D', ':'], { prefixDelimiter: ':', detail: true }],
    [['-D/x'], { prefixDelimiter: '/', detail: true }],
    [['-a', '777'], { unixMode: 0o777 }],
    [['-I', '2M'], { itemBytesMax: 2 ** 21 }],
    [['-I', '1g', '-m', '4096'], { itemBytesMax: 2 ** 30 }],
    [['-I', '1500'], { itemBytesMax: 1500 }],
    [['-l', '127.0.0.1', '-l', '127.0.0.2:5'], { listen: ['127.0.0.1', '127.0.0.2:5'] }],
    [['-l', '127.0.0.1', '-l', '127.0.0.1'], { listen: ['127.0.0.1'] }],
    [['-l', '127.0.0.1,[::1]:6;::1'], { listen: ['127.0.0.1', '[::1]:6', '::1'] }],
    [['-l', '*,*:7'], { listen: ['*', '*:7'], interfaces: '*,*:7' }],
    [['-FXW'], { flush: false, dump: false, watch: false }],
    [['-kL'], { lockMemory: true, hugePages: true }],
    [
      ['-o', 'modern', '-o', 'idle_timeout=5,no_maxconns_fast'],
      { idleSeconds: 5, refuseFast: false },
    ],
    [['-o', 'no_maxconns_fast,maxconns_fast'], { refuseFast: true }],
    [['-o', 'no_modern'], { refuseFast: false }],
    [['-o', 'no_slab_reassign,slab_automove=2'], { slabReassign: false, slabAutomove: 2 }],
    [['-o', 'no_slab_automove,slab_automove'], { slabAutomove: 1 }],
    [['-o', 'slab_automove=2,no_slab_automove'], { slabAutomove: 0 }],
    [['-o', 'no_lru_crawler,lru_crawler_sleep=7'], { lruCrawler: false, lruCrawlerSleepMicros: 7 }],
    [['-o', ''], { refuseFast: true, idleSeconds: 0 }],
    [['-U', '0'], { udpPort: 0, port: 11211 }],
    [['-U', '5'], { udpPort: 5, port: 5 }],
    [['-U', '5', '-p', '6'], { udpPort: 5, port: 6 }],
    [['-Y', 'file'], { authFile: 'file' }],
    [
      ['-Z', '-o', 'ssl_chain_cert=c,ssl_key=k', '-l', 'notls:127.0.0.1:5'],
      { listen: ['notls:127.0.0.1:5'] },
    ],
    [['-R', '7'], { tuning: new Map([['reqs_per_event', '7']]) }],
    [['-o', 'watcher_logbuf_size=2'], { tuning: new Map([['watcher_logbuf_size', '2048']]) }],
  ])('%j', async (args, part) => {
    expect(await settings(...args)).toMatchObject(part);
  });

  test('a host name stands for its addresses, with the port', async () => {
    const { listen, interfaces } = await settings('-l', 'localhost:5');
    expect(interfaces).toBe('localhost:5');
    expect(listen.length).toBeGreaterThan(0);
    for (const one of listen) expect(one).toMatch(/^(127\.0\.0\.1|\[::1\]):5$/);
  });

  test.each<[string[], RegExp]>([
    [['-l', 'nobody.invalid'], /^-l nobody\.invalid: getaddrinfo\(\)/],
    [['-l', '127.0.0.1:x'], /an address is HOST/],
    [['-l', 'localhost:70000'], /a port is 0 to 65535/],
    [['-l', 'notls:127.0.0.1:1'], /'notls' option is valid only when SSL is enabled/],
    [['-U', '5', '-Y', 'file'], /^-U 5: Cannot use UDP with ascii authentication enabled/],
    [['-Z'], /^-Z needs -o ssl_chain_cert=FILE/],
    [['-Z', '-o', 'ssl_chain_cert=c'], /^-Z needs -o ssl_key=FILE/],
    [['-S'], /^-S: SASL/],
    [['-o', 'ext_path=/x:1G'], /^-o ext_path=\/x:1G: extstore is not there/],
    [['-o', 'bogus=1'], /Illegal suboption "bogus=1"/],
    [['-o', 'toString'], /Illegal suboption "toString"/],
    [['-o', 'hot_lru_pct=50'], /cannot be more than 80% combined/],
  ])('%j is refused', async (args, sentence) => {
    await expect(settings(...args)).rejects.toThrow(sentence);
  });

  test.each([['-z'], ['--por', '1'], ['-p', 'x'], ['-p', '65536'], ['-D', ''], ['extra'], ['-m']])(
    '%s %s is no flag, or no value',
    (...args) => {
      expect(() => command(...args)).toThrow();
    },
  );
});

describe('-o', () => {
  const value: Readonly<Record<string, string>> = {
    hash_algorithm: 'xxh3',
    slab_sizes: '100-200',
    hashpower: '20',
    tail_repair_time: '10',
    slab_automove: '1',
    slab_automove_ratio: '0.5',
    hot_max_factor: '0.5',
    warm_max_factor: '0.5',
    ssl_ciphers: 'ALL',
    ssl_keyformat: '1',
  };
  const needsOne = (name: string) => words[name]!.check(null) !== null;
  const written = (name: string) => {
    if (name in value) return `${name}=${value[name]}`;
    return needsOne(name) ? `${name}=3` : name;
  };

  test.each(Object.entries(words).filter(([, { kind }]) => kind === 'tuning'))(
    '%s is taken, with one line',
    (name) => {
      const { remarks } = extended([written(name)]);
      expect(remarks).toEqual([`-o ${written(name)}: ${words[name]!.sentence}`]);
    },
  );

  test.each(Object.entries(words).filter(([, { kind }]) => kind === 'refused'))(
    '%s is refused',
    (name, { sentence }) => {
      expect(() => extended([written(name)])).toThrow(sentence);
    },
  );

  test('what has a meaning is taken without a word', () => {
    const taken = ['maxconns_fast', 'no_maxconns_fast', 'idle_timeout=1', 'no_drop_privileges'];
    expect(extended([taken.join(',')]).remarks).toEqual([]);
  });

  test('-Z needs its certificate', () => {
    expect(extended([]).tls).toThrow('-Z needs -o ssl_chain_cert=FILE');
  });

  test('words for TLS are kept for -Z', () => {
    const { tls } = extended([
      'ssl_chain_cert=c,ssl_key=k,ssl_verify_mode=2,ssl_min_version=3,ssl_session_cache',
    ]);
    expect(tls()).toMatchObject({
      chainCert: 'c',
      key: 'k',
      verifyMode: 2,
      minVersion: 3,
      sessionCache: true,
      writeBufferBytes: 16384,
    });
  });
});

describe('flags', () => {
  test('every letter of memcached is there', () => {
    const letters = 'aAZpsUmMckivdlu PfntDLRCbBISFXWYeoNr'.replace(/ /g, '');
    const found = table
      .map(({ form }) => /^-(\w)/.exec(form)?.[1])
      .filter((one) => one !== undefined);
    expect(found.sort()).toEqual([...letters].sort());
  });

  test('what does nothing is said in one line each, what does something is not', () => {
    const said = review(
      command('-t', '4', '-C', '-r', '-R', '9', '-N', '2', '-p', '1', '-v'),
      table,
    );
    expect(said.map((line) => line.replace(/:.*/, '')).sort()).toEqual([
      '-C',
      '-N 2',
      '-R 9',
      '-r',
      '-t 4',
    ]);
    expect(review(command('-t', '1', '-U', '0'), table)).toEqual([]);
  });

  test('they are passed on as they were given', () => {
    const args = [
      '-vvp',
      '5',
      '-l',
      '127.0.0.1,localhost',
      '-a',
      '640',
      '-o',
      'modern',
      '-o',
      'idle_timeout=2',
      '-D',
      ':',
      '-M',
    ];
    const again = given(command(...args), table);
    expect(again).not.toContain('--max-item-size');
    expect(command(...again).opts()).toEqual(command(...args).opts());
  });
});
