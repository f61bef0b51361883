/** md and ma: conditions, what is answered, and numbers that are made, counted and touched. */
import { type Case, end, notNumeric, one, set, stored, type Topic, value } from '../table.js';

const hit = 'HD\r\n';
const miss = 'EN\r\n';
const gone = 'NF\r\n';
const badMode = 'CLIENT_ERROR invalid mode for ma M token\r\n';
const a = set('k', 'a');
const five = set('k', '5');
const most = '18446744073709551615';

export const metaChange: Topic = {
  topic: 'meta: md and ma',
  cases: [...deleted(), ...counted(), ...made(), ...conditions()],
};

function deleted(): Case[] {
  return [
    one('md of nothing', 'md k\r\nmd k k O1\r\nmd k O1 k\r\n', `${gone}NF kk O1\r\nNF O1 kk\r\n`),
    one('md of nothing is answered even with q', 'md k q\r\nmd k q k\r\n', `${gone}NF kk\r\n`),
    one('md', `${a}md k\r\nmg k\r\nmd k\r\n`, stored + hit + miss + gone),
    one(
      'md repeats',
      `${a}md k k O1\r\n${a}md k O1 k\r\n`,
      `${stored}HD kk O1\r\n${stored}HD O1 kk\r\n`,
    ),
    one(
      'md with q',
      `${a}md k q\r\nmg k\r\n${a}md k q k O1\r\nget k\r\n`,
      stored + miss + stored + end,
    ),
    one(
      'md takes no notice of flags for others',
      `${a}md k s t v c f h l u T9 N9 R9 F1 D1 J1\r\nmg k\r\n`,
      stored + hit + miss,
    ),
    one('md of an expired item', `${set('k', 'a', 0, -1)}md k\r\n`, stored + gone),
    one('md of a flushed item', `${a}flush_all\r\nmd k\r\n`, `${stored}OK\r\n${gone}`),
    {
      name: 'md with C',
      steps: [
        [`${a}mg k c\r\n`, /^STORED\r\nHD c(?<cas>\d+)\r\n$/],
        [
          ({ cas }) => `md k C${Number(cas) + 1}\r\nmd k C${Number(cas) - 1} k O1\r\nmd k C0\r\n`,
          'EX\r\nEX kk O1\r\nEX\r\n',
        ],
        [({ cas }) => `md k q C${Number(cas) + 1}\r\nmg k\r\n`, `EX\r\n${hit}`],
        [({ cas }) => `md k C${cas}\r\nmg k\r\n`, hit + miss],
      ],
    },
    one('md with C of nothing', 'md k C1\r\nmd k C0 k\r\n', `${gone}NF kk\r\n`),
  ];
}

