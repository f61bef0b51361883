/** Many commands at once, many keys at once, and answers in the order of the commands. */
import {
  deleted,
  end,
  error,
  notFound,
  notStored,
  one,
  set,
  stored,
  type Topic,
  touched,
  value,
} from '../table.js';

const keys = Array.from({ length: 100 }, (_, n) => `key${n}`);
const longKeys = Array.from({ length: 100 }, (_, n) => String(n).padStart(250, 'k'));
const all = keys.map((key) => set(key, `value of ${key}`)).join('');
const missing = Array.from({ length: 524 }, (_, n) => String(n).padStart(249, 'm'));

export const pipelining: Topic = {
  topic: 'pipelining and multiget',
  cases: [
    one(
      'every classic command in one go',
      `${set('a', '1')}add b 1 0 1\r\n2\r\nadd b 1 0 1\r\n3\r\nreplace c 0 0 1\r\n1\r\nappend a 0 0 1\r\n0\r\nprepend a 0 0 1\r\n3\r\nincr a 5\r\ndecr a 1\r\nget a b\r\ntouch a 0\r\ngat 0 b\r\ndelete b\r\ndelete b\r\nnonsense\r\nget a b\r\n`,
      `${stored}${stored}${notStored}${notStored}${stored}${stored}315\r\n314\r\n${value('a', '314')}${value('b', '2', 1)}${end}${touched}${value('b', '2', 1)}${end}${deleted}${notFound}${error}${value('a', '314')}${end}`,
    ),
    one(
      'a thousand gets',
      `${set('k', '1')}${'get k\r\n'.repeat(1000)}`,
      stored + (value('k', '1') + end).repeat(1000),
    ),
    one(
      'a thousand sets',
      Array.from({ length: 1000 }, (_, n) => set(`k${n % 10}`, String(n))).join('') +
        'get k0 k9\r\n',
      stored.repeat(1000) + value('k0', '990') + value('k9', '999') + end,
    ),
    one(
      'counting to five hundred',
      `${set('k', '0')}${'incr k 1\r\n'.repeat(500)}`,
      stored + Array.from({ length: 500 }, (_, n) => `${n + 1}\r\n`).join(''),
    ),
    one(
      'sets and gets in turn',
      Array.from({ length: 200 }, (_, n) => `${set('k', String(n))}get k\r\n`).join(''),
      Array.from({ length: 200 }, (_, n) => stored + value('k', String(n)) + end).join(''),
    ),
    one(
      'large answers in a row',
      `${set('k', 'x'.repeat(20_000))}${'get k\r\n'.repeat(100)}`,
      stored + (value('k', 'x'.repeat(20_000)) + end).repeat(100),
      { huge: true },
    ),
    one(
      'errors in a row do not disturb',
      `${'bogus\r\n'.repeat(100)}get k\r\n`,
      error.repeat(100) + end,
    ),
    one('quit ends what is pipelined', `${set('k', '1')}quit\r\nget k\r\n`, stored, {
      end: 'closed',
    }),
    one('quit with words', `get k\r\nquit now or later\r\nget k\r\n`, end, { end: 'closed' }),
    one('quit with noreply', 'quit noreply\r\n', '', { end: 'closed' }),
    one('quit alone', 'quit\r\n', '', { end: 'closed' }),

    one(
      'get of 100 keys',
      `${all}get ${keys.join(' ')}\r\n`,
      stored.repeat(100) + keys.map((key) => value(key, `value of ${key}`)).join('') + end,
    ),
    one(
      'get of 100 keys backwards, half of them missing',
      `${all}get ${[...keys]
        .reverse()
        .map((key, n) => (n % 2 === 0 ? key : `no${key}`))
        .join(' ')}\r\n`,
      stored.repeat(100) +
        [...keys]
          .reverse()
          .filter((_, n) => n % 2 === 0)
          .map((key) => value(key, `value of ${key}`))
          .join('') +
        end,
    ),
    one(
      'get of 100 keys of 250 bytes',
      `${longKeys.map((key) => set(key, '1')).join('')}get ${longKeys.join(' ')}\r\n`,
      stored.repeat(100) + longKeys.map((key) => value(key, '1')).join('') + end,
      { huge: true },
    ),
    one(
      'gat of 24 keys',
      `${all}gat 0 ${keys.slice(0, 24).join(' ')}\r\n`,
      stored.repeat(100) +
        keys
          .slice(0, 24)
          .map((key) => value(key, `value of ${key}`))
          .join('') +
        end,
    ),
    one(
      'gat of 100 keys',
      `${all}gat 0 ${keys.join(' ')}\r\n`,
      stored.repeat(100) + keys.map((key) => value(key, `value of ${key}`)).join('') + end,
    ),
    ...[22, 23, 24, 25, 46, 47, 48, 69, 70].map((count) =>
      one(
        `get of ${count} keys`,
        `${set('k', '1')}get ${'k '.repeat(count)}\r\n`,
        stored + value('k', '1').repeat(count) + end,
      ),
    ),
    one(
      'get of 500 keys in a line of 131 KB',
      `${set(missing[500] as string, '1')}get ${missing.join(' ')}\r\n`,
      stored + value(missing[500] as string, '1') + end,
      { huge: true },
    ),
    one(
      'gets of 500 keys in a line of 131 KB',
      `${set(missing[500] as string, '1')}gets ${missing.join(' ')}\r\n`,
      /^STORED\r\nVALUE m+500 0 1 \d+\r\n1\r\nEND\r\n$/,
      { huge: true },
    ),
    one(
      'a line of 131 KB, then a small one, then another',
      `get ${missing.join(' ')}\r\n${set('k', '1')}get ${missing.join(' ')} k\r\nget k\r\n`,
      end + stored + value('k', '1') + end + value('k', '1') + end,
      { huge: true },
    ),
    one(
      'a line of 131 KB with a NUL in its middle ends there for its keys',
      `${set('k', '1')}get ${missing.slice(0, 250).join(' ')} k\0${missing.slice(250).join(' ')}\r\nget k\r\n`,
      stored + value('k', '1') + end + value('k', '1') + end,
      { huge: true },
    ),
    one(
      'get of one key 10000 times in a line',
      `${set('k', '1')}get ${'k '.repeat(10_000)}\r\n`,
      stored + value('k', '1').repeat(10_000) + end,
      { huge: true },
    ),
    {
      name: 'a line of 131 KB that stops in the middle of a key',
      steps: [
        [`${set('k', '1')}get ${missing.join(' ')} `, stored],
        ['k', ''],
        ['\r\n', value('k', '1') + end],
      ],
      huge: true,
    },
    {
      name: 'a command that comes in three parts behind another',
      steps: [
        ['get a\r\nset k 0 ', end],
        ['0 3\r\nab', ''],
        ['c\r\nget k\r\nget ', stored + value('k', 'abc') + end],
        ['k\r\n', value('k', 'abc') + end],
      ],
    },
  ],
};
