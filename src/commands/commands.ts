/**
 * The commands, as data: each with its word, its numbers of tokens and its function. A line whose first token is not
 * here, or whose number of tokens does not fit, is answered with ERROR. Adding a command touches this table and its
 * function.
 */

import { ascii, lines } from '../protocol/reply.js';
import type { Caller } from './caller.js';
import type { Executor } from './execute.js';
import { Verb } from './execution/request.js';
import { quit, refreshCertificates, shutdown, stats, verbosity, watch } from './server-commands.js';

export interface Command {
  readonly word: Uint8Array;
  /** Tokens, the word included. */
  readonly least: number;
  readonly most: number;
  /** A last token `noreply` silences the command, from this token on; 0 = never. */
  readonly noreplyFrom: number;
  /** Returns an Outcome. */
  readonly run: (executor: Executor, caller: Caller) => number;
}

const any = Number.MAX_SAFE_INTEGER;

/** Every command the server knows. The first word decides; words are case-sensitive, as in memcached. */
export const commands: readonly Command[] = [
  row('get', 2, any, 0, (executor, { retrieval }) =>
    executor.retrieving.begin(retrieval, false, false),
  ),
  row('gets', 2, any, 0, (executor, { retrieval }) =>
    executor.retrieving.begin(retrieval, true, false),
  ),
  row('bget', 2, any, 0, (executor, { retrieval }) =>
    executor.retrieving.begin(retrieval, false, false),
  ),
  row('gat', 2, any, 0, (executor, { retrieval }) =>
    executor.retrieving.begin(retrieval, false, true),
  ),
  row('gats', 2, any, 0, (executor, { retrieval }) =>
    executor.retrieving.begin(retrieval, true, true),
  ),
  row('set', 5, 6, 2, (executor) => executor.storing.begin(Verb.SET)),
  row('add', 5, 6, 2, (executor) => executor.storing.begin(Verb.ADD)),
  row('replace', 5, 6, 2, (executor) => executor.storing.begin(Verb.REPLACE)),
  row('append', 5, 6, 2, (executor) => executor.storing.begin(Verb.APPEND)),
  row('prepend', 5, 6, 2, (executor) => executor.storing.begin(Verb.PREPEND)),
  row('cas', 6, 7, 2, (executor) => executor.storing.begin(Verb.CAS)),
  row('delete', 2, 4, 2, (executor) => executor.delete()),
  row('incr', 3, 4, 2, (executor) => executor.arithmetic.run(true)),
  row('decr', 3, 4, 2, (executor) => executor.arithmetic.run(false)),
  row('touch', 3, 4, 2, (executor) => executor.touch()),
  row('mg', 2, any, 0, (executor) => executor.meta.retrieving.get()),
  row('ms', 2, any, 0, (executor) => executor.meta.storing.begin()),
  row('md', 2, any, 0, (executor) => executor.meta.changing.delete()),
  row('ma', 2, any, 0, (executor) => executor.meta.changing.count()),
  row('mn', 1, any, 0, ({ exchange }) => exchange.say(lines.metaNoop)),
  row('me', 1, any, 0, (executor) => executor.meta.retrieving.describe()),
  row('flush_all', 1, 3, 1, (executor) => executor.flush()),
  row('version', 1, any, 0, ({ exchange }) => exchange.say(lines.version)),
  row('verbosity', 2, 3, 1, verbosity),
  row('stats', 1, any, 0, stats),
  row('shutdown', 1, any, 0, shutdown),
  row('watch', 1, any, 1, watch),
  row('refresh_certs', 1, any, 0, refreshCertificates),
  row('slabs', 3, any, 0, ({ administration }) => administration.slabs()),
  row('lru', 2, any, 1, ({ administration }) => administration.lru()),
  row('lru_crawler', 2, 3, 0, ({ administration }, caller) =>
    administration.lruCrawler(caller, caller.server.wire.answered),
  ),
  row('cache_memlimit', 2, 3, 1, ({ administration }) => administration.memoryLimit()),
  row('quit', 1, any, 0, quit),
];

function row(
  word: string,
  least: number,
  most: number,
  noreplyFrom: number,
  run: Command['run'],
): Command {
  return { word: ascii(word), least, most, noreplyFrom, run };
}

/** Slots of the look-up table; a slot is a mix of the word's first and last letter and its length. */
const slots = 256;
const table = buildTable();

/** The command with this word, or null. */
export function commandFor(bytes: Uint8Array, start: number, length: number): Command | null {
  let slot = slotOf(bytes[start]!, bytes[start + length - 1]!, length);
  for (;;) {
    const command = table[slot]!;
    if (command === null) return null;
    if (command.word.length === length && matches(command.word, bytes, start)) return command;
    slot = (slot + 1) & (slots - 1);
  }
}

function slotOf(first: number, last: number, length: number): number {
  return (first * 31 + last * 7 + length) & (slots - 1);
}

function matches(word: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < word.length; i++) {
    if (word[i] !== bytes[start + i]) return false;
  }
  return true;
}

function buildTable(): (Command | null)[] {
  const built = new Array<Command | null>(slots).fill(null);
  for (const command of commands) {
    const { word } = command;
    let slot = slotOf(word[0]!, word[word.length - 1]!, word.length);
    while (built[slot] !== null) slot = (slot + 1) & (slots - 1);
    built[slot] = command;
  }
  return built;
}
