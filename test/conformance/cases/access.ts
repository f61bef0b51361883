/** -Y: what may be said before it is known who speaks. Each case needs its refusals alone: memcached 1.6.18 loses
 * answers of requests that arrive together before the user is known (docs/PROTOCOL.md). */
import { fixture } from '../../support/fixtures.js';
import { type Case, error, one, set, stored, type Topic, value } from '../table.js';

const refused = 'CLIENT_ERROR unauthenticated\r\n';
const wrong = 'CLIENT_ERROR authentication failure\r\n';
const unformed = 'CLIENT_ERROR bad authentication token format\r\n';
const unended = 'CLIENT_ERROR bad command line termination\r\n';
const flags = ['-Y', fixture('users.txt')];
const right = set('anything', 'foo bar');

/** Whoever is refused cannot show by a version that the connection is in step. */
function outside(name: string, sent: string, expected: string): Case {
  return one(name, sent, expected, { flags, end: 'hangup' });
}

export const access: Topic = {
  topic: 'access',
  cases: [
    ...['get x', 'version', 'quit', '', 'bogus', 'stats', 'set x', 'set x 0 0', 'set x 0 0 -1'].map(
      (line) => outside(`refused: ${line || 'an empty line'}`, `${line}\r\n`, refused),
    ),
    outside('refused: a length that is no number', 'set x 0 0 abc\r\n', refused),
    outside('refused: a browser', 'get / HTTP/1.1\r\n', refused),
    one('the right words let in', `${right}get x\r\n`, `${stored}END\r\n`, { flags }),
    one('the second user', `${set('x', 'user2 pass2:with')}get x\r\n`, `${stored}END\r\n`, {
      flags,
    }),
    one('several spaces', set('x', ' foo   bar '), stored, { flags }),
    one('a third word', set('x', 'foo bar baz'), stored, { flags }),
    one('words that are no numbers, and noreply', 'set x a b 7 noreply\r\nfoo bar\r\n', stored, {
      flags,
    }),
    one('a key that is too long', set('k'.repeat(251), 'foo bar'), stored, { flags }),
    one('leading spaces', `  ${right}`, stored, { flags }),
    one('a line that ends without a return', 'set x 0 0 7\nfoo bar\r\n', stored, { flags }),
    outside('a wrong password', set('x', 'foo baz'), wrong),
    outside('a password that is too long', set('x', 'foo barr'), wrong),
    outside('a password that is too short', set('x', 'foo ba'), wrong),
    outside('nobody', set('x', 'nobody bar'), wrong),
    outside('one word', set('x', 'foo'), unformed),
    outside('no words', set('x', ''), unformed),
    outside('an empty password cannot be said', set('x', 'empty '), unformed),
    outside('words with a NUL between them', set('x', 'foo\0bar'), unformed),
    outside('a data block with a wrong end', 'set x 0 0 7\r\nfoo barxx', unended),
    outside('a long data block', set('x', 'x'.repeat(2000)), unformed),
    one('a line without an end', 'x'.repeat(3000), '', { flags, end: 'closed' }),
    {
      name: 'wrong, refused, right, and then the cache',
      flags,
      steps: [
        [set('x', 'foo baz'), wrong],
        ['get x\r\n', refused],
        [right, stored],
        [
          `bogus\r\n${set('x', 'foo baz')}get x\r\n`,
          `${error}${stored}${value('x', 'foo baz')}END\r\n`,
        ],
      ],
    },
  ],
};
