/** ms: modes, CAS ids, expiry and client flags, what is answered, and values that do not come as announced. */
import {
  badChunk,
  badFormat,
  type Case,
  end,
  error,
  one,
  set,
  stored,
  type Topic,
  tooLarge,
  value,
} from '../table.js';

const hit = 'HD\r\n';
const miss = 'EN\r\n';
const badMode = 'CLIENT_ERROR invalid mode for ms M token\r\n';
const invalid = 'CLIENT_ERROR invalid flag\r\n';
const big = 'x'.repeat(1_048_576);

/** A meta set with its data block. */
function ms(key: string, data: string, flags = ''): string {
  return `ms ${key} ${data.length}${flags === '' ? '' : ` ${flags}`}\r\n${data}\r\n`;
}

export const metaSet: Topic = {
  topic: 'meta: ms',
  cases: [
    one(
      'a set',
      `${ms('k', 'ab')}mg k v f t\r\nget k\r\n`,
      `${hit}VA 2 f0 t-1\r\nab\r\n${value('k', 'ab')}${end}`,
    ),
    one('an empty value', `${ms('k', '')}mg k v\r\n`, `${hit}VA 0\r\n\r\n`),
    one(
      'a value of any bytes',
      `${ms('k', '\r\nmn\r\n\0\xff')}mg k v\r\n`,
      `${hit}VA 8\r\n\r\nmn\r\n\0\xff\r\n`,
    ),
    one(
      'over another',
      `${set('k', 'a', 5, 100)}${ms('k', 'b')}mg k v f t\r\n`,
      `${stored}${hit}VA 1 f0 t-1\r\nb\r\n`,
    ),
    one(
      'client flags',
      `${ms('k', 'a', 'F7')}get k\r\nmg k f\r\n`,
      `${hit}${value('k', 'a', 7)}${end}HD f7\r\n`,
    ),
    one(
      'the largest client flags',
      `${ms('k', 'a', 'F4294967295')}mg k f\r\n`,
      `${hit}HD f4294967295\r\n`,
    ),
    one('client flags wrap', `${ms('k', 'a', 'F4294967297')}mg k f\r\n`, `${hit}HD f1\r\n`),
    one('an expiry', `${ms('k', 'a', 'T100')}mg k t\r\n`, /^HD\r\nHD t(?:100|99)\r\n$/),
    one('an expiry in the past', `${ms('k', 'a', 'T-1')}mg k\r\n`, hit + miss),
    one(
      'an expiry in the past replaces what was there',
      `${ms('k', 'a')}${ms('k', 'b', 'T-1')}mg k v\r\n`,
      hit + hit + miss,
    ),
    one(
      'the answer repeats O and k in their order',
      ms('k', 'a', 'O1 k') + ms('k', 'a', 'k O1'),
      'HD O1 kk\r\nHD kk O1\r\n',
    ),
    one(
      'the answer with c',
      ms('k', 'a', 'c k') + ms('k', 'a', 'k c O9'),
      /^HD c\d+ kk\r\nHD kk c\d+ O9\r\n$/,
    ),
    one('what is only for others is not answered', ms('k', 'a', 't f h l v u'), hit),
    one(
      'q hides success',
      `${ms('k', 'a', 'q')}${ms('k', 'b', 'q c k O1')}mg k v\r\n`,
      'VA 1\r\nb\r\n',
    ),
    {
      name: 'c is the id that gets shows',
      steps: [
        [ms('k', 'a', 'c'), /^HD c(?<cas>\d+)\r\n$/],
        ['gets k\r\n', ({ cas }) => `VALUE k 0 1 ${cas}\r\na\r\nEND\r\n`],
        [ms('k', 'b', 'MA c'), /^HD c(?<cas>\d+)\r\n$/],
        ['mg k c v\r\n', ({ cas }) => `VA 2 c${cas}\r\nab\r\n`],
      ],
    },
    ...modes(),
    ...compared(),
    ...blocks(),
    ...tooLargeOnes(),
  ],
};

