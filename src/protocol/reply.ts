/**
 * Where replies are written: the transport's output buffer, without strings. The fixed lines stand below as bytes.
 */
import { replyRoomBytes } from '../limits.js';

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

  /** A fixed line or word. */
  put(text: Uint8Array): void {
    const bytes = this.bytes;
    const at = this.at;
    for (let i = 0; i < text.length; i++) bytes[at + i] = text[i]!;
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
    let length = 1;
    for (let limit = 10; value >= limit; limit *= 10) length++;
    this.digits(value, length);
  }

  /** `length` bytes that stand at `from` in `source`. */
  copy(source: Uint8Array, view: DataView, from: number, length: number): void {
    copyBytes(this.bytes, this.view, this.at, source, view, from, length);
    this.at += length;
  }

  /** A latin-1 text that may be longer than the room for one reply; the rare commands' way. */
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
  for (let i = 0; i < whole; i += 4) {
    targetView.setInt32(to + i, sourceView.getInt32(from + i, true), true);
  }
  for (let i = whole; i < length; i++) target[to + i] = source[from + i]!;
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}

/** memcached's lines, as 1.6.18 writes them. */
export const lines = {
  stored: ascii('STORED\r\n'),
  notStored: ascii('NOT_STORED\r\n'),
  exists: ascii('EXISTS\r\n'),
  notFound: ascii('NOT_FOUND\r\n'),
  deleted: ascii('DELETED\r\n'),
  touched: ascii('TOUCHED\r\n'),
  ok: ascii('OK\r\n'),
  end: ascii('END\r\n'),
  reset: ascii('RESET\r\n'),
  error: ascii('ERROR\r\n'),
  version: ascii('VERSION 1.6.18\r\n'),
  badFormat: ascii('CLIENT_ERROR bad command line format\r\n'),
  badDataChunk: ascii('CLIENT_ERROR bad data chunk\r\n'),
  badDelta: ascii('CLIENT_ERROR invalid numeric delta argument\r\n'),
  nonNumeric: ascii('CLIENT_ERROR cannot increment or decrement non-numeric value\r\n'),
  badExptime: ascii('CLIENT_ERROR invalid exptime argument\r\n'),
  flushDisabled: ascii('CLIENT_ERROR flush_all not allowed\r\n'),
  deleteUsage: ascii('CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n'),
  tooLarge: ascii('SERVER_ERROR object too large for cache\r\n'),
  outOfMemory: ascii('SERVER_ERROR out of memory storing object\r\n'),
  outOfMemoryIncr: ascii('SERVER_ERROR out of memory in incr\r\n'),
  value: ascii('VALUE '),
  crlf: ascii('\r\n'),
} as const;
