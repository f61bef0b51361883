/**
 * The form of the conformance table. A case is data: what is sent and what must come back, byte for byte, as
 * memcached 1.6.18 answers. Every text stands for bytes: one character, one byte (latin1).
 *
 *   { name, steps: [[sent, expected], …], flags?, splits?, why?, huge?, end?, differs? }
 *
 * Each case runs on a connection of its own, on an empty cache, once for every way of cutting what it sends.
 */

/** Named captures of the patterns matched so far in this case. */
export type Seen = Readonly<Record<string, string>>;
export type Text = string | ((seen: Seen) => string);
/** A pattern must match the whole reply, and only when it is complete: start it with ^, end it with $. */
export type Expected = Text | RegExp;
export type Exchange = readonly [sent: Text, expected: Expected];

/** For what happens with time: `poll` is sent again as long as `whilst` comes, until `until` comes. */
export interface Poll {
  readonly poll: string;
  readonly whilst: string;
  readonly until: string;
  readonly withinMs: number;
}

export type Step = Exchange | Poll;

/** Sent whole, in pieces of seven bytes, byte by byte. */
export type Split = 'whole' | 'sevens' | 'bytes';
export const everySplit: readonly Split[] = ['whole', 'sevens', 'bytes'];

export interface Case {
  readonly name: string;
  readonly steps: readonly Step[];
  /** The server is started with these flags of memcached's; such a case needs a server of its own. */
  readonly flags?: readonly string[];
  /** The splits that apply, when not all do; `why` then says why. */
  readonly splits?: readonly Split[];
  readonly why?: string;
  /** Only the first and last 1024 bytes of what is sent are cut small; the middle goes in 64 KiB pieces. */
  readonly huge?: true;
  /**
   * What follows the last reply. `open` (the default): the connection is in step, shown by a `version` that is
   * answered with a version and nothing else. `closed`: the server closes, silently. `finish`: the client shuts
   * its side down right after the last byte, gets its answers all the same, and then the server closes.
   * `hangup`: the client leaves; nothing more is checked.
   */
  readonly end?: End;
  /** Where hotspare answers otherwise, knowingly. */
  readonly differs?: Difference;
}

export type End = 'open' | 'closed' | 'finish' | 'hangup';

/** A difference from memcached that docs/PROTOCOL.md lists under this name, with its reason. */
export interface Difference {
  readonly name: string;
  /** What takes the place of the case's own. */
  readonly hotspare: { readonly steps: readonly Step[]; readonly end?: End };
}

export interface Topic {
  readonly topic: string;
  readonly cases: readonly Case[];
}

/** A case of a single exchange, the most common kind. */
export function one(name: string, sent: string, expected: Expected, more: Partial<Case> = {}) {
  return { name, steps: [[sent, expected]], ...more } satisfies Case;
}

/** A storage command with its data block. */
export function set(key: string, value: string, flags = 0, exptime = 0): string {
  return `set ${key} ${flags} ${exptime} ${value.length}\r\n${value}\r\n`;
}

/** One item as `get` answers it. */
export function value(key: string, data: string, flags = 0): string {
  return `VALUE ${key} ${flags} ${data.length}\r\n${data}\r\n`;
}

export const ok = 'OK\r\n';
export const end = 'END\r\n';
export const error = 'ERROR\r\n';
export const stored = 'STORED\r\n';
export const notStored = 'NOT_STORED\r\n';
export const exists = 'EXISTS\r\n';
export const notFound = 'NOT_FOUND\r\n';
export const deleted = 'DELETED\r\n';
export const touched = 'TOUCHED\r\n';
export const badFormat = 'CLIENT_ERROR bad command line format\r\n';
export const badChunk = 'CLIENT_ERROR bad data chunk\r\n';
export const badDelta = 'CLIENT_ERROR invalid numeric delta argument\r\n';
export const badExptime = 'CLIENT_ERROR invalid exptime argument\r\n';
export const notNumeric = 'CLIENT_ERROR cannot increment or decrement non-numeric value\r\n';
export const deleteUsage =
  'CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n';
export const tooLarge = 'SERVER_ERROR object too large for cache\r\n';
export const version = /^VERSION \S+\r\n$/;

export const key250 = 'k'.repeat(250);
export const key251 = 'k'.repeat(251);
