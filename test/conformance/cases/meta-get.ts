/** mg and me: what is shown, in which order, what is changed by asking, and what is made of nothing. */
import {
  badFormat,
  type Case,
  end,
  one,
  set,
  stored,
  type Topic,
  touched,
  value,
} from '../table.js';

const hit = 'HD\r\n';
const miss = 'EN\r\n';
const a = set('k', 'a');
const aFor100 = set('k', 'a', 0, 100);

export const metaGet: Topic = {
  topic: 'meta: mg and me',
  cases: [
    one('a miss', 'mg k\r\nmg k v\r\nmg k s t f c h l u\r\n', miss.repeat(3)),
    one(
      'a miss repeats O and k, in their order',
      'mg k O1 k\r\nmg k k t O1 s\r\n',
      'EN O1 kk\r\nEN kk O1\r\n',
    ),
    one('a miss with q is silent', 'mg k q\r\nmg k q v k O1\r\nmn\r\n', 'MN\r\n'),
    one('a hit', `${a}mg k\r\n`, stored + hit),
    one('a hit with q is answered', `${a}mg k q\r\nmg k q v\r\n`, `${stored}${hit}VA 1\r\na\r\n`),
    one('a value', `${set('k', 'hello')}mg k v\r\n`, `${stored}VA 5\r\nhello\r\n`),
    one('an empty value', `${set('k', '')}mg k v s\r\n`, `${stored}VA 0 s0\r\n\r\n`),
    one(
      'a value of any bytes',
      `${set('k', '\r\n\0\xffEN\r\n')}mg k v\r\n`,
      `${stored}VA 8\r\n\r\n\0\xffEN\r\n\r\n`,
    ),
    one(
      'a value of 100000 bytes',
      `${set('k', 'x'.repeat(100_000))}mg k s v\r\nmg k v q\r\n`,
      `${stored}VA 100000 s100000\r\n${'x'.repeat(100_000)}\r\nVA 100000\r\n${'x'.repeat(100_000)}\r\n`,
      { huge: true },
    ),
    one(
      'size, client flags, key and opaque',
      `${set('k', 'abc', 5)}mg k s f k Oq\r\n`,
      `${stored}HD s3 f5 kk Oq\r\n`,
    ),
    one(
      'the order is that of the request',
      `${set('k', 'abc', 5)}mg k Oq k f s v t\r\n`,
      `${stored}VA 3 Oq kk f5 s3 t-1\r\nabc\r\n`,
    ),
    one(
      'the largest client flags',
      `${set('k', 'a', 4294967295)}mg k f\r\n`,
      `${stored}HD f4294967295\r\n`,
    ),
    one(
      'v changes no order',
      `${a}mg k s v t\r\nmg k v s t\r\nmg k s t v\r\n`,
      `${stored}${'VA 1 s1 t-1\r\na\r\n'.repeat(3)}`,
    ),
    {
      name: 'the CAS id is that of gets',
      steps: [
        [`${a}gets k\r\n`, /^STORED\r\nVALUE k 0 1 (?<cas>\d+)\r\na\r\nEND\r\n$/],
        ['mg k c\r\n', ({ cas }) => `HD c${cas}\r\n`],
        ['mg k c v T0\r\n', ({ cas }) => `VA 1 c${cas}\r\na\r\n`],
      ],
    },
    ...ttl(),
    ...hits(),
    ...vivified(),
    ...recached(),
    ...described(),
  ],
};

function ttl(): Case[] {
  return [
    one('t without an expiry', `${a}mg k t\r\n`, `${stored}HD t-1\r\n`),
    one('t with an expiry', `${aFor100}mg k t\r\n`, /^STORED\r\nHD t(?:100|99)\r\n$/),
    one(
      'T before t shows the new expiry',
      `${a}mg k T200 t\r\nmg k t\r\n`,
      /^STORED\r\nHD t200\r\nHD t(?:200|199)\r\n$/,
    ),
    one(
      'T behind t shows the old expiry',
      `${a}mg k t T200\r\nmg k t\r\n`,
      /^STORED\r\nHD t-1\r\nHD t(?:200|199)\r\n$/,
    ),
    one(
      'T0 is for ever',
      `${aFor100}mg k T0 t\r\nmg k t\r\n`,
      `${stored}${'HD t-1\r\n'.repeat(2)}`,
    ),
    one(
      'T in the past ends the item',
      `${a}mg k T-1\r\nmg k\r\nget k\r\n`,
      stored + hit + miss + end,
    ),
    one(
      'T in the past shows the value once more',
      `${a}mg k T-1 v\r\nmg k v\r\n`,
      `${stored}VA 1\r\na\r\n${miss}`,
    ),
    one('T as Unix time', `${a}mg k T1000000000 v\r\nmg k\r\n`, `${stored}VA 1\r\na\r\n${miss}`),
    one(
      'T as a Unix time to come',
      `${a}mg k T2000000000\r\nmg k v\r\n`,
      `${stored}${hit}VA 1\r\na\r\n`,
    ),
    one('T of a key that is not there', 'mg k T100\r\nmg k T100 q\r\nmg k\r\n', miss + miss),
    one(
      'touch is seen by t',
      `${a}touch k 100\r\nmg k t\r\n`,
      /^STORED\r\nTOUCHED\r\nHD t(?:100|99)\r\n$/,
    ),
    one('an expired item is a miss', `${set('k', 'a', 0, -1)}mg k v O1\r\n`, `${stored}EN O1\r\n`),
    one('a flushed item is a miss', `${a}flush_all\r\nmg k v\r\n`, `${stored}OK\r\n${miss}`),
  ];
}

