/**
 * Reads the requests of a tick before they are executed: finds their keys, and has their items brought near.
 *
 * A cache is larger than the processor's caches, so most requests wait for memory two or three times, one wait after
 * another: for the bucket, for the item, for its second line. The requests of a tick stand one after another in the
 * input, though, so the waits of many can pass together. The commonest requests, `get` or `set` with one key, `mg … v`
 * or `ms` in its plainest form, are read whole, and the session need not read them again. Other lines are only guessed
 * at: a line that is misread (the middle of a value, say) costs a needless look at a bucket.
 */
import { keyBytesMax, lookaheadKeysMost } from '../../base/limits.js';
import { type Line, tokenEnd } from '../../protocol/line.js';
import type { Store } from '../../store/store.js';

const SPACE = 0x20;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const ZERO = 0x30;
const LETTER_G = 0x67;
/** `get ` and `set `, little endian. */
const GET = 0x20746567;
const SET = 0x20746573;
const LETTER_M = 0x6d;
const LETTER_S = 0x73;
/** `mg ` and `ms `: a word of which three bytes count. */
const META_GET = 0x20676d;
const META_SET = 0x20736d;
const threeBytes = 0xffffff;
/** ` v`, the only flag of an mg that is read whole. */
const SPACE_V = 0x7620;
/** In a storage command, the token that says how many bytes of value follow the line. */
const lengthTokenOfSet = 4;
const lengthTokenOfMetaSet = 2;
/** Stands for the token of the length in lines whose length is of no interest: no line has so many tokens. */
const noLengthToken = 0x7fffffff;
/** Numbers of this many digits fit in 31 bits. */
const plainDigitsMost = 9;

/** Words of a row of `rows`: a key, and its request, where that was read whole. */
export const Row = {
  KEY: 0,
  KEY_LENGTH: 1,
  /** Offset of the request; -1: it was not read whole. */
  AT: 2,
  /** Offset of the request's end, behind its data block. */
  NEXT: 3,
  /** Offset of the data block; 0: the request is a get. */
  VALUE: 4,
  VALUE_LENGTH: 5,
  FLAGS: 6,
  EXPTIME: 7,
  /** 1 for mg and ms. */
  META: 8,
  WORDS: 9,
} as const;

export class Lookahead {
  /** The input before this offset has been looked at. */
  until = 0;
  /** The keys and requests that were found, see `Row`. */
  readonly rows = new Int32Array(lookaheadKeysMost * Row.WORDS);
  private readonly store: Store;
  private readonly line: Line;
  /** The end of this tick's input. */
  private end = 0;
  private readonly hashes = new Int32Array(lookaheadKeysMost);
  private count = 0;
  /** The first row that may still be asked for, as requests are executed in order. */
  private next = 0;
  /** The number that `number` read. */
  private value = 0;

  /** Looks at the bytes that `line` cuts into tokens. */
  constructor(store: Store, line: Line) {
    this.store = store;
    this.line = line;
  }

  /** A tick begins, whose input ends at `end`. The rows of the input before are forgotten. */
  begin(end: number): void {
    this.end = end;
    this.until = 0;
    this.count = 0;
    this.next = 0;
  }

  /** Looks at the requests from `from` on, as many as fit in the table; `inKeys`: keys of a get stand there. */
  look(from: number, inKeys: boolean): void {
    this.count = 0;
    this.next = 0;
    let at = inKeys && from < this.end ? this.guess(from, true) : from;
    while (at < this.end && this.count < lookaheadKeysMost) at = this.request(at);
    this.until = at > from ? at : from + 1;
    this.store.prefetch(this.hashes, this.count);
  }

  /** The row of the request at `at`, if it was read whole and ends before `end`; otherwise -1. */
  whole(at: number, end: number): number {
    const { rows, count } = this;
    let { next } = this;
    while (next < count && rows[next * Row.WORDS + Row.KEY]! < at) next++;
    this.next = next;
    const row = next * Row.WORDS;
    return next < count && rows[row + Row.AT] === at && rows[row + Row.NEXT]! <= end ? row : -1;
  }

  /** The hash of a row's key. */
  hashOf(row: number): number {
    return this.hashes[(row / Row.WORDS) | 0]!;
  }

  /** The hash of the key at `at`, which is known already if the key was found. */
  hash(at: number, length: number): number {
    const { rows, count } = this;
    let { next } = this;
    while (next < count && rows[next * Row.WORDS + Row.KEY]! < at) next++;
    this.next = next;
    const row = next * Row.WORDS;
    if (next < count && rows[row + Row.KEY] === at && rows[row + Row.KEY_LENGTH] === length) {
      return this.hashes[next]!;
    }
    return this.store.hash(this.line.view, at, length);
  }

  /** Notes the keys of the request at `at`; returns its end, or the place where the table was full. */
  private request(at: number): number {
    const next = this.plain(at, this.line.view.getInt32(at, true));
    return next !== 0 ? next : this.guess(at, false);
  }

  /** Reads the request at `at`, whose first bytes are `word`; returns its end, 0 if it is not plain. */
  private plain(at: number, word: number): number {
    if (word === SET) return this.plainSet(at);
    if (word === GET) return this.plainGet(at);
    const three = word & threeBytes;
    if (three === META_GET) return this.plainMetaGet(at);
    return three === META_SET ? this.plainMetaSet(at) : 0;
  }

  /** Reads `get KEY` and its line end; returns the end of the request, 0 if it is another one. */
  private plainGet(at: number): number {
    const key = at + 4;
    const behind = this.keyEnd(key);
    const next = behind === 0 ? 0 : this.lineEnd(behind);
    if (next !== 0) this.noteGet(at, key, behind, next, 0);
    return next;
  }

