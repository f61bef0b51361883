/** What a newer memcached has and 1.6.18 refuses: the judge shows that it does, hotspare shows the addition. */
import {
  type Case,
  type Exchange,
  type Expected,
  end,
  error,
  set,
  stored,
  type Topic,
  value,
} from '../table.js';

const hit = 'HD\r\n';
const miss = 'EN\r\n';
const invalid = 'CLIENT_ERROR invalid flag\r\n';
const badFlag = 'CLIENT_ERROR invalid or duplicate flag\r\n';
const badToken = 'CLIENT_ERROR bad token in command line format\r\n';
const largest = '18446744073709551615';

function ms(key: string, data: string, flags: string): string {
  return `ms ${key} ${data.length} ${flags}\r\n${data}\r\n`;
}

/** A case of one request, with what memcached 1.6.18 answers and what hotspare does; then what both do alike. */
function newer(
  difference: string,
  name: string,
  sent: string,
  memcached: Expected,
  hotspare: Expected,
  before: readonly Exchange[] = [],
): Case {
  return {
    name,
    steps: [...before, [sent, memcached]],
    differs: { name: difference, hotspare: { steps: [...before, [sent, hotspare]] } },
  };
}

const explicitCas: readonly Case[] = [
  newer(
    'explicit-cas',
    'ms with E: gets, mg and cas see the id that was given, ms shows it',
    `${ms('k', 'a', 'E5 c')}gets k\r\nmg k c\r\ncas k 0 0 1 5\r\nb\r\nget k\r\n`,
    `${invalid}${end}${miss}NOT_FOUND\r\n${end}`,
    `HD c5\r\nVALUE k 0 1 5\r\na\r\n${end}HD c5\r\n${stored}${value('k', 'b')}${end}`,
  ),
  newer(
    'explicit-cas',
    'the largest id, and an id that no double holds',
    `${ms('k', 'a', `E${largest} c`)}gets k\r\nms k 1 C${largest} E9007199254740993\r\nb\r\nmg k c\r\n`,
    `${invalid}${end}${invalid}${miss}`,
    `HD c${largest}\r\nVALUE k 0 1 ${largest}\r\na\r\n${end}${hit}HD c9007199254740993\r\n`,
  ),
  newer(
    'explicit-cas',
    'an ms without flags behind one with E gets an id of the counter',
    `${ms('k', 'a', 'E5')}ms k 1\r\nb\r\nmg k c\r\n`,
    /^CLIENT_ERROR invalid flag\r\nHD\r\nHD c\d+\r\n$/,
    /^HD\r\nHD\r\nHD c(?!5\r)\d+\r\n$/,
  ),
  newer(
    'explicit-cas',
    'me shows the id',
    `${ms('k', 'a', `E${largest}`)}me k\r\n`,
    `${invalid}${miss}`,
    new RegExp(`^HD\\r\\nME k exp=-1 la=\\d+ cas=${largest} fetch=no cls=1 size=\\d+\\r\\n$`),
  ),
  newer(
    'explicit-cas',
    'no number behind E',
    `${ms('k', 'a', 'Ex')}mg k N0 E\r\nmd k E-1\r\nma k E1.5\r\n`,
    `${invalid}${invalid}${badFlag}${badFlag}`,
    `${badToken}${badToken}${badFlag}${badFlag}`,
  ),
  newer(
    'explicit-cas',
    'mg that makes an item, ma that makes a number, ma, md with I',
    'mg k N0 E7 c\r\nmg k E9 c\r\nma n N0 E8 c\r\nma n E6 c v\r\nmd n I E3\r\nmg n c\r\n',
    `${invalid}${invalid}${badFlag}${badFlag}${badFlag}${miss}`,
    'HD c7 W\r\nHD c7 Z\r\nHD c8\r\nVA 1 c6\r\n1\r\nHD\r\nHD c3 X W\r\n',
  ),
  newer(
    'explicit-cas',
    'append and prepend; what comes without E is given an id of the server',
    `${set('k', 'b')}${ms('k', 'c', 'MA E4 c')}${ms('k', 'a', 'MP E4 c')}append k 0 0 1\r\nd\r\ngets k\r\n`,
    new RegExp(`^${stored}${invalid}${invalid}${stored}VALUE k 0 2 \\d+\\r\\nbd\\r\\n${end}$`),
    /^STORED\r\nHD c4\r\nHD c4\r\nSTORED\r\nVALUE k 0 4 (?!4\r)\d+\r\nabcd\r\nEND\r\n$/,
  ),
  newer(
    'explicit-cas',
    'an id below that of the item makes what comes stale, and is the new one',
    `${ms('k', 'a', 'E50')}${ms('k', 'b', 'C40 I E60')}mg k v c\r\n`,
    `${invalid}${invalid}${miss}`,
    `${hit}${hit}VA 1 c60 X W\r\nb\r\n`,
  ),
  newer(
    'explicit-cas',
    'a flush is the end of items with the largest and with the smallest id; what comes after it lives',
    `${ms('k', 'a', `E${largest}`)}${ms('l', 'a', 'E0')}flush_all\r\nmg k\r\nmg l\r\n${ms('m', 'a', 'E0')}mg m c\r\n`,
    `${invalid}${invalid}OK\r\n${miss}${miss}${invalid}${miss}`,
    `${hit}${hit}OK\r\n${miss}${miss}${hit}HD c0\r\n`,
  ),
  {
    ...newer(
      'explicit-cas',
      'a value of 100,000 bytes',
      `${ms('k', 'x'.repeat(100_000), 'E12')}gets k\r\n`,
      `${invalid}${end}`,
      `${hit}VALUE k 0 100000 12\r\n${'x'.repeat(100_000)}\r\n${end}`,
    ),
    huge: true,
  },
];

