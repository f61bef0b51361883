/** delete with its odd forms, and flush_all. */
import {
  badExptime,
  badFormat,
  deleted,
  deleteUsage,
  end,
  error,
  notFound,
  notStored,
  one,
  set,
  stored,
  type Topic,
  value,
} from '../table.js';

const now = () => Math.floor(Date.now() / 1000);

export const removal: Topic = {
  topic: 'delete and flush_all',
  cases: [
    one('delete nothing', 'delete k\r\n', notFound),
    one(
      'delete',
      `${set('k', '1')}delete k\r\nget k\r\ndelete k\r\n`,
      stored + deleted + end + notFound,
    ),
    one(
      'delete one of two',
      `${set('a', '1')}${set('b', '2')}delete a\r\nget a b\r\n`,
      stored + stored + deleted + value('b', '2') + end,
    ),
    one(
      'delete then set',
      `${set('k', '1')}delete k\r\n${set('k', '2')}get k\r\n`,
      stored + deleted + stored + value('k', '2') + end,
    ),
    one('delete with a time of 0', `${set('k', '1')}delete k 0\r\n`, stored + deleted),
    one('delete without a key', 'delete\r\ndelete \r\n', error + error),
    ...['1', '00', '-0', '+0', 'foo', '0 foo', '0 0', 'noreply 0', 'noreply foo', 'NOREPLY'].map(
      (words) =>
        one(
          `delete with the words ${words}`,
          `${set('k', '1')}delete k ${words}\r\nget k\r\n`,
          stored + deleteUsage + value('k', '1') + end,
        ),
    ),
    ...['1 noreply', 'foo noreply'].map((words) =>
      one(
        `delete with the words ${words}: refused in silence`,
        `${set('k', '1')}delete k ${words}\r\nget k\r\n`,
        stored + value('k', '1') + end,
      ),
    ),
    ...['noreply', '0 noreply'].map((words) =>
      one(
        `delete with the words ${words}`,
        `${set('k', '1')}delete k ${words}\r\nget k\r\ndelete k ${words}\r\n`,
        stored + end,
      ),
    ),
    one(
      'delete with noreply twice',
      `${set('k', '1')}delete k noreply noreply\r\nget k\r\n`,
      stored + value('k', '1') + end,
    ),
    one(
      'delete with too many words',
      `${set('k', '1')}delete k 0 0 0\r\ndelete k 0 0 noreply\r\nget k\r\n`,
      stored + error + error + value('k', '1') + end,
    ),

    one('flush_all of nothing', 'flush_all\r\n', 'OK\r\n'),
    one(
      'flush_all',
      `${set('a', '1')}${set('b', '2')}flush_all\r\nget a b\r\n`,
      `${stored}${stored}OK\r\n${end}`,
    ),
    one('flush_all 1', `${set('k', '1')}flush_all 1\r\nget k\r\n`, `${stored}OK\r\n${end}`),
    one('flush_all 0', `${set('k', '1')}flush_all 0\r\nget k\r\n`, `${stored}OK\r\n${end}`),
    one('flush_all -1', `${set('k', '1')}flush_all -1\r\nget k\r\n`, `${stored}OK\r\n${end}`),
    one(
      'flush_all with a Unix time of now',
      `${set('k', '1')}flush_all ${now() - 10}\r\nget k\r\n`,
      `${stored}OK\r\n${end}`,
    ),
    one(
      'what is set after flush_all in the same second lives',
      `${set('k', '1')}flush_all\r\n${set('k', '2')}get k\r\n`,
      `${stored}OK\r\n${stored}${value('k', '2')}${end}`,
    ),
    one(
      'flush_all twice',
      `${set('k', '1')}flush_all\r\n${set('j', '2')}flush_all\r\nget k j\r\n${set('k', '3')}get k\r\n`,
      `${stored}OK\r\n${stored}OK\r\n${end}${stored}${value('k', '3')}${end}`,
    ),
    one(
      'a flushed item: touch, incr, delete',
      `${set('k', '1')}flush_all\r\ntouch k 0\r\nincr k 1\r\ndelete k\r\n`,
      `${stored}OK\r\n${notFound.repeat(3)}`,
    ),
    one(
      'a flushed item: cas, gat',
      `${set('k', '1')}flush_all\r\ncas k 0 0 1 1\r\n2\r\ngat 0 k\r\n`,
      `${stored}OK\r\n${notFound}${end}`,
    ),
    one(
      'a flushed item: replace, append, prepend',
      `${set('k', '1')}flush_all\r\nreplace k 0 0 1\r\n2\r\nappend k 0 0 1\r\n2\r\nprepend k 0 0 1\r\n2\r\nget k\r\n`,
      `${stored}OK\r\n${notStored.repeat(3)}${end}`,
    ),
    one(
      'a flushed item: add',
      `${set('k', '1')}flush_all\r\nadd k 0 0 1\r\n2\r\nget k\r\n`,
      `${stored}OK\r\n${stored}${value('k', '2')}${end}`,
    ),
    one('flush_all noreply', `${set('k', '1')}flush_all noreply\r\nget k\r\n`, stored + end),
    one('flush_all 0 noreply', `${set('k', '1')}flush_all 0 noreply\r\nget k\r\n`, stored + end),
    ...['abc', '1.5', '1a', 'noreply 0', '99999999999999999999'].map((words) =>
      one(
        `flush_all ${words} is refused`,
        `${set('k', '1')}flush_all ${words}\r\nget k\r\n`,
        stored + badExptime + value('k', '1') + end,
      ),
    ),
    one(
      'flush_all abc noreply: refused in silence',
      `${set('k', '1')}flush_all abc noreply\r\nget k\r\n`,
      stored + value('k', '1') + end,
    ),
    one(
      'flush_all with a second word that is not noreply',
      `${set('k', '1')}flush_all 0 foo\r\nget k\r\n`,
      `${stored}OK\r\n${end}`,
    ),
    one(
      'flush_all with too many words',
      `${set('k', '1')}flush_all 1 2 3\r\nget k\r\n`,
      stored + error + value('k', '1') + end,
    ),
    {
      name: 'flush_all with a delay: items live until then, also those set after it, and later ones stay',
      steps: [
        [`${set('k', '1')}flush_all 3\r\n${set('j', '1')}`, `${stored}OK\r\n${stored}`],
        ['get k j\r\n', value('k', '1') + value('j', '1') + end],
        { poll: 'get k\r\n', whilst: value('k', '1') + end, until: end, withinMs: 6000 },
        ['get j\r\n', end],
        {
          poll: 'set l 0 0 1\r\n1\r\nget l\r\n',
          whilst: stored + end,
          until: stored + value('l', '1') + end,
          withinMs: 3000,
        },
      ],
      splits: ['whole'],
      why: 'the wait for the clock dominates, not how bytes arrive',
    },
    one(
      'flush_all with a delay far away',
      `${set('k', '1')}flush_all 1000\r\nget k\r\n`,
      `${stored}OK\r\n${value('k', '1')}${end}`,
    ),
    one(
      'flush_all overrules a delay far away',
      `${set('k', '1')}flush_all 1000\r\nflush_all\r\nget k\r\n`,
      `${stored}OK\r\nOK\r\n${end}`,
    ),
    one(
      'flush_all with a Unix time far away',
      `${set('k', '1')}flush_all ${now() + 100_000}\r\nget k\r\n`,
      `${stored}OK\r\n${value('k', '1')}${end}`,
    ),
    {
      name: 'an id from before flush_all does not fit what is stored after it',
      steps: [
        [set('k', '1'), stored],
        ['gets k\r\n', /^VALUE k 0 1 (?<cas>\d+)\r\n1\r\nEND\r\n$/],
        [`flush_all\r\n${set('k', '2')}`, `OK\r\n${stored}`],
        [
          (seen) => `cas k 0 0 1 ${seen['cas']}\r\n3\r\nget k\r\n`,
          `EXISTS\r\n${value('k', '2')}${end}`,
        ],
      ],
    },
    one('flush_all is refused with -F', 'flush_all\r\n', 'CLIENT_ERROR flush_all not allowed\r\n', {
      flags: ['-F'],
    }),
    one(
      'flush_all with a delay is refused with -F',
      `${set('flush_F', '1')}flush_all 0\r\nget flush_F\r\n`,
      `${stored}CLIENT_ERROR flush_all not allowed\r\n${value('flush_F', '1')}${end}`,
      { flags: ['-F'] },
    ),
    one('flush_all noreply is refused in silence with -F', 'flush_all noreply\r\n', '', {
      flags: ['-F'],
    }),
    one(
      'delete: the data of a line is not asked for',
      `delete k 0 0 1 1\r\nset k 0 0 abc\r\n`,
      error + badFormat,
    ),
  ],
};