  /** Reads `mg KEY v`; returns as `plainGet`. */
  private plainMetaGet(at: number): number {
    const key = at + 3;
    const behind = this.keyEnd(key);
    if (behind === 0 || this.line.view.getInt16(behind, true) !== SPACE_V) return 0;
    const next = this.lineEnd(behind + 2);
    if (next !== 0) this.noteGet(at, key, behind, next, 1);
    return next;
  }

  /** Reads `set KEY FLAGS EXPTIME LENGTH` and its line end, and skips its data block; returns as `plainGet`. */
  private plainSet(at: number): number {
    const { bytes } = this.line;
    const key = at + 4;
    const behind = this.keyEnd(key);
    if (behind === 0 || bytes[behind] !== SPACE) return 0;
    let to = this.number(behind + 1);
    if (to === 0 || bytes[to] !== SPACE) return 0;
    const flags = this.value;
    to = this.number(to + 1);
    if (to === 0 || bytes[to] !== SPACE) return 0;
    const exptime = this.value;
    const value = this.lengthEnd(to);
    return value === 0 ? 0 : this.noteSet(at, key, behind, value, flags, exptime, 0);
  }

  /** Reads `ms KEY LENGTH` and its line end, and skips its data block; returns as `plainGet`. */
  private plainMetaSet(at: number): number {
    const key = at + 3;
    const behind = this.keyEnd(key);
    if (behind === 0 || this.line.bytes[behind] !== SPACE) return 0;
    const value = this.lengthEnd(behind);
    return value === 0 ? 0 : this.noteSet(at, key, behind, value, 0, 0, 1);
  }

  /** The end of the key at `at`, 0 if there is no key. */
  private keyEnd(at: number): number {
    const behind = tokenEnd(this.line.view, at, this.end);
    return behind === at || behind - at > keyBytesMax ? 0 : behind;
  }

  /** Reads the length behind a space, the last token of a line; returns the offset of its data block, or 0. */
  private lengthEnd(space: number): number {
    const to = this.number(space + 1);
    return to === 0 ? 0 : this.lineEnd(to);
  }

  private noteGet(at: number, key: number, behind: number, next: number, meta: number): void {
    const row = this.note(key, behind - key);
    const { rows } = this;
    rows[row + Row.AT] = at;
    rows[row + Row.NEXT] = next;
    rows[row + Row.VALUE] = 0;
    rows[row + Row.META] = meta;
  }

  /** Notes a set whose data block has the length that was read last. Returns the end of the block. */
  private noteSet(
    at: number,
    key: number,
    behind: number,
    value: number,
    flags: number,
    exptime: number,
    meta: number,
  ): number {
    const row = this.note(key, behind - key);
    const { rows } = this;
    const next = value + this.value + 2;
    rows[row + Row.AT] = at;
    rows[row + Row.NEXT] = next;
    rows[row + Row.VALUE] = value;
    rows[row + Row.VALUE_LENGTH] = this.value;
    rows[row + Row.FLAGS] = flags;
    rows[row + Row.EXPTIME] = exptime;
    rows[row + Row.META] = meta;
    return next;
  }

  /** Reads a number of few digits into `value`; returns its end, 0 if there is no such number. */
  private number(from: number): number {
    const { bytes } = this.line;
    const most = Math.min(this.end, from + plainDigitsMost + 1);
    let value = 0;
    let at = from;
    for (; at < most; at++) {
      const digit = bytes[at]! - ZERO;
      if (digit < 0 || digit > 9) break;
      value = (value * 10 + digit) | 0;
    }
    this.value = value;
    return at === from || at === most ? 0 : at;
  }

  /** The end of the line whose \n or \r\n is at `at`; 0 if there is none. */
  private lineEnd(at: number): number {
    const { bytes } = this.line;
    const newline = bytes[at] === RETURN ? at + 1 : at;
    return newline < this.end && bytes[newline] === NEWLINE ? newline + 1 : 0;
  }

  /** Notes the keys of any line, as far as it looks like a request; `inKeys`: keys of a get stand at `from`. */
  private guess(from: number, inKeys: boolean): number {
    const { bytes, view } = this.line;
    const { end } = this;
    const retrieves = inKeys || bytes[from] === LETTER_G;
    const lengthToken =
      bytes[from] === LETTER_M ? metaLengthToken(bytes[from + 1]!) : lengthTokenOfSet;
    let at = from;
    let token = inKeys ? 1 : 0;
    let valueBytes = 0;
    for (;;) {
      const start = at;
      at = tokenEnd(view, start, end);
      if (at >= end) return end;
      if (token === 1 || (retrieves && token > 1)) {
        if (at > start && at - start <= keyBytesMax) this.note(start, at - start);
      } else if (token === lengthToken) {
        valueBytes = this.number(start) === at ? this.value : 0;
      }
      token++;
      if (bytes[at] !== SPACE) break;
      at++;
      if (this.count === lookaheadKeysMost) return at;
    }
    while (at < end && bytes[at] !== NEWLINE) at++;
    at++;
    return valueBytes > 0 && token > lengthToken ? Math.min(end, at + valueBytes + 2) : at;
  }

  /** Notes a key; returns its row. The table must have room. */
  private note(start: number, length: number): number {
    const { count, rows } = this;
    const row = count * Row.WORDS;
    rows[row + Row.KEY] = start;
    rows[row + Row.KEY_LENGTH] = length;
    rows[row + Row.AT] = -1;
    this.hashes[count] = this.store.hash(this.line.view, start, length);
    this.count = count + 1;
    return row;
  }
}

/**
 * The token with the length in mg, ms and the others, by their second letter: the first token is the key, and only ms
 * has a value.
 */
function metaLengthToken(letter: number): number {
  return letter === LETTER_S ? lengthTokenOfMetaSet : noLengthToken;
}
