/** How a command line is read: its end, its words, its limits, and what is not a command at all. */
import {
  badFormat,
  type Case,
  end,
  error,
  key250,
  key251,
  notFound,
  one,
  set,
  stored,
  type Topic,
  value,
  version,
} from '../table.js';

const spaces = (count: number) => ' '.repeat(count);
const longWhy =
  'memcached closes when it holds more than 2048 bytes without an end of line, so whether a line of that ' +
  'length is read depends on how it arrives';
const wholeOnly = { splits: ['whole'], why: longWhy } as const;

/**
 * Of a multiget with a key that is too long only the error is answered. memcached also drops the answers of
 * earlier commands that it has not sent yet; nobody can rely on that, so the item is stored in a step before.
 */
const overlong = (name: string, sent: string): Case => ({
  name: `${name}: only the error is answered`,
  steps: [
    [set('a', '1'), stored],
    [`${sent}${key251} a\r\n`, badFormat],
  ],
});

export const lines: Topic = {
  topic: 'lines and limits',
  cases: [
    one('an empty line', '\r\n', error),
    one('an empty line without a carriage return', '\n', error),
    one('a line of one space', ' \r\n', error),
    one('a line that is only a carriage return too many', '\r\r\n', error),
    one('an unknown command', 'bogus\r\n', error),
    one('an unknown command with many words', 'bogus a b c d e f\r\n', error),
    one('an unknown command with noreply is still answered', 'bogus noreply\r\n', error),
    one('three unknown lines', 'one\r\ntwo\r\nthree\r\n', error + error + error),
    one('upper case is not a command', 'GET a\r\n', error),
    one('mixed case is not a command', 'Get a\r\nvErsion\r\n', error + error),
    one('a command cut short', 'ver\r\nge a\r\ng a\r\nad k 0 0 1\r\n', error.repeat(4)),
    one(
      'a command with letters too many',
      'versionx\r\ngetx a\r\nget_ a\r\nsets k\r\n',
      error.repeat(4),
    ),
    one('lines may end with a line feed alone', 'get a\nget b\n', end + end),
    one(
      'the line of a storage command may end with a line feed alone',
      'set k 0 0 1\n1\r\nget k\n',
      stored + value('k', '1') + end,
    ),
    one(
      'one carriage return is dropped, a second belongs to the last word',
      `${set('k', '1')}get k\r\r\nget k\r\n`,
      stored + end + value('k', '1') + end,
    ),
    one(
      'a number may be followed by a carriage return',
      'set k 0 0 1\r\r\n1\r\nget k\r\n',
      stored + value('k', '1') + end,
    ),
    one('leading spaces', '   get a\r\n', end),
    one('trailing spaces', 'get a   \r\n', end),
    one(
      'several spaces between words',
      `set  k   0    0     1\r\n1\r\nget   k\r\n`,
      stored + value('k', '1') + end,
    ),
    one('a tab does not separate words', 'get\ta\r\n', error),
    one(
      'a tab is part of a key',
      `${set('a\tb', '1')}get a\tb\r\nget a\r\n`,
      stored + value('a\tb', '1') + end + end,
    ),
    one('NUL ends the line: a command behind it is not seen', 'version\0 nonsense\r\n', version),
    one(
      'NUL ends the line: a key ends there',
      `${set('a', '1')}get a\0b c\r\n`,
      stored + value('a', '1') + end,
    ),
    one(
      'NUL ends the line: the rest of a storage line is missing',
      'set a\0b 0 0 1\r\nget a\r\n',
      error + end,
    ),
    one('NUL at the beginning is an empty line', '\0get a\r\n', error),
    one('NUL as a key is no key', 'get \0\r\n', error),

    one(
      'the key may have 250 bytes',
      `${set(key250, '1')}get ${key250}\r\n`,
      stored + value(key250, '1') + end,
    ),
    one('get: a key of 251 bytes', `get ${key251}\r\n`, badFormat),
    one('gets: a key of 251 bytes', `gets ${key251}\r\n`, badFormat),
    overlong('get: a key of 251 bytes behind a hit', 'get a '),
    overlong('gets: a key of 251 bytes behind a hit', 'gets a '),
    overlong('gat: a key of 251 bytes behind a hit', 'gat 0 a '),
    overlong('gats: a key of 251 bytes behind a hit', 'gats 0 a '),
    overlong('get: a key of 251 bytes behind thirty hits', `get ${'a '.repeat(30)}`),
    one('gat: a key of 251 bytes', `gat 0 ${key251}\r\n`, badFormat),
    one(
      'gat: a bad exptime is found before a key of 251 bytes',
      `gat x ${key251}\r\n`,
      'CLIENT_ERROR invalid exptime argument\r\n',
    ),
    ...['set', 'add', 'replace', 'append', 'prepend'].map((name) =>
      one(
        `${name}: a key of 251 bytes, and the data block is read as a command`,
        `${name} ${key251} 0 0 1\r\n1\r\n`,
        badFormat + error,
      ),
    ),
    one(
      'cas: a key of 251 bytes, and the data block is read as a command',
      `cas ${key251} 0 0 1 1\r\n1\r\n`,
      badFormat + error,
    ),
    one(
      'set: a key of 251 bytes with noreply, and the data block is read as a command',
      `set ${key251} 0 0 1 noreply\r\n1\r\n`,
      error,
    ),
    one('delete: a key of 251 bytes', `delete ${key251}\r\n`, badFormat),
    one('delete: a key of 251 bytes with noreply', `delete ${key251} noreply\r\n`, ''),
    one(
      'delete: wrong words are found before a key of 251 bytes',
      `delete ${key251} foo\r\n`,
      'CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n',
    ),
    one(
      'incr and decr: a key of 251 bytes',
      `incr ${key251} 1\r\ndecr ${key251} 1\r\n`,
      badFormat + badFormat,
    ),
    one(
      'incr: a key of 251 bytes is found before a bad delta',
      `incr ${key251} abc\r\n`,
      badFormat,
    ),
    one('incr: a key of 251 bytes with noreply', `incr ${key251} 1 noreply\r\n`, ''),
    one('touch: a key of 251 bytes', `touch ${key251} 0\r\n`, badFormat),
    one(
      'touch: a key of 251 bytes is found before a bad exptime',
      `touch ${key251} x\r\n`,
      badFormat,
    ),
    one(
      'other commands: a key of 250 bytes',
      `incr ${key250} 1\r\ntouch ${key250} 0\r\ndelete ${key250}\r\n`,
      notFound.repeat(3),
    ),

    {
      name: '2048 bytes are waited for, the carriage return among them',
      steps: [
        ['x'.repeat(2047), ''],
        ['\r\n', error],
      ],
    },
    one('2049 bytes without an end of line close the connection', 'x'.repeat(2049), '', {
      end: 'closed',
    }),
    {
      name: '2049 bytes without an end of line close the connection behind an answer',
      steps: [
        ['version\r\n', version],
        ['x'.repeat(2049), ''],
      ],
      end: 'closed',
    },
    one('2049 spaces without an end of line close the connection', spaces(2049), '', {
      end: 'closed',
    }),
    one('a line of 3000 bytes that arrives whole', `set ${'x'.repeat(3000)}\r\n`, error, wholeOnly),
    one(
      'a storage line of 2100 bytes that arrives whole',
      `set k 0 0 1${spaces(2090)}\r\n1\r\nget k\r\n`,
      stored + value('k', '1') + end,
      wholeOnly,
    ),
    one(
      'a get of 5000 bytes behind 101 spaces that arrives whole',
      `${spaces(101)}get ${'a '.repeat(2450)}\r\n`,
      end,
      wholeOnly,
    ),
    one('a gat of 5000 bytes that arrives whole', `gat 0 ${'a '.repeat(2450)}\r\n`, end, wholeOnly),
    one(
      'a storage line of 40000 bytes closes the connection',
      `set k 0 0 1${spaces(40_000)}\r\n1\r\n`,
      '',
      { end: 'closed' },
    ),
    one('a gat of 40000 bytes closes the connection', `gat 0 ${'a '.repeat(20_000)}\r\n`, '', {
      end: 'closed',
    }),
    one('a bget of 40000 bytes closes the connection', `bget ${'a '.repeat(20_000)}\r\n`, '', {
      end: 'closed',
    }),
    one(
      'an upper case get of 40000 bytes closes the connection',
      `GET ${'a '.repeat(20_000)}\r\n`,
      '',
      { end: 'closed' },
    ),
    one('a get of 5000 bytes', `get ${'a '.repeat(2450)}\r\n`, end),
    one('a gets of 5000 bytes', `gets ${'a '.repeat(2450)}\r\n`, end),
    one('a get of 5000 bytes behind 100 spaces', `${spaces(100)}get ${'a '.repeat(2450)}\r\n`, end),
    one(
      'a get of 40000 bytes behind 101 spaces closes the connection',
      `${spaces(101)}get ${'a '.repeat(20_000)}\r\n`,
      '',
      { end: 'closed' },
    ),

    ...['GET / HTTP/1.1', 'POST / HTTP/1.0', 'put HTTP/1', 'post / HTTP/'].map((line) =>
      one(`a request of HTTP closes the connection: ${line}`, `${line}\r\nversion\r\n`, '', {
        end: 'closed',
      }),
    ),
    one('HTTP/ that is not the last word is not a request', 'POST HTTP/ x\r\n', error),
    one('HTTP/ as a key is a key', 'get HTTP/1.1\r\n', end),
    one('an unknown word of one letter before HTTP/', 'x HTTP/1.1\r\n', error),

    one(
      'a byte 0x80 behind the first command',
      'version\r\n\x80abc\r\n',
      /^VERSION \S+\r\nERROR\r\n$/,
    ),
    one('high bytes as a command', 'v\xe9rsion\r\n', error),
    one('control characters as a command', '\x01\x02\x7f\r\n', error),
    one(
      'answers come although the client has shut its side down',
      `${set('k', '1')}get k\r\n`,
      stored + value('k', '1') + end,
      { end: 'finish' },
    ),
    one(
      'an incomplete line is dropped when the client shuts its side down',
      'version\r\nget k',
      version,
      { end: 'finish' },
    ),
  ],
};