function counted(): Case[] {
  return [
    one(
      'ma of nothing',
      'ma k\r\nma k k O1\r\nma k v t c O1 k\r\n',
      `${gone}NF kk O1\r\nNF O1 kk\r\n`,
    ),
    one('ma of nothing is answered even with q', 'ma k q\r\nma k q k\r\n', `${gone}NF kk\r\n`),
    one('ma adds one', `${five}ma k\r\nmg k v\r\n`, `${stored}${hit}VA 1\r\n6\r\n`),
    one(
      'ma shows the number',
      `${five}ma k v\r\nma k v\r\n`,
      `${stored}VA 1\r\n6\r\nVA 1\r\n7\r\n`,
    ),
    one(
      'ma with a delta',
      `${five}ma k D10 v\r\nma k D0 v\r\n`,
      `${stored}VA 2\r\n15\r\nVA 2\r\n15\r\n`,
    ),
    one(
      'ma repeats',
      `${five}ma k k O1 v\r\nma k O1 k\r\n`,
      `${stored}VA 1 kk O1\r\n6\r\nHD O1 kk\r\n`,
    ),
    ...['MI', 'M+'].map((mode) =>
      one(`ma ${mode} adds`, `${five}ma k ${mode} D2 v\r\n`, `${stored}VA 1\r\n7\r\n`),
    ),
    ...['MD', 'M-'].map((mode) =>
      one(`ma ${mode} subtracts`, `${five}ma k ${mode} D2 v\r\n`, `${stored}VA 1\r\n3\r\n`),
    ),
    ...['Mi', 'Md', 'MX', 'M0', 'M\xff', 'MX q'].map((mode) =>
      one(
        `ma ${mode} is none`,
        `${five}ma k ${mode} v\r\nmg k v\r\n`,
        `${stored}${badMode}VA 1\r\n5\r\n`,
      ),
    ),
    one('ma of nothing with a wrong mode', 'ma k MX\r\n', badMode),
    one(
      'ma does not go below zero',
      `${five}ma k MD D9 v\r\nma k MD v\r\n`,
      `${stored}VA 1\r\n0\r\nVA 1\r\n0\r\n`,
    ),
    one(
      'ma wraps',
      `${set('k', most)}ma k v\r\nmg k v\r\n`,
      `${stored}VA 1\r\n0\r\nVA 20\r\n0                   \r\n`,
    ),
    one(
      'ma with the largest delta',
      `${set('k', '1')}ma k D${most} v\r\n`,
      `${stored}VA 1\r\n0\r\n`,
    ),
    one(
      'ma becomes longer',
      `${set('k', '99', 7)}ma k v\r\nmg k v f\r\n`,
      `${stored}VA 3\r\n100\r\nVA 3 f7\r\n100\r\n`,
    ),
    one(
      'ma keeps the length',
      `${set('k', '100')}ma k MD v\r\nmg k v s\r\n`,
      `${stored}VA 2\r\n99\r\nVA 3 s3\r\n99 \r\n`,
    ),
    one(
      'ma with q',
      `${five}ma k q\r\nma k q v\r\nma k q v c t k O1\r\nmg k v\r\n`,
      `${stored}VA 1\r\n8\r\n`,
    ),
    ...['x', '', '-1', '1x', '99999999999999999999'].map((text) =>
      one(
        `ma of ${text === '' ? 'an empty value' : text}`,
        `${set('k', text)}ma k\r\nma k q k O1\r\nma k N0 J1\r\n`,
        stored + notNumeric.repeat(3),
      ),
    ),
    one('ma of an expired number', `${set('k', '5', 0, -1)}ma k\r\n`, stored + gone),
    one(
      'incr and ma meet',
      `${five}incr k 1\r\nma k v\r\ndecr k 3\r\nma k MD v\r\n`,
      `${stored}6\r\nVA 1\r\n7\r\n4\r\nVA 1\r\n3\r\n`,
    ),
    one(
      't and T',
      `${five}ma k t\r\nma k T100 t\r\nma k t T200\r\nmg k t\r\nma k T0 t\r\n`,
      /^STORED\r\nHD t-1\r\nHD t100\r\nHD t(?:100|99)\r\nHD t(?:200|199)\r\nHD t-1\r\n$/,
    ),
    one('T in the past', `${five}ma k T-1 v\r\nmg k\r\n`, `${stored}VA 1\r\n6\r\n${miss}`),
    one(
      'a number that becomes longer keeps its expiry',
      `${set('k', '9', 0, 100)}ma k v\r\nmg k t\r\n`,
      /^STORED\r\nVA 2\r\n10\r\nHD t(?:100|99)\r\n$/,
    ),
    {
      name: 'c is the id that gets shows',
      steps: [
        [`${five}ma k c\r\n`, /^STORED\r\nHD c(?<cas>\d+)\r\n$/],
        ['gets k\r\n', ({ cas }) => `VALUE k 0 1 ${cas}\r\n6\r\nEND\r\n`],
        ['ma k D10 c v\r\n', /^VA 2 c(?<cas>\d+)\r\n16\r\n$/],
        ['mg k c\r\n', ({ cas }) => `HD c${cas}\r\n`],
      ],
    },
  ];
}

