/** Keys in base64: how they are decoded, which command remembers it, and how they are shown. */
import { badFormat, type Case, end, one, set, stored, type Topic, value } from '../table.js';

const hit = 'HD\r\n';
const miss = 'EN\r\n';
const badKey = 'CLIENT_ERROR error decoding key\r\n';
/** `foo`, and a key that no classic command can name. */
const foo = 'Zm9v';
const lineEnd = 'DQo=';

const me = (key: string) => `ME ${key} exp=-1 la=0 cas=\\d+ fetch=(?:yes|no) cls=1 size=\\d+\\r\\n`;

export const metaKeys: Topic = {
  topic: 'meta: base64 keys',
  cases: [
    one(
      'a miss repeats the key as it came',
      `mg ${foo} b k\r\nmg ${foo} k b\r\nmg ${foo} b\r\nmd ${foo} b k\r\nma ${foo} b k O1\r\n`,
      `EN kZm9v b\r\nEN kZm9v b\r\n${miss}NF kZm9v b\r\nNF kZm9v b O1\r\n`,
    ),
    one(
      'the key is stored decoded',
      `ms ${foo} 2 b\r\nab\r\nget foo\r\nmg ${foo} b v\r\nmg foo v\r\n`,
      `${hit}${value('foo', 'ab')}${end}VA 2\r\nab\r\nVA 2\r\nab\r\n`,
    ),
    one(
      'ms repeats it',
      `ms ${foo} 2 b k O1\r\nab\r\nms ${foo} 2 O1 k b\r\nab\r\n`,
      'HD kZm9v b O1\r\nHD O1 kZm9v b\r\n',
    ),
    one(
      'an item that was stored so is shown so',
      `ms ${foo} 2 b\r\nab\r\nmg ${foo} b k v\r\nmg foo k\r\n`,
      `${hit}VA 2 kZm9v b\r\nab\r\nHD kZm9v b\r\n`,
    ),
    one(
      'an item that was not is not',
      `${set('foo', 'a')}mg ${foo} b k\r\nmg foo k\r\n`,
      `${stored}HD kfoo\r\nHD kfoo\r\n`,
    ),
    one(
      'a set forgets it',
      `ms ${foo} 2 b\r\nab\r\n${set('foo', 'a')}mg foo k\r\n`,
      `${hit}${stored}HD kfoo\r\n`,
    ),
    one(
      'md and ma repeat the key as it came',
      `ms ${foo} 1 b\r\n5\r\nma foo k\r\nma ${foo} b k v\r\nmd ${foo} b k\r\nmd ${foo} b k\r\n`,
      `${hit}HD kfoo\r\nVA 1 kZm9v b\r\n7\r\nHD kZm9v b\r\nNF kZm9v b\r\n`,
    ),
    one(
      'me shows it',
      `ms ${foo} 2 b\r\nab\r\nme foo\r\nme ${foo} b\r\n`,
      new RegExp(`^HD\\r\\n${me(foo)}${me(foo)}$`),
    ),
    one(
      'me shows a plain key plain',
      `${set('foo', 'a')}me foo\r\nme ${foo} b\r\n`,
      new RegExp(`^STORED\\r\\n${me('foo')}${me('foo')}$`),
    ),
    one('me of nothing', `me ${foo} b\r\nme foo\r\n`, miss + miss),
    one('me of what is not base64', 'me foo b\r\nme Z b\r\nme === b\r\n', badFormat.repeat(3)),
    one(
      'mode A and P forget it',
      `ms ${foo} 1 b\r\na\r\nms ${foo} 1 b MA k\r\nb\r\nmg foo k v\r\nms ${foo} 1 b\r\na\r\nms ${foo} 1 b MP k\r\nb\r\nmg foo k v\r\n`,
      `${hit}HD kZm9v b\r\nVA 2 kfoo\r\nab\r\n${hit}HD kZm9v b\r\nVA 2 kfoo\r\nba\r\n`,
    ),
    one(
      'an incr within the length remembers it',
      `ms ${foo} 1 b\r\n5\r\nincr foo 1\r\nmg foo k\r\nincr foo 9\r\nmg foo k\r\n`,
      `${hit}6\r\nHD kZm9v b\r\n15\r\nHD kfoo\r\n`,
    ),
    one(
      'touch remembers it',
      `ms ${foo} 1 b\r\n5\r\ntouch foo 0\r\nmg foo T0 k\r\nmg foo k\r\n`,
      `${hit}TOUCHED\r\nHD kZm9v b\r\nHD kZm9v b\r\n`,
    ),
    one(
      'an invalidation remembers it',
      `ms ${foo} 1 b\r\n5\r\nmd foo I\r\nmg foo k\r\n`,
      `${hit}${hit}HD kZm9v b X W\r\n`,
    ),
    one(
      'N makes a plain key',
      `mg ${foo} b k N0\r\nmg ${foo} b k\r\nma QUJD b k N0\r\nmg ABC k\r\n`,
      'HD kfoo W\r\nHD kfoo Z\r\nHD kQUJD b\r\nHD kABC\r\n',
    ),
    one(
      'keys that no line can hold',
      `ms ${lineEnd} 2 b k\r\nab\r\nmg ${lineEnd} b k v\r\nme ${lineEnd} b\r\nmd ${lineEnd} b k\r\nmg ${lineEnd} b k\r\n`,
      new RegExp(
        `^HD kDQo= b\\r\\nVA 2 kDQo= b\\r\\nab\\r\\n${me(lineEnd)}HD kDQo= b\\r\\nEN kDQo= b\\r\\n$`,
      ),
    ),
    one(
      'a key of NULs and of blanks',
      `ms AAAA 1 b k\r\na\r\nmg AAAA b k v\r\nms ICAg 1 b k\r\nb\r\nmg ICAg b k v\r\nmd AAAA b\r\nmg AAAA b\r\nmg ICAg b\r\n`,
      `HD kAAAA b\r\nVA 1 kAAAA b\r\na\r\nHD kICAg b\r\nVA 1 kICAg b\r\nb\r\n${hit}${miss}${hit}`,
    ),
    one(
      'the longest key',
      `ms ${'QUFB'.repeat(62)} 1 b k\r\na\r\nmg ${'A'.repeat(186)} k\r\n`,
      `HD k${'QUFB'.repeat(62)} b\r\nHD k${'QUFB'.repeat(62)} b\r\n`,
    ),
    one(
      'what counts is the length before decoding',
      `mg ${'QUFB'.repeat(63)} b\r\nms ${'QUFB'.repeat(63)} 2 b\r\nmn\r\n`,
      `${badFormat}${badFormat}MN\r\n`,
    ),
    one(
      'a value that is not taken keeps the key as it was',
      `ms ${foo} 2 b\r\nabcd\r\nmg foo\r\n`,
      /^CLIENT_ERROR bad data chunk\r\n(?:ERROR\r\n)?EN\r\n$/,
    ),
    one(
      'a value of 100000 bytes',
      `ms ${foo} 100000 b k O1\r\n${'x'.repeat(100_000)}\r\nmg foo k s\r\n`,
      'HD kZm9v b O1\r\nHD kZm9v b s100000\r\n',
      { huge: true },
    ),
    ...decoded(),
  ],
};