function modes(): Case[] {
  return [
    one(
      'mode E adds',
      `${ms('k', 'a', 'ME')}${ms('k', 'b', 'ME')}mg k v\r\n`,
      `${hit}NS\r\nVA 1\r\na\r\n`,
    ),
    one(
      'mode E answers',
      ms('k', 'a', 'ME k O1') + ms('k', 'b', 'ME k O1 c'),
      'HD kk O1\r\nNS kk O1 c0\r\n',
    ),
    one(
      'mode R replaces',
      `${ms('k', 'a', 'MR')}${ms('k', 'a')}${ms('k', 'b', 'MR')}mg k v\r\n`,
      `NS\r\n${hit}${hit}VA 1\r\nb\r\n`,
    ),
    one('mode R answers', ms('k', 'a', 'MR O1 c k'), 'NS O1 c0 kk\r\n'),
    one(
      'mode S sets',
      `${ms('k', 'a', 'MS')}${ms('k', 'b', 'MS')}mg k v\r\n`,
      `${hit}${hit}VA 1\r\nb\r\n`,
    ),
    one(
      'mode A appends',
      `${ms('k', 'a', 'MA')}${ms('k', 'a')}${ms('k', 'b', 'MA k O1')}mg k v\r\n`,
      `NS\r\n${hit}HD kk O1\r\nVA 2\r\nab\r\n`,
    ),
    one(
      'mode P prepends',
      `${ms('k', 'a', 'MP')}${ms('k', 'a')}${ms('k', 'b', 'MP k O1')}mg k v\r\n`,
      `NS\r\n${hit}HD kk O1\r\nVA 2\r\nba\r\n`,
    ),
    one(
      'appending keeps client flags and expiry',
      `${ms('k', 'a', 'F5 T100')}${ms('k', 'b', 'MA F9 T0')}mg k v f t\r\n`,
      /^HD\r\nHD\r\nVA 2 f5 t(?:100|99)\r\nab\r\n$/,
    ),
    one(
      'appending nothing',
      `${ms('k', 'a')}${ms('k', '', 'MA')}${ms('k', '', 'MP')}mg k v\r\n`,
      `${hit.repeat(3)}VA 1\r\na\r\n`,
    ),
    one(
      'q hides no failure',
      ms('k', 'a', 'MR q') + ms('k', 'a', 'MA q k') + ms('k', 'a') + ms('k', 'b', 'ME q O1'),
      `NS\r\nNS kk\r\n${hit}NS O1\r\n`,
    ),
    one(
      'q hides what succeeds, of every mode',
      `${ms('k', 'a', 'ME q')}${ms('k', 'b', 'MR q')}${ms('k', 'c', 'MA q')}${ms('k', 'd', 'MP q')}${ms('j', 'e', 'MS q')}mg k v\r\n`,
      'VA 3\r\ndbc\r\n',
    ),
    ...['e', 'r', 's', 'a', 'p', 'X', '0', '+', '\xff'].map((mode) =>
      one(`mode ${mode} is none`, ms('k', 'mn', `M${mode}`), badMode),
    ),
    one('a wrong mode is answered even with q', ms('k', 'mn', 'MX q'), badMode),
  ];
}

function compared(): Case[] {
  const withCas = (
    flags: string,
    answer: string,
    data = 'b',
    rest: [string, string][] = [],
  ): Case['steps'] => [
    [ms('k', 'a', 'c'), /^HD c(?<cas>\d+)\r\n$/],
    [
      ({ cas }) =>
        ms(
          'k',
          data,
          flags
            .replace('=', String(cas))
            .replace('<', String(Number(cas) - 1))
            .replace('>', String(Number(cas) + 1)),
        ),
      answer,
    ],
    ...rest,
  ];
  const kept: [string, string][] = [['mg k v\r\n', 'VA 1\r\na\r\n']];
  return [
    { name: 'C that fits', steps: withCas('C=', hit, 'b', [['mg k v\r\n', 'VA 1\r\nb\r\n']]) },
    {
      name: 'C that fits, with q',
      steps: withCas('C= q', '', 'b', [['mg k v\r\n', 'VA 1\r\nb\r\n']]),
    },
    { name: 'C that is lower', steps: withCas('C<', 'EX\r\n', 'b', kept) },
    { name: 'C that is higher', steps: withCas('C>', 'EX\r\n', 'b', kept) },
    { name: 'C0', steps: withCas('C0', 'EX\r\n', 'b', kept) },
    {
      name: 'C that does not fit answers',
      steps: withCas('C> k O1 c q', 'EX kk O1 c0\r\n', 'b', kept),
    },
    one(
      'C of nothing',
      ms('k', 'a', 'C1') + ms('k', 'a', 'C1 k c O1 q') + ms('k', 'a', 'C0'),
      'NF\r\nNF kk c0 O1\r\nNF\r\n',
    ),
    { name: 'C with mode R', steps: withCas('C= MR', hit) },
    { name: 'C with mode R that does not fit', steps: withCas('C> MR', 'EX\r\n', 'b', kept) },
    one('C with mode R of nothing', ms('k', 'a', 'C1 MR'), 'NF\r\n'),
    one('C with mode S of nothing', ms('k', 'a', 'C1 MS'), 'NF\r\n'),
    {
      name: 'C with mode A',
      steps: withCas('C= MA', hit, 'b', [['mg k v\r\n', 'VA 2\r\nab\r\n']]),
    },
    { name: 'C with mode A that does not fit', steps: withCas('C> MA k', 'EX kk\r\n', 'b', kept) },
    { name: 'C with mode P that does not fit', steps: withCas('C< MP c', 'EX c0\r\n', 'b', kept) },
    {
      name: 'C0 with mode A is none',
      steps: withCas('C0 MA', hit, 'b', [['mg k v\r\n', 'VA 2\r\nab\r\n']]),
    },
    one('C with mode A of nothing', ms('k', 'a', 'C1 MA'), 'NS\r\n'),
    { name: 'C with mode E of what is there', steps: withCas('C= ME', 'NS\r\n', 'b', kept) },
    one('C with mode E of nothing', ms('k', 'a', 'C1 ME'), hit),
    {
      name: 'I without a lower C is a set',
      steps: withCas('C= I', hit, 'b', [['mg k v\r\n', 'VA 1\r\nb\r\n']]),
    },
    { name: 'I with a higher C', steps: withCas('C> I', 'EX\r\n', 'b', kept) },
    { name: 'I with C0', steps: withCas('C0 I', 'EX\r\n', 'b', kept) },
    { name: 'I with a lower C, appending', steps: withCas('C< I MA', 'EX\r\n', 'b', kept) },
    one('I without C', `${ms('k', 'a', 'I')}mg k v\r\n`, `${hit}VA 1\r\na\r\n`),
    one('I with C of nothing', ms('k', 'a', 'C1 I'), 'NF\r\n'),
    {
      name: 'a cas with the id that ms answered',
      steps: [
        [ms('k', 'a', 'c'), /^HD c(?<cas>\d+)\r\n$/],
        [
          ({ cas }) => `cas k 0 0 1 ${cas}\r\nb\r\ncas k 0 0 1 ${cas}\r\nc\r\n`,
          `${stored}EXISTS\r\n`,
        ],
      ],
    },
  ];
}

