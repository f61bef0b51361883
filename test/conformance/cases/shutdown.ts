/** shutdown as far as the server lives on, and what -B ascii makes of the binary protocol's first byte. */
import { one, set, stored, type Topic, version } from '../table.js';

const disabled = 'ERROR: shutdown not enabled\r\n';
const badMode = 'CLIENT_ERROR invalid shutdown mode\r\n';
const enabled = { flags: ['-A'] };
const ascii = { flags: ['-B', 'ascii'] };

export const shutdown: Topic = {
  topic: 'shutdown',
  cases: [
    ...[
      'shutdown',
      'shutdown graceful',
      'shutdown now',
      'shutdown a b c d',
      'shutdown noreply',
    ].map((line) => one(`${line}, not enabled`, `${line}\r\n`, disabled)),
    one(
      'shutdown between others',
      `${set('k', '1')}shutdown\r\nversion\r\n`,
      /^STORED\r\nERROR: .*\r\nVERSION .*\r\n$/,
    ),
    ...['now', 'Graceful', 'gracefully', 'graceful foo', 'foo graceful', 'noreply'].map((mode) =>
      one(`shutdown ${mode}, enabled`, `shutdown ${mode}\r\n`, badMode, enabled),
    ),
    one('set and a wrong shutdown', `${set('k', '1')}shutdown x\r\n`, stored + badMode, enabled),
    one(
      'the first byte of the binary protocol, with -B ascii',
      '\x80get k\r\n',
      'ERROR\r\n',
      ascii,
    ),
    one('and all the rest, with -B ascii', 'version\r\n', version, ascii),
  ],
};
