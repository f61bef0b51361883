/** Stale items and who wins them: md I, a lower C with I, and what keeps or clears the state. */
import { type Case, end, one, set, stored, type Topic, touched, value } from '../table.js';

const hit = 'HD\r\n';
const miss = 'EN\r\n';
const a = set('k', 'a');
const five = set('k', '5');
const staleWon = 'HD X W\r\n';
const staleSent = 'HD Z X\r\n';

export const metaStale: Topic = {
  topic: 'meta: stale and won',
  cases: [
    one(
      'the first reader wins, the others see it',
      `${a}md k I\r\nmg k\r\nmg k\r\nmg k v\r\n`,
      `${stored}${hit}${staleWon}${staleSent}VA 1 Z X\r\na\r\n`,
    ),
    one(
      'the state stands behind what was asked for',
      `${a}md k I\r\nmg k k O1 s v\r\nmg k s t\r\n`,
      `${stored}${hit}VA 1 kk O1 s1 X W\r\na\r\nHD s1 t-1 Z X\r\n`,
    ),
    one(
      'md I of nothing',
      'md k I\r\nmd k I q\r\nmd k I k O1\r\nmg k\r\n',
      `NF\r\nNF\r\nNF kk O1\r\n${miss}`,
    ),
    one('md I with q', `${a}md k I q\r\nmg k\r\n`, stored + staleWon),
    one('md I repeats', `${a}md k I k O1\r\n`, `${stored}HD kk O1\r\n`),
    one(
      'md I keeps value, client flags and expiry',
      `${set('k', 'abc', 7, 100)}md k I\r\nmg k v f t\r\nget k\r\n`,
      /^STORED\r\nHD\r\nVA 3 f7 t(?:100|99) X W\r\nabc\r\nVALUE k 7 3\r\nabc\r\nEND\r\n$/,
    ),
    one(
      'md I keeps an empty value',
      `${set('k', '')}md k I\r\nmg k v\r\n`,
      `${stored}${hit}VA 0 X W\r\n\r\n`,
    ),
    one(
      'md I keeps a value of 100000 bytes',
      `${set('k', 'x'.repeat(100_000))}md k I\r\nmg k v\r\n`,
      `${stored}${hit}VA 100000 X W\r\n${'x'.repeat(100_000)}\r\n`,
      { huge: true },
    ),
    one(
      'md I with T',
      `${a}md k I T100\r\nmg k t\r\nmd k I T0\r\nmg k t\r\n`,
      `${stored}${hit}HD t100 X W\r\n${hit}HD t-1 X W\r\n`,
    ),
    one('md I with T in the past', `${a}md k I T-1\r\nmg k\r\n`, stored + hit + miss),
    one('md T without I deletes', `${a}md k T100\r\nmg k\r\n`, stored + hit + miss),
    one(
      'md I again lets somebody win again',
      `${a}md k I\r\nmg k\r\nmd k I\r\nmg k\r\nmg k\r\n`,
      stored + hit + staleWon + hit + staleWon + staleSent,
    ),
    one(
      'md I of one that was won for its age',
      `${set('k', 'a', 0, 30)}mg k R60\r\nmd k I\r\nmg k\r\n`,
      `${stored}HD W\r\n${hit}${staleWon}`,
    ),
    one(
      'md I of one that was made',
      'mg k N100\r\nmd k I\r\nmg k N100\r\nmg k N100\r\n',
      `HD W\r\n${hit}${staleWon}${staleSent}`,
    ),
    one('md of a stale item', `${a}md k I\r\nmd k\r\nmg k\r\n`, stored + hit + hit + miss),
    one(
      'R and N of a stale item: one win',
      `${set('k', 'a', 0, 30)}md k I\r\nmg k R60 N60\r\nmg k R60\r\n`,
      stored + hit + staleWon + staleSent,
    ),
    one(
      'q, u and h win as well',
      `${a}md k I\r\nmg k q u\r\nmg k q\r\n`,
      stored + hit + staleWon + staleSent,
    ),
    one(
      'get wins nothing',
      `${a}md k I\r\nget k\r\ngets j\r\nmg k\r\n`,
      `${stored}${hit}${value('k', 'a')}${end}${end}${staleWon}`,
    ),
    ...casIds(),
    ...cleared(),
    ...keptOnes(),
  ],
};

