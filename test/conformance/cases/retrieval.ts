/** get, gets, bget, gat, gats: hits, misses, many keys, and the ids that gets shows. */
import { badExptime, end, error, one, set, stored, type Topic, touched, value } from '../table.js';

const oddKeys: [string, string][] = [
  ['one byte', 'k'],
  ['digits', '12345'],
  ['punctuation', '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'],
  ['control characters', '\x01\x02\x07\x08\x0b\x0c\x1b\x1f\x7f'],
  ['a carriage return', 'a\rb'],
  ['a tab', '\ta\t'],
  ['high bytes', '\x80\xa0\xff\xfe'],
  ['UTF-8', '\xe2\x82\xac\xc3\xa4'],
  ['a command', 'get'],
  ['noreply', 'noreply'],
  ['a number', '0'],
];

export const retrieval: Topic = {
  topic: 'retrieval',
  cases: [
    one('get misses', 'get k\r\n', end),
    one('gets misses', 'gets k\r\n', end),
    one('get without a key', 'get\r\nget \r\nget    \r\n', error.repeat(3)),
    one('gets without a key', 'gets\r\ngets \r\n', error + error),
    one('get hits', `${set('k', 'abc', 5)}get k\r\n`, stored + value('k', 'abc', 5) + end),
    one(
      'bget is get',
      `${set('k', 'abc', 5)}bget k\r\nbget j\r\nbget\r\n`,
      stored + value('k', 'abc', 5) + end + end + error,
    ),
    one(
      'get of two keys, in the order asked',
      `${set('a', '1')}${set('b', '2')}get b a\r\n`,
      stored + stored + value('b', '2') + value('a', '1') + end,
    ),
    one('get leaves misses out', `${set('b', '2')}get a b c\r\n`, stored + value('b', '2') + end),
    one(
      'get of a key three times',
      `${set('a', '1')}get a a a\r\n`,
      stored + value('a', '1').repeat(3) + end,
    ),
    one(
      'a key is compared as a whole',
      `${set('aa', '1')}get a\r\nget aaa\r\nget AA\r\nget aa\r\n`,
      stored + end.repeat(3) + value('aa', '1') + end,
    ),
    one(
      'noreply is a key for get',
      `${set('noreply', '1')}get k noreply\r\n`,
      stored + value('noreply', '1') + end,
    ),
    ...oddKeys.map(([name, key]) =>
      one(
        `a key of ${name}`,
        `${set(key, '1', 2)}get ${key}\r\ntouch ${key} 0\r\nincr ${key} 1\r\ndelete ${key}\r\nget ${key}\r\n`,
        `${stored}${value(key, '1', 2)}${end}${touched}2\r\nDELETED\r\n${end}`,
      ),
    ),
    one(
      'keys of every length up to 250 side by side',
      lengths()
        .map((key) => set(key, String(key.length)))
        .join('') +
        lengths()
          .map((key) => `get ${key}\r\n`)
          .join(''),
      stored.repeat(lengths().length) +
        lengths()
          .map((key) => value(key, String(key.length)) + end)
          .join(''),
    ),

    one(
      'gets shows an id',
      `${set('k', 'abc', 5)}gets k\r\n`,
      /^STORED\r\nVALUE k 5 3 [1-9]\d*\r\nabc\r\nEND\r\n$/,
    ),
    {
      name: 'an item keeps its id while it is only read or touched',
      steps: [
        [set('k', '1'), stored],
        ['gets k\r\n', /^VALUE k 0 1 (?<cas>\d+)\r\n1\r\nEND\r\n$/],
        [
          'get k\r\ntouch k 0\r\ngat 0 k\r\n',
          value('k', '1') + end + touched + value('k', '1') + end,
        ],
        ['gats 0 k\r\n', (seen) => `VALUE k 0 1 ${seen['cas']}\r\n1\r\n${end}`],
        ['gets k\r\n', (seen) => `VALUE k 0 1 ${seen['cas']}\r\n1\r\n${end}`],
        ['cas k 0 0 1 0\r\n2\r\nadd k 0 0 1\r\n2\r\n', 'EXISTS\r\nNOT_STORED\r\n'],
        ['gets k\r\n', (seen) => `VALUE k 0 1 ${seen['cas']}\r\n1\r\n${end}`],
      ],
    },
    ...[
      ['set', 'set k 0 0 1\r\n1\r\n', stored],
      ['replace', 'replace k 0 0 1\r\n1\r\n', stored],
      ['append', 'append k 0 0 0\r\n\r\n', stored],
      ['prepend', 'prepend k 0 0 0\r\n\r\n', stored],
      ['incr', 'incr k 0\r\n', '1\r\n'],
      ['decr', 'decr k 0\r\n', '1\r\n'],
    ].map(([name, sent, answer]) => ({
      name: `${name} gives a new id`,
      steps: [
        [set('k', '1'), stored] as const,
        ['gets k\r\n', /^VALUE k 0 1 (?<cas>\d+)\r\n1\r\nEND\r\n$/] as const,
        [sent as string, answer as string] as const,
        [
          (seen: Readonly<Record<string, string>>) => `cas k 0 0 1 ${seen['cas']}\r\n2\r\n`,
          'EXISTS\r\n',
        ] as const,
      ],
    })),
    {
      name: 'gets of two keys shows two ids, each its own',
      steps: [
        [set('a', '1') + set('b', '2'), stored + stored],
        [
          'gets a x b\r\n',
          /^VALUE a 0 1 (?<a>\d+)\r\n1\r\nVALUE b 0 1 (?<b>(?!\k<a>\r)\d+)\r\n2\r\nEND\r\n$/,
        ],
        ['gets b\r\n', (seen) => `VALUE b 0 1 ${seen['b']}\r\n2\r\n${end}`],
        ['gets a\r\n', (seen) => `VALUE a 0 1 ${seen['a']}\r\n1\r\n${end}`],
      ],
    },

    one('gat without anything', 'gat\r\ngats\r\n', error + error),
    one('gat without a key', 'gat 10\r\ngats 10\r\n', end + end),
    one('gat misses', 'gat 10 k\r\ngats 10 k\r\n', end + end),
    one(
      'gat hits',
      `${set('k', 'abc', 5)}gat 10 k\r\nget k\r\n`,
      stored + (value('k', 'abc', 5) + end).repeat(2),
    ),
    one(
      'gat of several keys',
      `${set('a', '1')}${set('b', '2')}gat 0 a x b a\r\n`,
      stored + stored + value('a', '1') + value('b', '2') + value('a', '1') + end,
    ),
    one(
      'gats hits',
      `${set('k', 'abc', 5)}gats 10 k\r\n`,
      /^STORED\r\nVALUE k 5 3 \d+\r\nabc\r\nEND\r\n$/,
    ),
    ...['abc', '1.5', '1a', '0x10', '99999999999999999999'].map((exptime) =>
      one(
        `gat with the exptime ${exptime}`,
        `gat ${exptime} k\r\ngats ${exptime} k\r\ngat ${exptime}\r\n`,
        badExptime.repeat(3),
      ),
    ),
  ],
};

function lengths(): string[] {
  return Array.from({ length: 250 }, (_, index) => 'k'.repeat(index + 1));
}