function hits(): Case[] {
  return [
    one(
      'h: the first reader sees 0, the next 1',
      `${a}mg k h\r\nmg k h\r\nmg k h\r\n`,
      `${stored}HD h0\r\nHD h1\r\nHD h1\r\n`,
    ),
    one('h: get counts', `${a}get k\r\nmg k h\r\n`, `${stored}${value('k', 'a')}${end}HD h1\r\n`),
    one('h: touch counts', `${a}touch k 0\r\nmg k h\r\n`, `${stored}${touched}HD h1\r\n`),
    one(
      'h: me does not count',
      `${a}me k\r\nmg k h\r\n`,
      /^STORED\r\nME k exp=-1 la=0 cas=\d+ fetch=no cls=1 size=61\r\nHD h0\r\n$/,
    ),
    one(
      'h: with u it is not counted',
      `${a}mg k u\r\nmg k u h\r\nmg k h\r\nmg k h u\r\n`,
      `${stored}${hit}HD h0\r\nHD h0\r\nHD h1\r\n`,
    ),
    one('h: a set begins anew', `${a}mg k\r\n${a}mg k h\r\n`, `${stored}${hit}${stored}HD h0\r\n`),
    one(
      'h: an append begins anew',
      `${a}mg k\r\nappend k 0 0 1\r\nb\r\nmg k h\r\n`,
      `${stored}${hit}${stored}HD h0\r\n`,
    ),
    {
      // In one piece memcached still holds the item for the first answer, and makes a new one.
      name: 'h: an incr within the length goes on',
      steps: [
        [`${set('k', '5')}mg k\r\n`, stored + hit],
        ['incr k 1\r\nmg k h\r\n', '6\r\nHD h1\r\n'],
      ],
    },
    one(
      'h: an incr does not count as a read',
      `${set('k', '5')}incr k 1\r\nmg k h\r\n`,
      `${stored}6\r\nHD h0\r\n`,
    ),
    one(
      'h: an incr beyond the length begins anew',
      `${set('k', '5')}mg k\r\nincr k 10\r\nmg k h\r\n`,
      `${stored}${hit}15\r\nHD h0\r\n`,
    ),
    one(
      'h: an invalidation goes on',
      `${a}mg k\r\nmd k I\r\nmg k h\r\n`,
      `${stored}${hit}${hit}HD h1 X W\r\n`,
    ),
    one('l: just now', `${a}mg k l\r\n`, `${stored}HD l0\r\n`),
  ];
}

function vivified(): Case[] {
  return [
    one(
      'N makes an item, and its maker wins',
      'mg k N100 s f t h v\r\n',
      'VA 0 s0 f0 t100 h0 W\r\n\r\n',
    ),
    one(
      'N: the next one is told that somebody won',
      'mg k N100\r\nmg k N100\r\nmg k v\r\nget k\r\n',
      `HD W\r\nHD Z\r\nVA 0 Z\r\n\r\n${value('k', '')}${end}`,
    ),
    one('N of an item that is there', `${a}mg k N100 v t\r\n`, `${stored}VA 1 t-1\r\na\r\n`),
    one('N0 is for ever', 'mg k N0 t\r\nmg k t\r\n', 'HD t-1 W\r\nHD t-1 Z\r\n'),
    one('N in the past', 'mg k N-1\r\nmg k\r\n', `HD W\r\n${miss}`),
    one('N behind t', 'mg k t N100\r\nmg k t\r\n', /^HD t-1 W\r\nHD t(?:100|99) Z\r\n$/),
    one('T behind N', 'mg k N100 T200 t\r\nmg k t\r\n', /^HD t200 W\r\nHD t(?:200|199) Z\r\n$/),
    one('N behind T', 'mg k T200 N100 t\r\nmg k t\r\n', /^HD t100 W\r\nHD t(?:100|99) Z\r\n$/),
    one('N and R: won once', 'mg k N30 R100\r\nmg k R100\r\n', 'HD W\r\nHD Z\r\n'),
    one('N with q is answered', 'mg k N100 q\r\n', 'HD W\r\n'),
    one('N repeats the key and the opaque', 'mg k N100 k O1\r\n', 'HD kk O1 W\r\n'),
    one(
      'a set ends the waiting',
      `mg k N100\r\n${a}mg k v t\r\n`,
      `HD W\r\n${stored}VA 1 t-1\r\na\r\n`,
    ),
    one(
      'an add does not store',
      'mg k N100\r\nadd k 0 0 1\r\na\r\nms k 1 ME\r\na\r\n',
      'HD W\r\nNOT_STORED\r\nNS\r\n',
    ),
    one(
      'an append keeps nothing of it',
      'mg k N100\r\nappend k 0 0 1\r\na\r\nmg k v\r\n',
      `HD W\r\n${stored}VA 1\r\na\r\n`,
    ),
    one(
      'touch and gat keep it',
      'mg k N100\r\ntouch k 0\r\ngat 0 k\r\nmg k\r\n',
      `HD W\r\n${touched}${value('k', '')}${end}HD Z\r\n`,
    ),
    one(
      'delete, and it is made again',
      'mg k N100\r\ndelete k\r\nmg k N100\r\n',
      'HD W\r\nDELETED\r\nHD W\r\n',
    ),
    one(
      'keys of every length',
      keysOf(1, 2, 3, 4, 5, 63, 64, 249, 250)
        .map((key) => `mg ${key} N100 k\r\nmg ${key} k\r\n`)
        .join(''),
      keysOf(1, 2, 3, 4, 5, 63, 64, 249, 250)
        .map((key) => `HD k${key} W\r\nHD k${key} Z\r\n`)
        .join(''),
    ),
  ];
}

