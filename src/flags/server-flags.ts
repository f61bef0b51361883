/**
 * Every flag of memcached 1.6.18, in the order of `memcached -h`, with its kind and a sentence for the help and the
 * log. docs/OPERATING.md has the same table for operators; test/tidy.test.ts compares them.
 */
import * as limits from '../base/limits.js';
import type { Flag, Kind, Scope } from './flag.js';
import { defaults } from './settings.js';
import { character, count, each, factor, integer, list, octal, oneOf, size } from './values.js';

type More = Partial<Omit<Flag, 'form' | 'kind' | 'scope' | 'sentence'>>;

const row = (form: string, scope: Scope, kind: Kind, sentence: string, more: More = {}): Flag => ({
  form,
  scope,
  kind,
  sentence,
  ...more,
});

const portRange = [-1, 65535] as const;
const atLeastOne = (sentence: string) => integer(1, 2 ** 31 - 1, sentence);

export const memcachedFlags: readonly Flag[] = [
  row('-p, --port <num>', 'clients', 'implemented', 'TCP port; -1: any free one; 0: none', {
    parse: integer(...portRange),
    initial: [defaults.port],
  }),
  row('-U, --udp-port <num>', 'clients', 'implemented', 'UDP port; -1: any free one; 0: none', {
    parse: integer(...portRange),
    initial: [defaults.udpPort],
  }),
  row('-s, --unix-socket <file>', 'clients', 'implemented', 'UNIX socket (no TCP then)'),
  row('-a, --unix-mask <mask>', 'clients', 'implemented', 'its permissions, octal', {
    parse: octal,
    initial: [defaults.unixMode, '0700'],
  }),
  row('-A, --enable-shutdown', 'clients', 'implemented', 'let clients send the command shutdown'),
  row('-l, --listen <addr>', 'clients', 'implemented', 'addresses or host names, with ports', {
    parse: list,
    initial: [[], 'all'],
  }),
  row('-d, --daemon', 'process', 'implemented', 'run in the background'),
  row(
    '-r, --enable-coredumps',
    'process',
    'tuning',
    'the limit of core files is the shell’s: ulimit -c',
  ),
  row('-u, --user <user>', 'process', 'implemented', 'give up root for this user'),
  row('-m, --memory-limit <num>', 'geometry', 'implemented', 'memory for items, in MiB', {
    parse: integer(1, limits.memoryBytesMax / 2 ** 20),
    initial: [limits.memoryMebibytesDefault],
  }),
  row('-M, --disable-evictions', 'clients', 'implemented', 'a full cache answers with an error'),
  row('-c, --conn-limit <num>', 'clients', 'implemented', 'most connections', {
    parse: integer(1, limits.connectionsMost, 'Maximum connections must be greater than 0'),
    initial: [limits.connectionsDefault],
  }),
  row('-k, --lock-memory', 'clients', 'implemented', 'keep the cache out of swap'),
  row('-v, --verbose', 'clients', 'implemented', 'say more', { parse: count, initial: [0] }),
  row('-i, --license', 'process', 'implemented', 'print the licence'),
  row('-P, --pidfile <file>', 'process', 'implemented', 'write the pid there; removed at the end'),
  row('-f, --slab-growth-factor <num>', 'geometry', 'implemented', 'growth of chunk sizes', {
    parse: factor(limits.growthFactorMost),
    initial: [defaults.growthFactor],
  }),
  row('-n, --slab-min-size <bytes>', 'geometry', 'implemented', 'room in the smallest chunk', {
    parse: integer(1, limits.chunkBytesRegularMax / 2, 'Chunk size must be greater than 0'),
    initial: [defaults.chunkMin],
  }),
  row('-L, --enable-largepages', 'clients', 'implemented', 'ask the kernel for huge pages'),
  row('-D <char>', 'clients', 'implemented', 'where key prefixes end, in stats detail', {
    parse: character,
  }),
  row('-t, --threads <num>', 'clients', 'tuning', 'one thread executes all commands', {
    parse: atLeastOne('Number of threads must be greater than 0'),
    initial: [1],
    when: (threads) => threads !== 1,
  }),
  row(
    '-R, --max-reqs-per-event <num>',
    'clients',
    'tuning',
    'turns between connections are counted in bytes',
    { parse: atLeastOne('Number of requests per event must be greater than 0') },
  ),
  row('-C, --disable-cas', 'clients', 'tuning', 'every item has its CAS id: gets and cas work'),
  row('-b, --listen-backlog <num>', 'clients', 'implemented', 'length of the listen queue', {
    parse: integer(0, 65535),
    initial: [limits.backlogDefault],
  }),
  row('-B, --protocol <name>', 'clients', 'implemented', 'ascii, or auto; binary is not served', {
    parse: protocol,
    initial: [defaults.protocol],
  }),
  row('-I, --max-item-size <num>', 'geometry', 'implemented', 'largest item; k and m are units', {
    parse: size(
      limits.itemBytesLeast,
      limits.itemBytesMost,
      'Item max size cannot be less than 1024 bytes.',
      'Cannot set item size limit higher than a gigabyte.',
    ),
    initial: [defaults.itemBytesMax, '1m'],
  }),
  row('-S, --enable-sasl', 'clients', 'refused', 'SASL belongs to the binary protocol', {
    remedy: 'leave it out, or let in users with -Y',
  }),
  row('-F, --disable-flush-all', 'clients', 'implemented', 'refuse flush_all'),
  row('-X, --disable-dumping', 'clients', 'implemented', 'refuse stats cachedump and metadump'),
  row('-W, --disable-watch', 'clients', 'implemented', 'refuse watch'),
  row('-Y, --auth-file <file>', 'clients', 'implemented', 'let in only its user:password lines'),
  row('-e, --memory-file <file>', 'clients', 'implemented', 'keep the cache in this file'),
  row('-Z, --enable-ssl', 'clients', 'implemented', 'TLS, with -o ssl_chain_cert and ssl_key'),
  row('-o, --extended <words>', 'clients', 'implemented', 'words with commas: docs/OPERATING.md', {
    parse: each,
    initial: [[], 'none'],
  }),
  row('-N, --napi-ids <num>', 'clients', 'tuning', 'one thread reads all network queues', {
    parse: atLeastOne('Maximum number of NAPI IDs must be greater than 0'),
  }),
];

/** Flags that memcached does not have, for the same purposes. */
export const ownFlags: readonly Flag[] = [
  row(
    '--discard-memory-file',
    'clients',
    'implemented',
    'start empty when the cache in -e FILE cannot be served',
  ),
];

function protocol(text: string): unknown {
  const binary = 'the binary protocol is not served: choose ascii or auto';
  const words = { auto: 'auto', ascii: 'ascii' };
  const sentence = `Invalid value for binding protocol: ${text} -- should be one of auto, binary, or ascii`;
  return oneOf(words, text === 'binary' ? binary : sentence)(text, undefined);
}