function blocks(): Case[] {
  return [
    one(
      'a length that is none is not swallowed',
      'ms k abc\r\nmn\r\nms k -1\r\nmn\r\nms k 2x\r\nmn\r\nms k 2147483646\r\nmn\r\nms k abc q\r\nmn\r\nms k S2\r\nmn\r\n',
      `${badFormat}MN\r\n`.repeat(6),
    ),
    one(
      'a length with a sign or zeroes',
      `ms k +2\r\nab\r\nms k 002\r\nab\r\nmg k v\r\n`,
      `${hit}${hit}VA 2\r\nab\r\n`,
    ),
    one(
      'a value that is longer',
      'ms k 2\r\nabcde\r\nmn\r\nmg k\r\n',
      `${badChunk}${error}MN\r\n${miss}`,
    ),
    one(
      'a value that is longer, with q',
      'ms k 2 q\r\nabcde\r\nmn\r\nmg k\r\n',
      `${badChunk}${error}MN\r\n${miss}`,
    ),
    one('a value that is shorter', 'ms k 4\r\nab\r\nxyz\r\n', badChunk + error),
    one('a value without CR', 'ms k 2\r\nab\nmn\r\n', `${badChunk}${error}`),
    one(
      'a value that is longer keeps the old one',
      `${ms('k', 'old')}ms k 2\r\nabcde\r\nmg k v\r\n`,
      `${hit}${badChunk}${error}VA 3\r\nold\r\n`,
    ),
    one('the line may end without CR', 'ms k 2\nab\r\nmg k v\r\n', `${hit}VA 2\r\nab\r\n`),
    one('a wrong flag swallows the value, whatever it is', 'ms k 8 !\r\nmg k\r\nXX\r\n', invalid),
    one(
      'a value of 100000 bytes',
      `${ms('k', 'y'.repeat(100_000), 'k O1 c F3')}mg k s f v\r\n`,
      /^HD kk O1 c\d+\r\nVA 100000 s100000 f3\r\ny{100000}\r\n$/,
      { huge: true },
    ),
    one(
      'appending 100000 bytes',
      `${ms('k', 'a')}${ms('k', 'y'.repeat(100_000), 'MA k Oabc')}mg k s\r\n`,
      `${hit}HD kk Oabc\r\nHD s100001\r\n`,
      { huge: true },
    ),
  ];
}

function tooLargeOnes(): Case[] {
  const more = { huge: true } as const;
  return [
    one('a value too large', `${ms('k', big)}mg k\r\n`, tooLarge + miss, more),
    one('a value too large, with q', `${ms('k', big, 'q')}mg k\r\n`, tooLarge + miss, more),
    ...['MS', 'ME', 'MR', 'MA', 'MP', 'C1'].map((flags) =>
      one(
        `a value too large drops the old one: ${flags}`,
        `${ms('k', 'a')}${ms('k', big, flags)}mg k\r\n`,
        hit + tooLarge + miss,
        more,
      ),
    ),
    one(
      'a value too large with a wrong flag keeps the old one',
      `${ms('k', 'a')}${ms('k', big, '!')}mg k v\r\n`,
      `${hit}${invalid}VA 1\r\na\r\n`,
      more,
    ),
    one(
      'a sum too large',
      `${ms('k', big.slice(0, 1_048_000))}${ms('k', 'z'.repeat(1000), 'MA k')}mg k s\r\n`,
      `${hit}NS kk\r\nHD s1048000\r\n`,
      more,
    ),
  ];
}
