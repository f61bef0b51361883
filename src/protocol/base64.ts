/**
 * Base64 as memcached reads and writes it: letters outside the alphabet are skipped, the others must come in fours, and
 * `=` ends it. Decoding happens in place, as the result is never longer than its source.
 */
import type { Output } from './reply.js';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const PADDING = 0x3d;
const skipped = 0x80;
const encoding = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
const decoding = new Uint8Array(256).fill(skipped);
encoding.forEach((letter, value) => {
  decoding[letter] = value;
});
decoding[PADDING] = 0;

/** Decodes `bytes[at, at + length)` in place; returns the number of bytes made, 0 when it is not base64. */
export function decodeBase64(bytes: Uint8Array, at: number, length: number): number {
  const end = at + length;
  let count = 0;
  for (let i = at; i < end; i++) if (decoding[bytes[i]!] !== skipped) count++;
  if (count % 4 !== 0) return 0;
  let to = at;
  let four = 0;
  let inFour = 0;
  let padding = 0;
  for (let i = at; i < end; i++) {
    const value = decoding[bytes[i]!]!;
    if (value === skipped) continue;
    if (bytes[i] === PADDING) padding++;
    four = (four << 6) | value;
    if (++inFour < 4) continue;
    bytes[to++] = four >>> 16;
    bytes[to++] = four >>> 8;
    bytes[to++] = four;
    if (padding > 0) break;
    four = 0;
    inFour = 0;
  }
  return padding > 2 ? 0 : to - at - padding;
}

/** Writes `bytes[at, at + length)` in base64. */
export function putBase64(output: Output, bytes: Uint8Array, at: number, length: number): void {
  for (let done = 0; done < length; done += 3) {
    const left = length - done;
    const first = bytes[at + done]!;
    const second = left > 1 ? bytes[at + done + 1]! : 0;
    const third = left > 2 ? bytes[at + done + 2]! : 0;
    output.byte(encoding[first >>> 2]!);
    output.byte(encoding[((first & 3) << 4) | (second >>> 4)]!);
    output.byte(left > 1 ? encoding[((second & 15) << 2) | (third >>> 6)]! : PADDING);
    output.byte(left > 2 ? encoding[third & 63]! : PADDING);
  }
}

/** True when a key cannot stand in a line as it is: a space, a line end or a NUL would cut it. */
export function needsEncoding(bytes: Uint8Array, at: number, length: number): boolean {
  for (let i = at; i < at + length; i++) {
    const byte = bytes[i]!;
    if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0) return true;
  }
  return false;
}
