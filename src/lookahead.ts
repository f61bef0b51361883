/**
 * Finds the keys of requests that are about to be executed, and has their items brought near before they are needed.
 *
 * A cache is larger than the processor's caches, so most requests wait for memory two or three times,
 * one after another: for the bucket, for the item, for what stands behind it. The requests of a tick
 * stand one behind another in the input, though, so the waits of many can pass together. This only
 * reads, and nothing depends on what it finds: a line it misreads (the middle of a value, say) costs
 * a look at a bucket that nobody asked for.
 */
import { keyBytesMax, lookaheadKeysMost } from './limits.js';
import type { Line } from './protocol/line.js';
import type { Store } from './store/store.js';

const SPACE = 0x20;
const NEWLINE = 0x0a;
const ZERO = 0x30;
const LETTER_G = 0x67;
const LETTER_M = 0x6d;
const LETTER_S = 0x73;
/** In a storage command, the token that says how many bytes of value follow the line. */
const lengthTokenOfSet = 4;
const lengthTokenOfMetaSet = 2;
/** No line that is looked at has so many tokens that matter. */
const noLengthToken = 0x7fffffff;

export class Lookahead {
  /** The input before this offset has been looked at. */
  until = 0;
  private readonly store: Store;
  private readonly line: Line;
  /** Where this tick's input ends. */
  private end = 0;
  private readonly starts = new Int32Array(lookaheadKeysMost);
  private readonly lengths = new Int32Array(lookaheadKeysMost);
  private readonly hashes = new Int32Array(lookaheadKeysMost);
  private count = 0;
  /** No key before this one will be asked for again. */
  private next = 0;

  /** Looks at the bytes that `line` cuts into tokens. */
  constructor(store: Store, line: Line) {
    this.store = store;
    this.line = line;
  }

  /** A tick begins, whose input ends at `end`. What was known of the input before is forgotten. */
  begin(end: number): void {
    this.end = end;
    this.until = 0;
    this.count = 0;
    this.next = 0;
  }

  /** Looks at the requests from `from` on, as many as are worth it; `inKeys`: a get's keys stand there. */
  look(from: number, inKeys: boolean): void {
    this.count = 0;
    this.next = 0;
    let at = inKeys && from < this.end ? this.request(from, true) : from;
    while (at < this.end && this.count < lookaheadKeysMost) at = this.request(at, false);
    this.until = at > from ? at : from + 1;
    this.store.prefetch(this.hashes, this.count);
  }

  /** The hash of the key at `at`, which has been computed before if the key was found. */
  hash(at: number, length: number): number {
    const { starts } = this;
    while (this.next < this.count && starts[this.next]! < at) this.next++;
    if (this.next < this.count && starts[this.next] === at && this.lengths[this.next] === length) {
      return this.hashes[this.next]!;
    }
    return this.store.hash(this.line.view, at, length);
  }

  /** Notes the keys of the request at `from`; returns where it ends, or where no more keys could be noted. */
  private request(from: number, inKeys: boolean): number {
    const { bytes } = this.line;
    const { end } = this;
    const retrieves = inKeys || bytes[from] === LETTER_G;
    const lengthToken =
      bytes[from] === LETTER_M ? metaLengthToken(bytes[from + 1]!) : lengthTokenOfSet;
    let at = from;
    let token = inKeys ? 1 : 0;
    let valueBytes = 0;
    for (;;) {
      const start = at;
      let number = 0;
      let byte = SPACE;
      for (; at < end; at++) {
        byte = bytes[at]!;
        if (byte <= SPACE) break;
        number = (number * 10 + byte - ZERO) | 0;
      }
      if (at >= end) return end;
      if (token === 1 || (retrieves && token > 1)) this.note(start, at - start);
      else if (token === lengthToken) valueBytes = number;
      token++;
      if (byte !== SPACE) break;
      at++;
      if (this.count === lookaheadKeysMost) return at;
    }
    while (at < end && bytes[at] !== NEWLINE) at++;
    at++;
    return valueBytes > 0 && token > lengthToken ? Math.min(end, at + valueBytes + 2) : at;
  }

  private note(start: number, length: number): void {
    if (length === 0 || length > keyBytesMax) return;
    const { count } = this;
    if (count === lookaheadKeysMost) return;
    this.starts[count] = start;
    this.lengths[count] = length;
    this.hashes[count] = this.store.hash(this.line.view, start, length);
    this.count = count + 1;
  }
}

/** mg, ms and the others, by their second letter: their first token is the key, and only ms has a value. */
function metaLengthToken(letter: number): number {
  return letter === LETTER_S ? lengthTokenOfMetaSet : noLengthToken;
}
