/**
 * More of where hotspare knowingly answers otherwise: where memcached 1.6.18 does what nobody would ask of it (answers
 * lost, items that come back, errors that have changed something), and in what looks after a cache.
 */
import { fixture } from '../../support/fixtures.js';
import {
  badFormat,
  type Case,
  type Expected,
  end,
  error,
  key251,
  ok,
  type Split,
  type Step,
  set,
  stored,
  type Topic,
  value,
} from '../table.js';
import { crawlerRests } from './administration.js';

const opaque = `O${'o'.repeat(32)}`;
const opaqueTooLong = 'CLIENT_ERROR opaque token too long\r\n';
const badClass = 'BADCLASS invalid src or dst class id\r\n';
const noSpare = 'NOSPARE source class has no spare pages\r\n';
const unauthenticated = 'CLIENT_ERROR unauthenticated\r\n';
const prefixes = Array.from({ length: 1001 }, (_, n) => `get prefix${n}:k\r\n`).join('');
const large = 'x'.repeat(3000);
const crowd = Array.from({ length: 4000 }, (_, n) => set(`full${n}`, large)).join('');
const crowdReply =
  /^(?:STORED\r\n)+(?:SERVER_ERROR out of memory storing object\r\n)+(?<=^(?:.+\r\n){4000})$/;
/** Only what comes at once is executed in one second, or answered in one piece. */
const atOnce: { splits: readonly Split[]; why: string } = {
  splits: ['whole'],
  why: 'it differs when all of it comes at once',
};

/** What memory and statistics are is known only of a server that no other case has used. */
const ownServer = ['-R', '19'];

/** A case whose last answer differs. */
function odd(
  difference: string,
  name: string,
  before: readonly Step[],
  sent: string,
  memcached: Expected,
  hotspare: Expected,
  more: Partial<Case> = {},
): Case {
  return {
    name,
    steps: [...before, [sent, memcached]],
    ...more,
    differs: { name: difference, hotspare: { steps: [...before, [sent, hotspare]] } },
  };
}

