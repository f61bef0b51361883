/** slabs, lru, lru_crawler, cache_memlimit, and the parts of stats that look at every item. */
import { badFormat, end, error, ok, one, type Step, set, stored, type Topic } from '../table.js';

const same = 'SAME src and dst class are identical\r\n';
const badClass = 'BADCLASS invalid src or dst class id\r\n';
const badCrawl = 'BADCLASS invalid class id\r\n';
const noSpare = 'NOSPARE source class has no spare pages\r\n';
const factors = 'ERROR hot/warm age factors must be greater than 0\r\n';
/** Another crawl, that nobody asked for, may be under way in memcached. */
const crawls = /^(?:OK|BUSY currently processing crawler request)\r\n$/;
const disabled = 'CLIENT_ERROR lru crawler disabled\r\n';
const tooSmall = 'MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n';
const megabytes = 'MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n';
const sizesOff = 'STAT sizes_status disabled\r\n';

const answers = (sent: string, expected: string | RegExp) => one(sent, `${sent}\r\n`, expected);

/** memcached's crawler does one thing at a time, and begins some by itself. */
export const crawlerRests: Step = {
  poll: 'lru_crawler metadump 30\r\n',
  whilst: 'BUSY currently processing crawler request\r\n',
  until: end,
  withinMs: 5000,
};

