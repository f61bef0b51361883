/**
 * HalfSipHash-1-3 (Aumasson and Bernstein's SipHash with 32-bit words; https://github.com/veorq/SipHash). Keyed with a
 * random seed per region, so that a client, who sees only replies, cannot choose keys that share a bucket.
 */

/** Hash of `view[at, at+length)` under the key (low, high), as i32. Reads up to 3 bytes past the end. */
export function hashOf(
  view: DataView,
  at: number,
  length: number,
  low: number,
  high: number,
): number {
  let a = low;
  let b = high;
  let c = 0x6c796765 ^ low;
  let d = 0x74656462 ^ high;
  const whole = at + (length & ~3);
  // The last word holds the remaining bytes and, at its top, the length; then the finalization's three rounds.
  const rest = length & 3;
  const tail = rest === 0 ? 0 : view.getInt32(whole, true) & ((1 << (rest * 8)) - 1);
  const last = (length << 24) | tail;
  for (let i = at; i <= whole; i += 4) {
    const word = i < whole ? view.getInt32(i, true) : last;
    d ^= word;
    a = (a + b) | 0;
    b = ((b << 5) | (b >>> 27)) ^ a;
    a = (a << 16) | (a >>> 16);
    c = (c + d) | 0;
    d = ((d << 8) | (d >>> 24)) ^ c;
    a = (a + d) | 0;
    d = ((d << 7) | (d >>> 25)) ^ a;
    c = (c + b) | 0;
    b = ((b << 13) | (b >>> 19)) ^ c;
    c = (c << 16) | (c >>> 16);
    a ^= word;
  }
  c ^= 0xff;
  for (let round = 0; round < 3; round++) {
    a = (a + b) | 0;
    b = ((b << 5) | (b >>> 27)) ^ a;
    a = (a << 16) | (a >>> 16);
    c = (c + d) | 0;
    d = ((d << 8) | (d >>> 24)) ^ c;
    a = (a + d) | 0;
    d = ((d << 7) | (d >>> 25)) ^ a;
    c = (c + b) | 0;
    b = ((b << 13) | (b >>> 19)) ^ c;
    c = (c << 16) | (c >>> 16);
  }
  return b ^ d;
}