function made(): Case[] {
  return [
    one(
      'N makes the number',
      'ma k N0 v t\r\nma k N0 v t\r\nget k\r\n',
      `VA 1 t-1\r\n0\r\nVA 1 t-1\r\n1\r\n${value('k', '1')}${end}`,
    ),
    one(
      'J is where it begins',
      'ma k N0 J13 v\r\nma k N0 J13 v\r\n',
      'VA 2\r\n13\r\nVA 2\r\n14\r\n',
    ),
    one(
      'the delta does not count',
      'ma k N0 J13 D5 MD v\r\nmg k v\r\n',
      'VA 2\r\n13\r\nVA 2\r\n13\r\n',
    ),
    one(
      'the largest beginning',
      `ma k N0 J${most} v\r\nma k v\r\n`,
      `VA 20\r\n${most}\r\nVA 1\r\n0\r\n`,
    ),
    one(
      'a beginning beyond 32 bits',
      'ma k N0 J9007199254740993 v\r\nma k v\r\n',
      'VA 16\r\n9007199254740993\r\nVA 16\r\n9007199254740994\r\n',
    ),
    one('J without N', 'ma k J13\r\nmg k\r\n', gone + miss),
    one('N is its expiry', 'ma k N100 t\r\nmg k t f\r\n', /^HD t100\r\nHD t(?:100|99) f0\r\n$/),
    one('N in the past', 'ma k N-1 v\r\nmg k\r\n', `VA 1\r\n0\r\n${miss}`),
    one('t before N', 'ma k t N100\r\nmg k t\r\n', /^HD t-1\r\nHD t(?:100|99)\r\n$/),
    one('T behind N', 'ma k N100 T200 t\r\nmg k t\r\n', /^HD t200\r\nHD t(?:200|199)\r\n$/),
    one('T before N', 'ma k T200 N100 t\r\nmg k t\r\n', /^HD t100\r\nHD t(?:100|99)\r\n$/),
    one(
      'N is answered even with q',
      'ma k N0 q\r\nma j N0 q v\r\nma k N0 q\r\nmn\r\n',
      `${hit}VA 1\r\n0\r\nMN\r\n`,
    ),
    one('N repeats', 'ma k N0 k O1 v\r\n', 'VA 1 kk O1\r\n0\r\n'),
    one('N wins nothing', 'ma k N100\r\nmg k\r\n', hit + hit),
  ];
}

function conditions(): Case[] {
  return [
    {
      name: 'ma with C',
      steps: [
        [`${five}mg k c\r\n`, /^STORED\r\nHD c(?<cas>\d+)\r\n$/],
        [
          ({ cas }) =>
            `ma k v C${Number(cas) + 1}\r\nma k q k O1 c t C${Number(cas) - 1}\r\nmg k v\r\n`,
          'EX\r\nEX kk O1\r\nVA 1\r\n5\r\n',
        ],
        [({ cas }) => `ma k v C${cas}\r\nma k v C${cas}\r\n`, 'VA 1\r\n6\r\nEX\r\n'],
        ['ma k v C0\r\n', 'VA 1\r\n7\r\n'],
      ],
    },
    one(
      'ma with a wrong C of an empty value, which is no number first of all',
      `${set('k', '')}ma k C1 k\r\nma k C0\r\n`,
      `${stored}${notNumeric}${notNumeric}`,
    ),
    one('ma with C of nothing', 'ma k C1\r\nma k C1 N0 J3 v\r\n', `${gone}VA 1\r\n3\r\n`),
    one(
      'ma with C of what is no number',
      `${set('k', 'x')}ma k C1\r\n`,
      /^STORED\r\n(?:EX|CLIENT_ERROR cannot increment or decrement non-numeric value)\r\n$/,
    ),
  ];
}