export const administration: Topic = {
  topic: 'administration',
  cases: [
    ...['slabs', 'slabs bogus', 'slabs reassign', 'slabs reassign 1', 'slabs automove'].map(
      (sent) => answers(sent, error),
    ),
    ...['slabs reassign 1 2 3', 'slabs reassign 1 2 noreply', 'slabs bogus 1 2'].map((sent) =>
      answers(sent, error),
    ),
    answers('slabs reassign a b', badFormat),
    answers('slabs reassign 5 5', same),
    answers('slabs reassign -1 -1', same),
    ...['-2 1', '1 -1', '99 1', '1 99', '1 64', '300 1'].map((classes) =>
      answers(`slabs reassign ${classes}`, badClass),
    ),
    ...['30 31', '30 0', '0 1'].map((classes) => answers(`slabs reassign ${classes}`, noSpare)),
    ...['0', '2', '1', 'ratio 0.5', 'ratio 1.5', 'ratio -1', 'ratio 0.8', '1 1'].map((words) =>
      answers(`slabs automove ${words}`, ok),
    ),
    answers('slabs automove 3', error),
    answers('slabs automove -1', badFormat),
    answers('slabs automove x', badFormat),
    answers('slabs automove ratio', error),
    answers('slabs automove ratio x', error),
    one(
      'slabs automove, silenced',
      'slabs automove 1 noreply\r\nslabs automove ratio 0.8 noreply\r\n',
      '',
    ),
    ...['lru', 'lru mode', 'lru mode bogus', 'lru tune', 'lru tune 10 25', 'lru tune 10 25 0.1']
      .concat(['lru tune x 25 0.1 2.0', 'lru tune 10 25 x 2.0', 'lru temp_ttl', 'lru temp_ttl x'])
      .concat('lru bogus 1')
      .map((sent) => answers(sent, error)),
    ...['mode flat', 'mode flat foo', 'mode segmented', 'tune 10 25 0.1 2.0', 'tune 20 40 0.2 2 x']
      .concat(['temp_ttl 60', 'temp_ttl 0', 'temp_ttl -1'])
      .map((words) => answers(`lru ${words}`, ok)),
    answers('lru tune 50 40 0.1 2.0', 'ERROR hot and warm pcts must not exceed 80\r\n'),
    answers('lru tune 10 25 0 2.0', factors),
    answers('lru tune 10 25 0.1 -2', factors),
    one('lru, silenced', 'lru mode segmented noreply\r\nlru noreply\r\n', ''),
    ...['lru_crawler', 'lru_crawler bogus', 'lru_crawler bogus 1', 'lru_crawler sleep']
      .concat(['lru_crawler tocrawl', 'lru_crawler crawl', 'lru_crawler metadump'])
      .concat(['lru_crawler enable noreply', 'lru_crawler sleep 100 noreply'])
      .concat(['lru_crawler crawl all noreply', 'lru_crawler metadump all foo'])
      .map((sent) => answers(sent, error)),
    answers('lru_crawler enable', 'ERROR failed to start lru crawler thread\r\n'),
    {
      name: 'lru_crawler disable, and what is refused then',
      steps: [
        ['lru_crawler disable\r\n', ok],
        ['lru_crawler disable\r\n', ok],
        {
          // memcached's crawler ends when it gets to it.
          poll: 'lru_crawler crawl all\r\n',
          whilst: 'ERROR an unknown error happened\r\n',
          until: disabled,
          withinMs: 3000,
        },
        ['lru_crawler metadump all\r\n', disabled],
        ['lru_crawler enable\r\n', ok],
      ],
    },
    ...['sleep 1000000', 'sleep 0', 'sleep 100', 'tocrawl 10', 'tocrawl 0'].map((words) =>
      answers(`lru_crawler ${words}`, ok),
    ),
    answers('lru_crawler sleep 1000001', 'CLIENT_ERROR sleep must be one second or less\r\n'),
    ...['sleep x', 'sleep -1', 'tocrawl x', 'tocrawl -1'].map((words) =>
      answers(`lru_crawler ${words}`, badFormat),
    ),
    ...['99', '0', '64', '-1', 'abc', '1,abc', '1a'].flatMap((ids) => [
      answers(`lru_crawler crawl ${ids}`, badCrawl),
      answers(`lru_crawler metadump ${ids}`, badCrawl),
    ]),
    ...['all', '1', '1,2,3', '1,,2', '63', '+1'].map((ids) =>
      answers(`lru_crawler crawl ${ids}`, crawls),
    ),
    {
      name: 'lru_crawler metadump: an item, its key as in a URI, its TTL',
      steps: [
        ['set a%b/~ 5 0 3\r\nabc\r\n', stored],
        [set('t', '1', 0, 100), stored],
        crawlerRests,
        [
          'lru_crawler metadump all\r\n',
          /^(?=[\s\S]*key=a%25b%2F~ exp=-1 la=\d{10} cas=\d+ fetch=no cls=\d+ size=71\n)(?=[\s\S]*key=t exp=\d{10} la=\d{10} cas=\d+ fetch=no cls=\d+ size=61\n)(?:key=[^\n]+\n){2}END\r\n$/,
        ],
      ],
    },
    {
      name: 'lru_crawler metadump hash: an item that was read',
      steps: [
        [set('k', '1'), stored],
        ['get k\r\n', /END\r\n$/],
        crawlerRests,
        [
          'lru_crawler metadump hash\r\n',
          /^key=k exp=-1 la=\d+ cas=\d+ fetch=yes cls=\d+ size=61\nEND\r\n$/,
        ],
      ],
    },
    {
      name: 'lru_crawler metadump of a class that holds nothing',
      steps: [crawlerRests],
    },
    one(
      'lru_crawler metadump behind an answer that has not left',
      'version\r\nlru_crawler metadump all\r\n',
      /^VERSION .*\r\nERROR cannot pipeline other commands before metadump\r\n$/,
      { splits: ['whole'], why: 'else the answer may have left' },
    ),
    one('stats extstore', 'stats extstore\r\nstats extstore x\r\n', end + end),
    answers('cache_memlimit 64', ok),
    answers('cache_memlimit 64 foo', ok),
    answers('cache_memlimit 7', tooSmall),
    answers('cache_memlimit 0', tooSmall),
    answers('cache_memlimit 4294967296', tooSmall),
    answers('cache_memlimit 4294967295', megabytes),
    ...['cache_memlimit', 'cache_memlimit x', 'cache_memlimit -1', 'cache_memlimit 64 a b'].map(
      (sent) => answers(sent, error),
    ),
    one('cache_memlimit, silenced', 'cache_memlimit 64 noreply\r\ncache_memlimit noreply\r\n', ''),
    answers('stats sizes', sizesOff + end),
    {
      name: 'stats sizes: items stored since it was enabled',
      steps: [
        [set('before', '1'), stored],
        ['stats sizes_enable\r\n', 'STAT sizes_status enabled\r\n'],
        [set('a', 'x'.repeat(50)), stored],
        [set('b', 'x'.repeat(50)), stored],
        [set('c', 'x'.repeat(500)), stored],
        ['stats sizes\r\n', `STAT 128 2\r\nSTAT 576 1\r\n${end}`],
        ['delete b\r\n', 'DELETED\r\n'],
        ['stats sizes\r\n', `STAT 128 1\r\nSTAT 576 1\r\n${end}`],
        ['stats sizes_disable\r\n', sizesOff],
        ['stats sizes\r\n', sizesOff + end],
      ],
    },
    ...['stats cachedump', 'stats cachedump 1'].map((sent) =>
      answers(sent, 'CLIENT_ERROR bad command line\r\n'),
    ),
    ...['x 10', '1 x', '-1 1', '1 -1'].map((words) =>
      answers(`stats cachedump ${words}`, badFormat),
    ),
    ...['64', '99', '255', '256'].map((number) =>
      answers(`stats cachedump ${number} 10`, 'CLIENT_ERROR Illegal slab id\r\n'),
    ),
    answers('stats cachedump 30 10', end),
  ],
};
