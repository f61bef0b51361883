/** exptime in all its classes, touch, and what is left of an item that has expired. */
import {
  badExptime,
  end,
  error,
  exists,
  notFound,
  notStored,
  one,
  type Poll,
  set,
  stored,
  type Topic,
  touched,
  value,
} from '../table.js';

const farFuture = String(Math.floor(Date.now() / 1000) + 86_400);
const past = String(Math.floor(Date.now() / 1000) - 86_400);

const living = [
  '0',
  '-0',
  '60',
  '+60',
  '2592000',
  farFuture,
  '2147483647',
  '4294967296',
  '4294967356',
];
/** 32 bits are kept: 2147483648 is negative, 99999999999 is 1215752191, long ago. */
const dead = ['-1', '-100', past, '2592001', '2147483648', '4294967295', '99999999999'];

/** An item that is gone by its exptime, then `sent`. */
const expired = (name: string, sent: string, expected: string) =>
  one(`an expired item: ${name}`, set('k', '1', 0, -1) + sent, stored + expected);

/** Waits until `key` is gone. */
const gone = (key: string, data: string): Poll => ({
  poll: `get ${key}\r\n`,
  whilst: value(key, data) + end,
  until: end,
  withinMs: 5000,
});

export const expiry: Topic = {
  topic: 'expiry and touch',
  cases: [
    ...living.map((exptime) =>
      one(
        `set with the exptime ${exptime} lives`,
        `set k 0 ${exptime} 1\r\n1\r\nget k\r\n`,
        stored + value('k', '1') + end,
      ),
    ),
    ...dead.map((exptime) =>
      one(
        `set with the exptime ${exptime} is stored and gone`,
        `set k 0 ${exptime} 1\r\n1\r\nget k\r\n`,
        stored + end,
      ),
    ),
    ...living.map((exptime) =>
      one(
        `touch with the exptime ${exptime}: the item lives`,
        `${set('k', '1')}touch k ${exptime}\r\nget k\r\n`,
        stored + touched + value('k', '1') + end,
      ),
    ),
    ...dead.map((exptime) =>
      one(
        `touch with the exptime ${exptime}: the item is gone`,
        `${set('k', '1')}touch k ${exptime}\r\nget k\r\n`,
        stored + touched + end,
      ),
    ),
    one(
      'a set that is gone at once takes the old value with it',
      `${set('k', '1')}${set('k', '2', 0, -1)}get k\r\n`,
      stored + stored + end,
    ),
    one(
      'a gat that expires the item still shows it',
      `${set('k', '1')}gat -1 k\r\nget k\r\n`,
      stored + value('k', '1') + end + end,
    ),
    expired('get and gets', 'get k\r\ngets k\r\n', end + end),
    expired('touch and gat', 'touch k 0\r\ngat 0 k\r\nget k\r\n', notFound + end + end),
    expired('incr and decr', 'incr k 1\r\ndecr k 1\r\n', notFound + notFound),
    expired('delete', 'delete k\r\n', notFound),
    expired('cas', 'cas k 0 0 1 1\r\n2\r\n', notFound),
    expired('replace', 'replace k 0 0 1\r\n2\r\nget k\r\n', notStored + end),
    expired(
      'append and prepend',
      'append k 0 0 1\r\n2\r\nprepend k 0 0 1\r\n2\r\nget k\r\n',
      notStored + notStored + end,
    ),
    expired('add', 'add k 0 0 1\r\n2\r\nget k\r\n', stored + value('k', '2') + end),
    one(
      'add with an exptime in the past',
      'add k 0 -1 1\r\n1\r\nadd k 0 -1 1\r\n2\r\nget k\r\n',
      stored + stored + end,
    ),
    one(
      'replace with an exptime in the past',
      `${set('k', '1')}replace k 0 -1 1\r\n2\r\nget k\r\n`,
      stored + stored + end,
    ),
    {
      name: 'cas with an exptime in the past',
      steps: [
        [set('k', '1'), stored],
        ['gets k\r\n', /^VALUE k 0 1 (?<cas>\d+)\r\n1\r\nEND\r\n$/],
        [(seen) => `cas k 0 -1 1 ${seen['cas']}\r\n2\r\nget k\r\n`, stored + end],
      ],
    },
    {
      name: 'what a second or two do',
      steps: [
        [set('set', '1', 0, 1) + set('later', '1', 0, 2), stored + stored],
        ['add add 0 1 1\r\n1\r\n', stored],
        [`${set('touch', '1')}touch touch 1\r\n`, stored + touched],
        [`${set('gat', '1')}gat 1 gat\r\n`, stored + value('gat', '1') + end],
        [() => set('unix', '1', 0, Math.floor(Date.now() / 1000) + 2), stored],
        [`${set('append', '', 0, 2)}append append 0 0 1\r\n1\r\n`, stored + stored],
        [`${set('incr', '0', 0, 2)}incr incr 1\r\n`, `${stored}1\r\n`],
        [`${set('longer', '9', 0, 2)}incr longer 1\r\n`, `${stored}10\r\n`],
        [`${set('saved', '1', 0, 2)}touch saved 0\r\n`, stored + touched],
        [`${set('again', '1', 0, 2)}${set('again', '1')}`, stored + stored],
        ...['set', 'later', 'add', 'touch', 'gat', 'unix', 'append', 'incr'].map((key) =>
          gone(key, '1'),
        ),
        gone('longer', '10'),
        ['get saved again\r\n', value('saved', '1') + value('again', '1') + end],
        ['add set 0 0 1\r\n2\r\nget set\r\n', stored + value('set', '2') + end],
      ],
      splits: ['whole'],
      why: 'the wait for the clock dominates, not how bytes arrive',
    },

    one('touch of nothing', 'touch k 0\r\n', notFound),
    one(
      'touch keeps value and flags',
      `${set('k', 'abc', 5)}touch k 60\r\nget k\r\n`,
      stored + touched + value('k', 'abc', 5) + end,
    ),
    one('touch: too few words', 'touch\r\ntouch k\r\n', error + error),
    one('touch: too many words', `${set('k', '1')}touch k 0 1 2\r\n`, stored + error),
    one(
      'touch: a fourth word that is not noreply is ignored',
      `${set('k', '1')}touch k 0 foo\r\n`,
      stored + touched,
    ),
    ...['abc', '1.5', '1a', '0x10', '-', '99999999999999999999'].map((exptime) =>
      one(
        `touch with the exptime ${exptime} is refused`,
        `${set('k', '1')}touch k ${exptime}\r\nget k\r\n`,
        stored + badExptime + value('k', '1') + end,
      ),
    ),
    one('touch: a bad exptime is found before a missing key', 'touch k abc\r\n', badExptime),
    one(
      'a cas that fails leaves the exptime alone',
      `${set('k', '1')}cas k 0 -1 1 0\r\n2\r\nget k\r\n`,
      stored + exists + value('k', '1') + end,
    ),
  ],
};