export const oddities: Topic = {
  topic: 'oddities',
  cases: [
    odd(
      'errors-change-nothing',
      'ma with an opaque that is too long',
      [],
      `${set('n', '1')}ma n ${opaque}\r\nget n\r\n`,
      `${stored}${opaqueTooLong}${value('n', '2')}${end}`,
      `${stored}${opaqueTooLong}${value('n', '1')}${end}`,
    ),
    odd(
      'errors-change-nothing',
      'mg T with an opaque that is too long',
      [],
      `${set('k', '1')}mg k T100 ${opaque}\r\nmg k t\r\n`,
      /^STORED\r\nCLIENT_ERROR opaque token too long\r\nHD t(?:100|99)\r\n$/,
      `${stored}${opaqueTooLong}HD t-1\r\n`,
    ),
    odd(
      'errors-change-nothing',
      'gat of a key, and of one that is too long',
      [],
      `${set('k', '1')}mn\r\ngat 100 k ${key251}\r\nmg k t\r\n`,
      /^STORED\r\nMN\r\nCLIENT_ERROR bad command line format\r\nHD t(?:100|99)\r\n$/,
      `${stored}MN\r\n${badFormat}HD t-1\r\n`,
    ),
    odd(
      'answers-before-an-error',
      'get of a key, and of one that is too long, behind answers that have not left',
      [],
      `${set('k', '1')}incr k 1\r\nget k ${key251}\r\n`,
      badFormat,
      `${stored}2\r\n${badFormat}`,
      atOnce,
    ),
    odd(
      'flushed-again',
      'a delayed flush_all after one that has happened',
      [
        [set('k', '1'), stored],
        ['flush_all\r\nflush_all 1000\r\n', ok + ok],
      ],
      'get k\r\n',
      value('k', '1') + end,
      end,
      // memcached's own crawler may meet the item meanwhile.
      atOnce,
    ),
    odd(
      'flush-second',
      'an item of the second in which a delay ends, set after it',
      [],
      `flush_all 1\r\n${set('k', '1')}get k\r\n`,
      ok + stored + end,
      ok + stored + value('k', '1') + end,
      atOnce,
    ),
    odd(
      'grown-number',
      'ma with T of a number that becomes longer',
      [],
      `${set('n', '9')}ma n T100\r\nmg n t v\r\n`,
      `${stored}HD\r\nVA 2 t-1\r\n10\r\n`,
      /^STORED\r\nHD\r\nVA 2 t(?:100|99)\r\n10\r\n$/,
    ),
    odd(
      'read-number',
      'ma behind an mg whose answer has not left',
      [[`${set('n', '1')}md n I\r\n`, `${stored}HD\r\n`]],
      'mg n\r\nma n v\r\nmg n h\r\n',
      'HD X W\r\nVA 1\r\n2\r\nHD h0\r\n',
      'HD X W\r\nVA 1\r\n2\r\nHD h1 Z X\r\n',
      atOnce,
    ),
    odd(
      'forgotten-base64',
      'mg with b and k of a key with a blank, which was forgotten to be in base64',
      [],
      'ms YSBi 1 b\r\nx\r\nms YSBi 1 b MA\r\ny\r\nmg YSBi b k v\r\n',
      'HD\r\nHD\r\nVA 2 ka b\r\nxy\r\n',
      'HD\r\nHD\r\nVA 2 kYSBi b\r\nxy\r\n',
    ),
    odd(
      'invalidate-when-full',
      'with -M md with I when memory is full',
      [[crowd, crowdReply]],
      'md full1 I\r\nmg full1\r\n',
      'HD\r\nHD X W\r\n',
      'HD\r\nEN\r\n',
      {
        flags: ['-M', '-m', '12'],
        huge: true,
        splits: ['whole'],
        why: 'once it is full, it stays full',
      },
    ),
    odd(
      'last-access',
      'l of an item that was just read',
      [
        [set('k', '1'), stored],
        { poll: 'mg k l u\r\n', whilst: 'HD l0\r\n', until: 'HD l1\r\n', withinMs: 3000 },
        { poll: 'mg k l u\r\n', whilst: 'HD l1\r\n', until: 'HD l2\r\n', withinMs: 3000 },
      ],
      'mg k\r\nmg k l u\r\n',
      /^HD\r\nHD l[23]\r\n$/,
      /^HD\r\nHD l[01]\r\n$/,
      { splits: ['whole'], why: 'it takes two seconds' },
    ),
    odd(
      'ended-ttl',
      't of an item that T has just ended',
      [],
      `${set('k', '1')}mg k T-1 t\r\n`,
      /^STORED\r\nHD t42949\d{5}\r\n$/,
      /^STORED\r\nHD t2\d{9}\r\n$/,
    ),
    odd(
      'memory-limit',
      'cache_memlimit other than -m, and the same again',
      [],
      'cache_memlimit 128\r\ncache_memlimit 64\r\n',
      ok + ok,
      `MEMLIMIT_ADJUST_FAILED the memory is mirrored as it was made: restart\r\n${ok}`,
      { flags: ownServer },
    ),
    odd(
      'extstore',
      'extstore, and silenced',
      [],
      'extstore item_size 600\r\nextstore x noreply\r\n',
      ok,
      error + error,
      { flags: ownServer },
    ),
    odd(
      'disable-cas',
      'with -C gets and mg with c',
      [[set('k', '1'), stored]],
      'gets k\r\nmg k c\r\n',
      `VALUE k 0 1 0\r\n1\r\n${end}HD c0\r\n`,
      /^VALUE k 0 1 [1-9]\d*\r\n1\r\nEND\r\nHD c[1-9]\d*\r\n$/,
      { flags: ['-C'] },
    ),
    odd(
      'large-classes',
      'slabs reassign to the class of large items, and from it',
      [],
      'slabs reassign 1 40\r\nslabs reassign 40 1\r\n',
      badClass + badClass,
      noSpare + noSpare,
      { flags: ownServer },
    ),
    odd(
      'detail-prefixes',
      'stats detail dump of more than a thousand prefixes',
      [[prefixes, end.repeat(1001)]],
      'stats detail dump\r\n',
      /^(?:PREFIX prefix\d+ get 1 hit 0 set 0 del 0\r\n){1001}END\r\n$/,
      /^(?:PREFIX prefix\d+ get 1 hit 0 set 0 del 0\r\n){1000}END\r\n$/,
      {
        flags: ['-D', ':', ...ownServer],
        splits: ['whole'],
        why: 'counts of a run go on in the next',
      },
    ),
    odd(
      'refused-together',
      'with -Y requests that arrive together before it is known who speaks',
      [],
      `get k\r\n${set('x', 'foo bar')}get k\r\n`,
      stored + end,
      unauthenticated + stored + end,
      { flags: ['-Y', fixture('users.txt')], ...atOnce },
    ),
    {
      name: 'with -Y a data block of 9,000 bytes before it is known who speaks',
      steps: [[set('x', 'x'.repeat(9000)), 'CLIENT_ERROR bad authentication token format\r\n']],
      flags: ['-Y', fixture('users.txt')],
      end: 'hangup',
      ...atOnce,
      differs: {
        name: 'long-password',
        hotspare: { steps: [[set('x', 'x'.repeat(9000)), '']], end: 'closed' },
      },
    },
    {
      name: 'metadump behind an mn, which memcached answers at once',
      steps: [crawlerRests, ['mn\r\nlru_crawler metadump all\r\n', `MN\r\n${end}`]],
      ...atOnce,
      differs: {
        name: 'pipelined-dump',
        hotspare: {
          steps: [
            [
              'mn\r\nlru_crawler metadump all\r\n',
              'MN\r\nERROR cannot pipeline other commands before metadump\r\n',
            ],
          ],
        },
      },
    },
  ],
};
