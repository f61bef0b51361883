/** incr and decr: 64 bits, what counts as a number, and the room that a shorter number leaves. */
import {
  badDelta,
  end,
  error,
  notFound,
  notNumeric,
  one,
  set,
  stored,
  type Topic,
  value,
} from '../table.js';

const max = '18446744073709551615';

export const arithmetic: Topic = {
  topic: 'arithmetic',
  cases: [
    one('incr of nothing', 'incr k 1\r\n', notFound),
    one('decr of nothing', 'decr k 1\r\n', notFound),
    one(
      'incr',
      `${set('k', '5')}incr k 1\r\nincr k 2\r\nget k\r\n`,
      `${stored}6\r\n8\r\n${value('k', '8')}${end}`,
    ),
    one(
      'decr',
      `${set('k', '5')}decr k 1\r\ndecr k 2\r\nget k\r\n`,
      `${stored}4\r\n2\r\n${value('k', '2')}${end}`,
    ),
    one(
      'by zero',
      `${set('k', '5')}incr k 0\r\ndecr k 0\r\nget k\r\n`,
      `${stored}5\r\n5\r\n${value('k', '5')}${end}`,
    ),
    one(
      'the flags stay',
      `${set('k', '9', 7)}incr k 1\r\nget k\r\ndecr k 1\r\nget k\r\n`,
      `${stored}10\r\n${value('k', '10', 7)}${end}9\r\n${value('k', '9 ', 7)}${end}`,
    ),
    one(
      'decr stops at zero',
      `${set('k', '5')}decr k 6\r\nget k\r\ndecr k 1\r\n`,
      `${stored}0\r\n${value('k', '0')}${end}0\r\n`,
    ),
    one('decr by the largest delta', `${set('k', max)}decr k ${max}\r\n`, `${stored}0\r\n`),
    one(
      'incr up to the largest number',
      `${set('k', '18446744073709551614')}incr k 1\r\nget k\r\n`,
      `${stored}${max}\r\n${value('k', max)}${end}`,
    ),
    one(
      'incr wraps to zero',
      `${set('k', max)}incr k 1\r\nget k\r\n`,
      `${stored}0\r\n${value('k', `0${' '.repeat(19)}`)}${end}`,
    ),
    one(
      'incr wraps by the rest',
      `${set('k', '10')}incr k ${max}\r\nget k\r\n`,
      `${stored}9\r\n${value('k', '9 ')}${end}`,
    ),
    one(
      'a number beyond 2^53',
      `${set('k', '9007199254740993')}incr k 2\r\ndecr k 1\r\n`,
      `${stored}9007199254740995\r\n9007199254740994\r\n`,
    ),
    one(
      'a number of more digits takes more room',
      `${set('k', '99')}incr k 1\r\nget k\r\nincr k 900\r\nget k\r\n`,
      `${stored}100\r\n${value('k', '100')}${end}1000\r\n${value('k', '1000')}${end}`,
    ),
    one(
      'a shorter number keeps the length',
      `${set('k', '100')}decr k 1\r\nget k\r\ndecr k 90\r\nget k\r\n`,
      `${stored}99\r\n${value('k', '99 ')}${end}9\r\n${value('k', '9  ')}${end}`,
    ),
    one(
      'a padded number goes on counting',
      `${set('k', '10')}decr k 1\r\nincr k 1\r\nget k\r\nincr k 90\r\nget k\r\n`,
      `${stored}9\r\n10\r\n${value('k', '10')}${end}100\r\n${value('k', '100')}${end}`,
    ),
    one(
      'append to a padded number',
      `${set('k', '10')}decr k 1\r\nappend k 0 0 1\r\n5\r\nget k\r\nincr k 1\r\nget k\r\n`,
      `${stored}9\r\n${stored}${value('k', '9 5')}${end}10\r\n${value('k', '10 ')}${end}`,
    ),
    one(
      'a wide zero',
      `${set('k', '000000000000000000000000000001')}incr k 1\r\nget k\r\n`,
      `${stored}2\r\n${value('k', `2${' '.repeat(29)}`)}${end}`,
    ),
    ...[
      ['leading zeros', '007', '8', '8  '],
      ['a plus', '+7', '8', '8 '],
      ['leading blanks', '  7', '8', '8  '],
      ['trailing blanks', '7  ', '8', '8  '],
      ['a leading tab', '\t7', '8', '8 '],
      ['a trailing tab', '7\t', '8', '8 '],
      ['a line feed behind it', '7\n', '8', '8 '],
      ['a carriage return behind it', '7\r', '8', '8 '],
      ['NUL behind it', '7\0', '8', '8 '],
      ['another number behind a blank', '7 5', '8', '8  '],
    ].map(([name, before, answer, after]) =>
      one(
        `a value with ${name} counts`,
        `${set('k', before as string)}incr k 1\r\nget k\r\n`,
        `${stored}${answer}\r\n${value('k', after as string)}${end}`,
      ),
    ),
    ...[
      '',
      'abc',
      '-1',
      '12a',
      'a12',
      '1.5',
      '0x10',
      '--1',
      '+',
      '-',
      '18446744073709551616',
      '99999999999999999999999999',
    ].map((text) =>
      one(
        `the value ${JSON.stringify(text)} does not count`,
        `${set('k', text)}incr k 1\r\ndecr k 1\r\nget k\r\n`,
        stored + notNumeric + notNumeric + value('k', text) + end,
      ),
    ),
    ...['abc', '-1', '1.5', '1a', '0x5', '18446744073709551616', '-', '+'].map((delta) =>
      one(
        `the delta ${delta} is refused`,
        `${set('k', '1')}incr k ${delta}\r\ndecr k ${delta}\r\nget k\r\n`,
        stored + badDelta + badDelta + value('k', '1') + end,
      ),
    ),
    one('a bad delta is found before a missing key', 'incr k abc\r\n', badDelta),
    one(
      'a bad delta is found before a value that does not count',
      `${set('k', 'x')}incr k abc\r\n`,
      stored + badDelta,
    ),
    one(
      'the delta may have a plus and leading zeros',
      `${set('k', '1')}incr k +05\r\n`,
      `${stored}6\r\n`,
    ),
    one('the largest delta', `${set('k', '0')}incr k ${max}\r\n`, `${stored}${max}\r\n`),
    one('too few words', 'incr\r\nincr k\r\ndecr\r\ndecr k\r\n', error.repeat(4)),
    one(
      'too many words',
      `${set('k', '1')}incr k 1 2 3\r\ndecr k 1 2 noreply\r\n`,
      stored + error + error,
    ),
    one(
      'a fourth word that is not noreply is ignored',
      `${set('k', '1')}incr k 1 foo\r\n`,
      `${stored}2\r\n`,
    ),
    one(
      'a value of 100 digits does not count',
      `${set('k', '1'.repeat(100))}incr k 1\r\n`,
      stored + notNumeric,
    ),
  ],
};
