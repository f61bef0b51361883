/**
 * The output that replies are written to: the transport's buffer, without strings. The fixed lines stand below as
 * bytes.
 */
import { replyRoomBytes } from '../base/limits.js';

/** Up to this many bytes a loop of words is faster than TypedArray.set and its subarray. */
const loopBytesMax = 192;

export class Output {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Next byte to write. */
  at = 0;
  /** Sends bytes of chunk `ref` from where they stand instead of copying them; the chunk is pinned meanwhile. */
  onReference: (segment: number, offset: number, length: number, ref: number) => void = () => {};

  constructor(buffer: ArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  /** False when another reply might not fit: the rest waits for the next tick. */
  hasRoom(): boolean {
    return this.at + replyRoomBytes <= this.bytes.length;
  }

  /** Writes a fixed line or word, and up to 3 bytes behind it, which the next write replaces. */
  put(text: Phrase): void {
    const { view, at } = this;
    const { words } = text;
    for (let i = 0; i < words.length; i++) view.setInt32(at + i * 4, words[i]!, true);
    this.at = at + text.length;
  }

  byte(value: number): void {
    this.bytes[this.at++] = value;
  }

  /** A non-negative integer below 2^53 in decimal. */
  decimal(value: number): void {
    if (value >= 1e9) {
      const high = Math.floor(value / 1e9);
      this.decimal(high);
      this.digits(value - high * 1e9, 9);
      return;
    }
    if (value < 10) {
      this.bytes[this.at++] = 0x30 + value;
      return;
    }
    let length = 2;
    for (let limit = 100; value >= limit; limit *= 10) length++;
    this.digits(value, length);
  }

  /** A u64 in decimal, from two halves, each of which may be signed. */
  wide(low: number, high: number): void {
    const upper = high >>> 0;
    if (upper < 0x200000) this.decimal(upper * 4294967296 + (low >>> 0));
    else this.text(((BigInt(upper) << 32n) | BigInt(low >>> 0)).toString());
  }

  /** `length` bytes that stand at `from` in `source`. */
  copy(source: Uint8Array, view: DataView, from: number, length: number): void {
    copyBytes(this.bytes, this.view, this.at, source, view, from, length);
    this.at += length;
  }

  /** A latin-1 text, which may be longer than the room for one reply. Slow: for the rare commands. */
  text(text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[this.at + i] = text.charCodeAt(i);
    this.at += text.length;
  }

  private digits(value: number, length: number): void {
    let rest = value | 0;
    for (let at = this.at + length - 1; at >= this.at; at--) {
      const quotient = (rest / 10) | 0;
      this.bytes[at] = 0x30 + rest - quotient * 10;
      rest = quotient;
    }
    this.at += length;
  }
}

/** Copies between buffers without allocating for short lengths. Source and target do not overlap. */
export function copyBytes(
  target: Uint8Array,
  targetView: DataView,
  to: number,
  source: Uint8Array,
  sourceView: DataView,
  from: number,
  length: number,
): void {
  if (length > loopBytesMax) {
    target.set(source.subarray(from, from + length), to);
    return;
  }
  const whole = length & ~3;
  let i = 0;
  for (; i + 16 <= length; i += 16) {
    targetView.setInt32(to + i, sourceView.getInt32(from + i, true), true);
    targetView.setInt32(to + i + 4, sourceView.getInt32(from + i + 4, true), true);
    targetView.setInt32(to + i + 8, sourceView.getInt32(from + i + 8, true), true);
    targetView.setInt32(to + i + 12, sourceView.getInt32(from + i + 12, true), true);
  }
  for (; i < whole; i += 4) {
    targetView.setInt32(to + i, sourceView.getInt32(from + i, true), true);
  }
  for (; i < length; i++) target[to + i] = source[from + i]!;
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** A text that is sent often: its bytes as words, the last word filled up. */
export interface Phrase {
  readonly words: Int32Array;
  readonly length: number;
}

function phrase(text: string): Phrase {
  const bytes = new Uint8Array((text.length + 3) & ~3);
  bytes.set(ascii(text));
  return { words: new Int32Array(bytes.buffer), length: text.length };
}

/** memcached's lines, as 1.6.18 writes them. */
export const lines = {
  stored: phrase('STORED\r\n'),
  notStored: phrase('NOT_STORED\r\n'),
  exists: phrase('EXISTS\r\n'),
  notFound: phrase('NOT_FOUND\r\n'),
  deleted: phrase('DELETED\r\n'),
  touched: phrase('TOUCHED\r\n'),
  ok: phrase('OK\r\n'),
  end: phrase('END\r\n'),
  reset: phrase('RESET\r\n'),
  error: phrase('ERROR\r\n'),
  version: phrase('VERSION 1.6.18\r\n'),
  badFormat: phrase('CLIENT_ERROR bad command line format\r\n'),
  badDataChunk: phrase('CLIENT_ERROR bad data chunk\r\n'),
  badDelta: phrase('CLIENT_ERROR invalid numeric delta argument\r\n'),
  nonNumeric: phrase('CLIENT_ERROR cannot increment or decrement non-numeric value\r\n'),
  badExptime: phrase('CLIENT_ERROR invalid exptime argument\r\n'),
  shutdownDisabled: phrase('ERROR: shutdown not enabled\r\n'),
  badShutdown: phrase('CLIENT_ERROR invalid shutdown mode\r\n'),
  flushDisabled: phrase('CLIENT_ERROR flush_all not allowed\r\n'),
  deleteUsage: phrase('CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n'),
  tooLarge: phrase('SERVER_ERROR object too large for cache\r\n'),
  tooFewStandbys: phrase('SERVER_ERROR fewer standbys in sync than --require-standbys\r\n'),
  outOfMemory: phrase('SERVER_ERROR out of memory storing object\r\n'),
  outOfMemoryIncr: phrase('SERVER_ERROR out of memory in incr\r\n'),
  unauthenticated: phrase('CLIENT_ERROR unauthenticated\r\n'),
  authFailure: phrase('CLIENT_ERROR authentication failure\r\n'),
  authTermination: phrase('CLIENT_ERROR bad command line termination\r\n'),
  authFormat: phrase('CLIENT_ERROR bad authentication token format\r\n'),
  tlsDisabled: phrase('Error TLS not enabled\r\n'),
  watchDisabled: phrase('CLIENT_ERROR watch commands not allowed\r\n'),
  watchPipelined: phrase('ERROR cannot pipeline other commands before watch\r\n'),
  watchersMost: phrase('WATCHER_TOO_MANY log watcher limit reached\r\n'),
  detailUsage: phrase('CLIENT_ERROR usage: stats detail on|off|dump\r\n'),
  value: phrase('VALUE '),
  crlf: phrase('\r\n'),
  metaHit: phrase('HD'),
  metaValue: phrase('VA '),
  metaMiss: phrase('EN'),
  metaNotStored: phrase('NS'),
  metaExists: phrase('EX'),
  metaNotFound: phrase('NF'),
  metaSent: phrase(' Z'),
  metaStale: phrase(' X'),
  metaWon: phrase(' W\r\n'),
  metaNoop: phrase('MN\r\n'),
  metaEnd: phrase('EN\r\n'),
  duplicateFlag: phrase('CLIENT_ERROR duplicate flag\r\n'),
  invalidFlag: phrase('CLIENT_ERROR invalid flag\r\n'),
  badFlag: phrase('CLIENT_ERROR invalid or duplicate flag\r\n'),
  flagsAreTooLong: phrase('CLIENT_ERROR options flags are too long\r\n'),
  flagsTooLong: phrase('CLIENT_ERROR options flags too long\r\n'),
  opaqueTooLong: phrase('CLIENT_ERROR opaque token too long\r\n'),
  badToken: phrase('CLIENT_ERROR bad token in command line format\r\n'),
  badKey: phrase('CLIENT_ERROR error decoding key\r\n'),
  badModeLength: phrase('CLIENT_ERROR incorrect length for M token\r\n'),
  badStoringMode: phrase('CLIENT_ERROR invalid mode for ms M token\r\n'),
  badCountingMode: phrase('CLIENT_ERROR invalid mode for ma M token\r\n'),
  badInitial: phrase('CLIENT_ERROR invalid numeric initial value\r\n'),
  badMetaDelta: phrase('CLIENT_ERROR invalid numeric delta value\r\n'),
  outOfMemoryMeta: phrase('SERVER_ERROR out of memory\r\n'),
  outOfMemoryNew: phrase('SERVER_ERROR Out of memory allocating new item\r\n'),
} as const;