const others: readonly Case[] = [
  newer(
    'md-x',
    'md with x drops the value and keeps the item and its CAS id',
    `${ms('k', 'ab', 'F5 T100')}md k x\r\nmg k v f t\r\nmd l x\r\n`,
    new RegExp(`^HD\\r\\n${badFlag}VA 2 f5 t(?:100|99)\\r\\nab\\r\\n${badFlag}$`),
    `${hit}${hit}VA 0 f0 t-1\r\n\r\nNF\r\n`,
  ),
  {
    name: 'md with x, compared: the id stays until E gives another or I a new one',
    steps: [
      [set('k', 'a'), stored],
      ['gets k\r\n', /^VALUE k 0 1 (?<id>\d+)\r\na\r\nEND\r\n$/],
      [({ id }) => `md k x C${id}\r\nmg k v\r\n`, `${badFlag}VA 1\r\na\r\n`],
    ],
    differs: {
      name: 'md-x',
      hotspare: {
        steps: [
          [set('k', 'a'), stored],
          ['gets k\r\n', /^VALUE k 0 1 (?<id>\d+)\r\na\r\nEND\r\n$/],
          [({ id }) => `md k x C${id}\r\nmg k v c\r\n`, ({ id }) => `${hit}VA 0 c${id}\r\n\r\n`],
          [
            'md k x E9\r\nmg k c\r\nmd k x I E8\r\nmg k c\r\n',
            `${hit}HD c9\r\n${hit}HD c8 X W\r\n`,
          ],
          ['md k x C7\r\nmd k x q\r\nmn\r\n', 'EX\r\nMN\r\n'],
        ],
      },
    },
  },
  newer(
    'md-x',
    'md with x and client flags, an expiry and I',
    `${set('k', 'ab')}md k x I F9 T60\r\nmg k v f t\r\n`,
    `${stored}${badFlag}VA 2 f0 t-1\r\nab\r\n`,
    /^STORED\r\nHD\r\nVA 0 f9 t(?:60|59) X W\r\n\r\n$/,
  ),
  newer(
    'ms-size',
    'ms with s says how long the value is, in the order asked',
    `${ms('k', 'ab', 's k')}${ms('k', 'cde', 'MA k s')}${ms('l', 'ab', 'MR s')}`,
    `HD kk\r\nHD kk\r\nNS\r\n`,
    `HD s2 kk\r\nHD kk s5\r\nNS s2\r\n`,
  ),
  newer(
    'ms-vivify',
    'ms with MA or MP and N stores what it finds nothing for',
    `${ms('k', 'b', 'MA N100 F3 T5')}${ms('k', 'c', 'MA N0 F4')}${ms('k', 'a', 'MP N0')}mg k v f t\r\n${ms('l', 'a', 'MP N0')}get l\r\n`,
    `NS\r\nNS\r\nNS\r\n${miss}NS\r\n${end}`,
    /^HD\r\nHD\r\nHD\r\nVA 3 f3 t(?:100|99)\r\nabc\r\nHD\r\nVALUE l 0 1\r\na\r\nEND\r\n$/,
  ),
  newer('mgdump', 'lru_crawler mgdump of nothing', 'lru_crawler mgdump all\r\n', error, miss),
  newer(
    'mgdump',
    'lru_crawler mgdump all',
    'lru_crawler mgdump all\r\n',
    error,
    `mg k\r\n${miss}`,
    [[set('k', 'ab'), stored]],
  ),
  newer(
    'mgdump',
    'lru_crawler mgdump of a key that came in base64',
    'lru_crawler mgdump hash\r\n',
    error,
    `mg AAD/ b\r\n${miss}`,
    [['ms AAD/ 1 b\r\na\r\n', hit]],
  ),
  newer(
    'mgdump',
    'lru_crawler mgdump of a class that is none',
    'lru_crawler mgdump 0\r\n',
    error,
    'BADCLASS invalid class id\r\n',
  ),
  {
    ...newer(
      'mgdump',
      'with -X lru_crawler mgdump',
      'lru_crawler mgdump all\r\n',
      error,
      'ERROR key dump not allowed\r\n',
    ),
    flags: ['-X'],
  },
  {
    name: 'lru_crawler mgdump behind an answer that has not left',
    steps: [['mn\r\nlru_crawler mgdump all\r\n', `MN\r\n${error}`]],
    splits: ['whole'],
    why: 'else the answer may have left',
    differs: {
      name: 'mgdump',
      hotspare: {
        steps: [
          [
            'mn\r\nlru_crawler mgdump all\r\n',
            'MN\r\nERROR cannot pipeline other commands before mgdump\r\n',
          ],
        ],
      },
    },
  },
  {
    name: 'watch deletions',
    steps: [['watch deletions\r\n', error]],
    differs: {
      name: 'watch-deletions',
      hotspare: { steps: [['watch deletions\r\n', 'OK\r\n']], end: 'hangup' },
    },
  },
];

export const newerThanJudge: Topic = {
  topic: 'newer than 1.6.18',
  cases: [...explicitCas, ...others],
};