function recached(): Case[] {
  return [
    one('R: more time is left', `${aFor100}mg k R30\r\nmg k R90\r\n`, stored + hit + hit),
    one(
      'R: less time is left',
      `${aFor100}mg k R200\r\nmg k R200\r\nmg k\r\n`,
      `${stored}HD W\r\nHD Z\r\nHD Z\r\n`,
    ),
    one(
      'R of an item that stays for ever',
      `${a}mg k R2000000\r\nmg k R2000000000\r\n`,
      stored + hit + hit,
    ),
    one('R0 and R-1 never win', `${aFor100}mg k R0\r\nmg k R-1\r\n`, stored + hit + hit),
    one('T before R counts', `${a}mg k T30 R60 t\r\n`, `${stored}HD t30 W\r\n`),
    one('T behind R does not', `${a}mg k R60 T30 t\r\nmg k R60\r\n`, `${stored}HD t30\r\nHD W\r\n`),
    one('T before R saves it', `${set('k', 'a', 0, 30)}mg k T0 R60\r\n`, stored + hit),
    one(
      'a winner sets anew',
      `${aFor100}mg k R200\r\nms k 1 T300\r\nb\r\nmg k R200 v\r\n`,
      `${stored}HD W\r\n${hit}VA 1\r\nb\r\n`,
    ),
    one('R of a miss', 'mg k R100\r\n', miss),
    one(
      'W behind what was asked for',
      `${aFor100}mg k R200 k O1 s v\r\n`,
      `${stored}VA 1 kk O1 s1 W\r\na\r\n`,
    ),
  ];
}

function described(): Case[] {
  const shows = (rest: string) => new RegExp(`^STORED\\r\\n${rest}$`);
  return [
    one('me: a miss', 'me k\r\nme k x\r\nme k v\r\n', miss.repeat(3)),
    one(
      'me: an item',
      `${a}me k\r\n`,
      shows('ME k exp=-1 la=0 cas=\\d+ fetch=no cls=1 size=61\\r\\n'),
    ),
    one(
      'me: a second word does not matter',
      `${a}me k x\r\n`,
      shows('ME k exp=-1 la=0 cas=\\d+ fetch=no cls=1 size=61\\r\\n'),
    ),
    one(
      'me: client flags take room',
      `${set('k', 'abc', 1)}me k\r\n`,
      shows('ME k exp=-1 la=0 cas=\\d+ fetch=no cls=1 size=67\\r\\n'),
    ),
    one(
      'me: read',
      `${a}mg k\r\nme k\r\n`,
      shows('HD\\r\\nME k exp=-1 la=0 cas=\\d+ fetch=yes cls=1 size=61\\r\\n'),
    ),
    one(
      'me: an expiry, with the sign 1.6.18 gives it',
      `${aFor100}me k\r\n`,
      shows('ME k exp=-(?:100|99) la=0 cas=\\d+ fetch=no cls=1 size=61\\r\\n'),
    ),
    one('me: expired', `${set('k', 'a', 0, -1)}me k\r\n`, stored + miss),
    one('me without a key', 'me\r\nme \r\n', badFormat.repeat(2)),
    one('me: a base64 key that is none', 'me Z b\r\nme k b\r\n', badFormat.repeat(2)),
    one('me: more words behind b', 'me Zm9v b x\r\nme Zm9v x b\r\n', miss + miss),
  ];
}

function keysOf(...lengths: number[]): string[] {
  return lengths.map((length) => String(length).padEnd(length, 'k').slice(0, length));
}
