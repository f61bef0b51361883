/** What is said about connections and commands: watch, stats conns, stats detail; and refresh_certs without TLS. */
import { error, ok, one, set, type Topic } from '../table.js';

const usage = 'CLIENT_ERROR usage: stats detail on|off|dump\r\n';
const prefixes = ['-D', ':'];
const refused = 'CLIENT_ERROR watch commands not allowed\r\n';
const quiet = { flags: ['-W'] };

export const looking: Topic = {
  topic: 'looking',
  cases: [
    ...['', ' fetchers', ' mutations', ' evictions', ' connevents', ' fetchers mutations'].map(
      (words) => one(`watch${words}`, `watch${words}\r\n`, /^OK\r\n(ts=.*\n)*$/, { end: 'hangup' }),
    ),
    ...[' rawcmds', ' sysevents', ' proxyreqs', ' proxyevents', ' proxyuser'].map((word) =>
      one(`watch${word}`, `watch${word}\r\n`, /^OK\r\n(ts=.*\n)*$/, { end: 'hangup' }),
    ),
    one('watch something else', 'watch bogus\r\n', error),
    one('watch something else, too', 'watch fetchers bogus\r\n', error),
    one('watch what every object has', 'watch constructor\r\n', error),
    one(
      'watch behind an answer',
      'version\r\nwatch\r\n',
      /^VERSION .*\r\nERROR cannot pipeline other commands before watch\r\n$/,
      {
        splits: ['whole'],
        why: 'the answer is still there only when both come at once',
      },
    ),
    one('watch with -W', 'watch\r\nwatch bogus\r\nwatch noreply\r\n', refused + refused, quiet),
    one(
      'refresh_certs',
      'refresh_certs\r\nrefresh_certs x\r\n',
      'Error TLS not enabled\r\n'.repeat(2),
    ),
    one('refresh_certs noreply', 'refresh_certs noreply\r\n', 'Error TLS not enabled\r\n'),
    one('stats detail with another word', 'stats detail\r\nstats detail foo\r\n', usage + usage),
    one('stats detail on and off', 'stats detail on\r\nstats detail off x\r\n', ok + ok),
    one(
      'stats conns',
      'stats conns\r\nget k\r\n',
      /^(STAT \d+:(addr|listen_addr|state|secs_since_last_cmd) \S+\r\n)+END\r\nEND\r\n$/,
    ),
    one(
      'stats conns knows who asks',
      'stats conns\r\n',
      /STAT (\d+):addr tcp:127.0.0.1:\d+\r\nSTAT \1:listen_addr tcp:127.0.0.1:\d+\r\nSTAT \1:state conn_parse_cmd\r\nSTAT \1:secs_since_last_cmd \d\r\n[\s\S]*END\r\n$/,
    ),
    one(
      'stats detail counts what is asked, by prefix',
      `stats reset\r\n${set('p:1', '1')}${set('none', '1')}get p:1 p:2 none p:1\r\ngat 0 p:3\r\ndelete p:9\r\nincr p:1 1\r\nstats detail dump\r\n`,
      /^RESET\r\nSTORED\r\nSTORED\r\n[\s\S]*PREFIX p get 4 hit 2 set 1 del 1\r\nEND\r\n$/,
      { flags: prefixes },
    ),
    one(
      'stats detail counts sets that fail, too',
      `stats reset\r\nadd q:1 0 0 1\r\nxxx\r\ncas q:2 0 0 1 1\r\n1\r\nset q:3 0 0 9000000\r\n${'x'.repeat(9_000_000)}\r\nstats detail dump\r\n`,
      /PREFIX q get 0 hit 0 set 3 del 0\r\nEND\r\n$/,
      { flags: prefixes, huge: true },
    ),
    one(
      'stats reset forgets prefixes, and goes on counting',
      `get r:1\r\nstats reset\r\nstats detail dump\r\nget r:1\r\nstats detail dump\r\n`,
      'END\r\nRESET\r\nEND\r\nEND\r\nPREFIX r get 1 hit 0 set 0 del 0\r\nEND\r\n',
      { flags: prefixes },
    ),
    one(
      'an empty prefix, and another delimiter',
      `stats reset\r\nget |x a:b\r\nstats detail dump\r\n`,
      'RESET\r\nEND\r\nPREFIX  get 1 hit 0 set 0 del 0\r\nEND\r\n',
      { flags: ['-D', '|'] },
    ),
  ],
};