function casIds(): Case[] {
  return [
    {
      name: 'md I gives a new CAS id',
      steps: [
        [`${a}mg k c\r\n`, /^STORED\r\nHD c(?<cas>\d+)\r\n$/],
        ['md k I\r\n', hit],
        [
          ({ cas }) => `ms k 1 C${cas}\r\nb\r\nmd k C${cas}\r\ncas k 0 0 1 ${cas}\r\nb\r\n`,
          'EX\r\nEX\r\nEXISTS\r\n',
        ],
        ['mg k c\r\n', /^HD c(?<cas>\d+) X W\r\n$/],
        [({ cas }) => `ms k 1 C${cas}\r\nb\r\nmg k v\r\n`, `${hit}VA 1\r\nb\r\n`],
      ],
    },
    {
      name: 'md I with C',
      steps: [
        [`${a}mg k c\r\n`, /^STORED\r\nHD c(?<cas>\d+)\r\n$/],
        [
          ({ cas }) =>
            `md k I C${Number(cas) - 1}\r\nmd k I C${Number(cas) + 1}\r\nmd k I C0\r\nmg k\r\n`,
          `EX\r\nEX\r\nEX\r\n${hit}`,
        ],
        [({ cas }) => `md k I C${cas}\r\nmg k\r\n`, hit + staleWon],
      ],
    },
    {
      name: 'a late winner stores a stale value',
      steps: [
        [`${a}mg k c\r\n`, /^STORED\r\nHD c(?<cas>\d+)\r\n$/],
        ['md k I\r\n', hit],
        [
          ({ cas }) => `ms k 1 C${cas} I T100\r\nb\r\nmg k v t\r\nmg k\r\n`,
          `${hit}VA 1 t-1 X W\r\nb\r\n${staleSent}`,
        ],
      ],
    },
    {
      name: 'a late winner stores a stale value, and the next one keeps his win',
      steps: [
        [`${a}mg k c\r\n`, /^STORED\r\nHD c(?<cas>\d+)\r\n$/],
        ['md k I T200\r\nmg k\r\n', hit + staleWon],
        [({ cas }) => `ms k 1 C${cas} I F5 k O1 T100\r\nb\r\n`, 'HD kk O1\r\n'],
        ['mg k v f\r\nmg k t\r\n', /^VA 1 f5 Z X\r\nb\r\nHD t(?:200|199) Z X\r\n$/],
      ],
    },
    {
      name: 'a stale value of an item that is not stale makes it so',
      steps: [
        [`${a}mg k c\r\n`, /^STORED\r\nHD c(?<cas>\d+)\r\n$/],
        [`${set('k', 'b')}`, stored],
        [({ cas }) => `ms k 1 C${cas} I c\r\nc\r\n`, /^HD c(?<cas>\d+)\r\n$/],
        ['mg k v\r\n', 'VA 1 X W\r\nc\r\n'],
        [({ cas }) => `ms k 1 C${cas} I\r\nd\r\nmg k v\r\n`, `${hit}VA 1\r\nd\r\n`],
      ],
    },
    {
      name: 'a stale value with mode R, and not with mode E or A',
      steps: [
        [`${a}mg k c\r\n`, /^STORED\r\nHD c(?<cas>\d+)\r\n$/],
        ['md k I\r\n', hit],
        [
          ({ cas }) =>
            `ms k 1 C${cas} I ME\r\nb\r\nms k 1 C${cas} I MA\r\nb\r\nms k 1 C${cas} I MR q\r\nb\r\nmg k v\r\n`,
          'NS\r\nEX\r\nVA 1 X W\r\nb\r\n',
        ],
      ],
    },
  ];
}

function cleared(): Case[] {
  const ways: [name: string, sent: string, answer: string, after: string][] = [
    ['set', set('k', '6'), stored, '6'],
    ['replace', 'replace k 0 0 1\r\n6\r\n', stored, '6'],
    ['append', 'append k 0 0 1\r\n6\r\n', stored, '56'],
    ['prepend', 'prepend k 0 0 1\r\n6\r\n', stored, '65'],
    ['ms', 'ms k 1\r\n6\r\n', hit, '6'],
    ['ms MR', 'ms k 1 MR\r\n6\r\n', hit, '6'],
    ['ms MA', 'ms k 1 MA\r\n6\r\n', hit, '56'],
    ['ms MP', 'ms k 1 MP\r\n6\r\n', hit, '65'],
    ['an incr beyond the length', 'incr k 10\r\n', '15\r\n', '15'],
    ['a ma beyond the length', 'ma k D10\r\n', hit, '15'],
  ];
  return ways.map(([name, sent, answer, after]) =>
    one(
      `${name} clears it`,
      `${five}md k I\r\nmg k\r\n${sent}mg k v\r\n`,
      `${stored}${hit}${staleWon}${answer}VA ${after.length}\r\n${after}\r\n`,
    ),
  );
}

function keptOnes(): Case[] {
  const ways: [name: string, sent: string, answer: string, after: string][] = [
    ['touch', 'touch k 0\r\n', touched, '5'],
    ['gat', 'gat 0 k\r\n', value('k', '5') + end, '5'],
    ['mg T', 'mg k T0 u\r\n', staleSent, '5'],
    ['add', 'add k 0 0 1\r\n6\r\n', 'NOT_STORED\r\n', '5'],
    ['ms ME', 'ms k 1 ME\r\n6\r\n', 'NS\r\n', '5'],
    ['a cas that does not fit', 'cas k 0 0 1 0\r\n6\r\n', 'EXISTS\r\n', '5'],
    ['an incr within the length', 'incr k 1\r\n', '6\r\n', '6'],
    ['a decr within the length', 'decr k 1\r\n', '4\r\n', '4'],
    ['a ma within the length', 'ma k\r\n', hit, '6'],
    ['a ma with T within the length', 'ma k T0 v\r\n', 'VA 1\r\n6\r\n', '6'],
  ];
  // In one piece memcached still holds the item for the winner's answer, and an incr makes a new one.
  return ways.map(([name, sent, answer, after]) => ({
    name: `${name} keeps it`,
    steps: [
      [`${five}md k I\r\nmg k\r\n`, stored + hit + staleWon],
      [sent, answer],
      ['mg k v\r\n', `VA 1 Z X\r\n${after}\r\n`],
    ],
  }));
}