function decoded(): Case[] {
  const good: [sent: string, shown: string][] = [
    ['QQ==', 'QQ=='],
    ['QUE=', 'QUE='],
    ['QUFB', 'QUFB'],
    ['QUF=', 'QUE='],
    ['QR==', 'QQ=='],
    ['++//', '++//'],
    ['QQ==QUFB', 'QQ=='],
    ['QUFBQQ==QQ==', 'QUFBQQ=='],
    ['QUFB*', 'QUFB'],
    ['Q-U_F.B', 'QUFB'],
    ['QUFB-_-_', 'QUFB'],
    ['Q=Q=', 'QA=='],
    ['QQ=Q', 'QQA='],
    ['\tQUFB', 'QUFB'],
    ['44Gm44GZ44Go', '44Gm44GZ44Go'],
  ];
  const bad = [
    'Q',
    'QQ',
    'QQ=',
    'foo',
    'QUFBQ',
    '!!!!',
    '====',
    'Q===',
    'QUFB====',
    'QUFB-_==',
    'QUFBQQ=*',
  ];
  return [
    ...good.map(([sent, shown]) =>
      one(
        `${sent} is ${shown}`,
        `mg ${sent} b k\r\nms ${sent} 1 b k\r\na\r\nmg ${shown} b k\r\n`,
        `EN k${shown} b\r\nHD k${shown} b\r\nHD k${shown} b\r\n`,
      ),
    ),
    ...bad.map((sent) =>
      one(`${sent} is not base64`, `mg ${sent} b k\r\nms ${sent} 2 b\r\nmn\r\n`, badKey + badKey),
    ),
  ];
}
