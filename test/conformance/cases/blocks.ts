/** Data blocks that are not what their line said, and values near and beyond the largest. */
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

const tooMany = 1_048_576;
const largest = 1_048_000;
const half = 600_000;
const big = (name: string, sent: string, expected: string, more: Partial<Case> = {}) =>
  one(name, sent, expected, { huge: true, ...more });
const block = (length: number, byte = 'x') => `${byte.repeat(length)}\r\n`;

/** What is left of `k` = 1 when a block of `command` was too large. */
const after = (command: string) => (command === 'set' ? end : value('k', '1') + end);
const unique = (command: string) => (command === 'cas' ? ' 1' : '');

export const blocks: Topic = {
  topic: 'data blocks',
  cases: [
    one(
      'longer than said: the rest is read as a command',
      'set k 0 0 3\r\nabcdef\r\nget k\r\n',
      badChunk + error + end,
    ),
    one('longer by one', 'set k 0 0 3\r\nabcd\r\nget k\r\n', badChunk + error + end),
    one('longer by two', 'set k 0 0 3\r\nabcde\r\nget k\r\n', badChunk + error + end),
    one(
      'longer, and the rest is a command',
      'set k 0 0 3\r\nabcxxget k\r\nget k\r\n',
      badChunk + end + end,
    ),
    one(
      'shorter than said: the next line is eaten',
      'set k 0 0 5\r\nabc\r\nget k\r\n',
      badChunk + error,
    ),
    one(
      'shorter by just the line end',
      `set k 0 0 5\r\nabc\r\n\r\nget k\r\n`,
      stored + value('k', 'abc\r\n') + end,
    ),
    one('an empty block that is missing', 'set k 0 0 0\r\nget k\r\n', badChunk + error),
    one('ended with a line feed alone', 'set k 0 0 1\r\n1\nget k\r\n', badChunk + error),
    one(
      'ended with a carriage return and something else',
      'set k 0 0 1\r\n1\rxversion\r\n',
      /^CLIENT_ERROR bad data chunk\r\nVERSION \S+\r\n$/,
    ),
    one('ended the wrong way round', 'set k 0 0 1\r\n1\n\rget k\r\n', badChunk + end),
    one(
      'the old value stays',
      `${set('k', '1')}set k 0 0 3\r\nabcdef\r\nget k\r\n`,
      stored + badChunk + error + value('k', '1') + end,
    ),
    one(
      'with noreply only what follows is answered',
      'set k 0 0 3 noreply\r\nabcdef\r\nget k\r\n',
      error + end,
    ),
    ...['add', 'replace', 'append', 'prepend', 'cas'].map((name) =>
      one(
        `${name}: longer than said`,
        `${set('k', '1')}${name} k 0 0 3${unique(name)}\r\nabcdef\r\nget k\r\n`,
        stored + badChunk + error + value('k', '1') + end,
      ),
    ),
    one(
      'a bad block is found although add would not store',
      `${set('k', '1')}add k 0 0 1\r\nabc\r\n`,
      stored + badChunk + error,
    ),
    one(
      'a block of 100000 bytes, longer by one',
      `set k 0 0 100000\r\n${block(100_001)}get k\r\n`,
      badChunk + error + end,
      { huge: true },
    ),
    big(
      'a block of 1000000 bytes, longer by one',
      `set k 0 0 1000000\r\n${block(1_000_001)}get k\r\n`,
      badChunk + error + end,
    ),
    big(
      'a block of 1000000 bytes without its end',
      `${set('k', '1')}set k 0 0 1000000\r\n${'x'.repeat(1_000_002)}get k\r\n`,
      stored + badChunk + value('k', '1') + end,
    ),
    {
      name: 'the line, then the block, then its end',
      steps: [
        ['set k 0 0 3\r\n', ''],
        ['abc', ''],
        ['\r', ''],
        ['\nget k\r\n', stored + value('k', 'abc') + end],
      ],
    },
    {
      name: 'a block that never ends stores nothing',
      steps: [
        [set('k', '1'), stored],
        ['set k 0 0 10\r\nabc', ''],
      ],
      end: 'finish',
    },

    ...[1000, 1023, 1024, 1025, 4096, 8191, 8192, 16_384, 65_535, 65_536].map((length) =>
      one(
        `a value of ${length} bytes`,
        `${set('k', pattern(length))}get k\r\n`,
        stored + value('k', pattern(length)) + end,
        length > 10_000 ? { huge: true } : {},
      ),
    ),
    ...[262_144, 524_288, 524_289, 1_000_000, largest].map((length) =>
      big(
        `a value of ${length} bytes`,
        `${set('k', pattern(length))}get k\r\n`,
        stored + value('k', pattern(length)) + end,
      ),
    ),
    big(
      'a value of 1000000 bytes read four times',
      `${set('k', pattern(1_000_000))}get k k k\r\nget k\r\n`,
      stored +
        value('k', pattern(1_000_000)).repeat(3) +
        end +
        value('k', pattern(1_000_000)) +
        end,
    ),
    big(
      'a large value again and again',
      `${set('k', pattern(900_000))}${set('k', pattern(900_001))}${set('k', 'x')}get k\r\n`,
      stored.repeat(3) + value('k', 'x') + end,
    ),
    big(
      'append to half a million',
      `${set('k', pattern(500_000))}append k 0 0 500000\r\n${block(500_000)}get k\r\n`,
      stored + stored + value('k', pattern(500_000) + 'x'.repeat(500_000)) + end,
    ),
    big(
      'prepend to half a million',
      `${set('k', pattern(500_000))}prepend k 0 0 500000\r\n${block(500_000)}get k\r\n`,
      stored + stored + value('k', 'x'.repeat(500_000) + pattern(500_000)) + end,
    ),

    ...['set', 'add', 'replace', 'append', 'prepend', 'cas'].flatMap((name) => [
      big(
        `${name}: too large; ${name === 'set' ? 'the old value is dropped' : 'the old value stays'}`,
        `${set('k', '1')}${name} k 0 0 ${tooMany}${unique(name)}\r\n${block(tooMany)}get k\r\n`,
        stored + tooLarge + after(name),
      ),
      big(
        `${name}: too large with noreply`,
        `${set('k', '1')}${name} k 0 0 ${tooMany}${unique(name)} noreply\r\n${block(tooMany)}get k\r\n`,
        stored + after(name),
      ),
    ]),
    big(
      'too large: the end of the block is not looked at',
      `set k 0 0 ${tooMany}\r\n${'x'.repeat(tooMany + 2)}get k\r\n`,
      tooLarge + end,
    ),
    big('much too large', `set k 0 0 3000000\r\n${block(3_000_000)}get k\r\n`, tooLarge + end),
    one(
      'the largest length: answered at once, and everything is swallowed',
      'set k 0 0 2147483645\r\nget k\r\nget k\r\n',
      '',
      { end: 'hangup' },
    ),
    big(
      'too large by append: not stored',
      `${set('k', pattern(half))}append k 0 0 ${half}\r\n${block(half)}get k\r\n`,
      `${stored}NOT_STORED\r\n${value('k', pattern(half))}${end}`,
    ),
    big(
      'too large by prepend: not stored',
      `${set('k', pattern(half))}prepend k 0 0 ${half}\r\n${block(half)}get k\r\n`,
      `${stored}NOT_STORED\r\n${value('k', pattern(half))}${end}`,
    ),
    big(
      'incr of a large value',
      `${set('k', '1'.repeat(half))}incr k 1\r\n`,
      `${stored}CLIENT_ERROR cannot increment or decrement non-numeric value\r\n`,
    ),
    big(
      'a larger largest item with -I 2m',
      `${set('I2', pattern(1_500_000))}get I2\r\n`,
      stored + value('I2', pattern(1_500_000)) + end,
      { flags: ['-I', '2m'] },
    ),
    big(
      'too large for -I 2m',
      `set I2 0 0 2097152\r\n${block(2_097_152)}get I2\r\n`,
      tooLarge + end,
      { flags: ['-I', '2m'] },
    ),
    big(
      'too large for -I 512k',
      `set I512k 0 0 524288\r\n${block(524_288)}set I512k 0 0 520000\r\n${block(520_000)}get I512k\r\n`,
      tooLarge + stored + value('I512k', 'x'.repeat(520_000)) + end,
      { flags: ['-I', '512k'] },
    ),
    {
      name: 'with -M memory that is full is an error, and the block is swallowed',
      steps: [
        [
          Array.from({ length: 100 }, (_, n) => set(`M${n}`, 'x'.repeat(200_000))).join(''),
          /^(?=(?:.+\r\n){100}$)(?:STORED\r\n)+(?:SERVER_ERROR out of memory storing object\r\n)+$/,
        ],
        ['get M0\r\n', value('M0', 'x'.repeat(200_000)) + end],
        // Of a value that it cuts into chunks memcached finds out only while it reads, and says it so.
        [
          Array.from({ length: 20 }, (_, n) => set(`L${n}`, 'x'.repeat(900_000))).join(''),
          /^(?=(?:.+\r\n){20}$)(?:STORED\r\n)*(?:SERVER_ERROR (?:out of memory storing object|Out of memory during read)\r\n)+$/,
        ],
      ],
      flags: ['-M', '-m', '10'],
      huge: true,
      splits: ['whole'],
      why: 'once it is full, it stays full',
    },
    one('a refused length does not swallow', `set k 0 0 2147483646\r\nget k\r\n`, badFormat + end),
  ],
};

/** Bytes that show when a piece is missing, doubled or moved. */
function pattern(length: number): string {
  let text = '';
  for (let n = 0; text.length < length; n += 1) {
    text += `${n}-`;
  }
  return text.slice(0, length);
}
