/** version, verbosity, stats as far as they are lines, and servers started with other flags. */
import { badFormat, error, ok, one, set, type Topic, version } from '../table.js';

export const misc: Topic = {
  topic: 'misc',
  cases: [
    one('version', 'version\r\n', version),
    one('version with words', 'version foo bar\r\n', version),
    one('verbosity', 'verbosity 0\r\n', ok),
    one('verbosity without a level', 'verbosity\r\n', error),
    one(
      'verbosity with too many words',
      'verbosity 0 0 0\r\nverbosity 0 0 noreply\r\n',
      error + error,
    ),
    one('verbosity with a second word', 'verbosity 0 foo\r\n', ok),
    ...['abc', '-1', '1.5', '0x1'].map((level) =>
      one(`verbosity ${level}`, `verbosity ${level}\r\n`, badFormat),
    ),
    one(
      'verbosity with a number beyond 32 bits, and back',
      'verbosity 4294967296\r\nverbosity +0\r\n',
      ok + ok,
    ),
    one(
      'stats with a word that is none',
      'stats bogus\r\nstats Items\r\nstats noreply\r\n',
      error.repeat(3),
    ),
    one('stats reset', 'stats reset\r\nstats reset foo\r\n', 'RESET\r\nRESET\r\n'),
    one(
      'stats of a class of its own, then something else',
      `${set('k', '1')}stats items foo\r\nget k\r\n`,
      /^STORED\r\n(?:STAT items:\d+:\w+ \d+\r\n)*END\r\nVALUE k 0 1\r\n1\r\nEND\r\n$/,
    ),
    one(
      'stats, and what follows it',
      `stats\r\nget k\r\n`,
      /^(?:STAT \w+ \S+\r\n)+END\r\nEND\r\n$/,
    ),
  ],
};
