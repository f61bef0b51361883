/**
 * Numbers as C's strtol and strtoul read them, as memcached's limits rest on these: leading white space and a sign are
 * allowed, digits end at the end of the token or at white space, and 64 bits wrap as they do in C.
 */

export const Parsed = { OK: 0, NOT_A_NUMBER: 1, OUT_OF_RANGE: 2 } as const;

/** Numbers of this many digits fit in 31 bits. */
const plainDigitsMost = 9;

export class Decimal {
  /** The magnitude modulo 2^64 as two u32. */
  low = 0;
  high = 0;
  negative = false;

  /** Reads bytes[at, at+length); the result is in the fields when it returns OK. */
  parse(bytes: Uint8Array, at: number, length: number): number {
    if (length <= plainDigitsMost && this.plain(bytes, at, length)) return Parsed.OK;
    const end = at + length;
    let i = at;
    while (i < end && isSpace(bytes[i]!)) i++;
    const sign = i < end ? bytes[i]! : 0;
    this.negative = sign === 0x2d;
    if (this.negative || sign === 0x2b) i++;
    const first = i;
    let value = 0;
    let high = 0;
    let overflow = false;
    for (; i < end; i++) {
      const digit = bytes[i]! - 0x30;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      if (value >= 4294967296 || high !== 0) {
        const carry = Math.floor(value / 4294967296);
        value -= carry * 4294967296;
        high = high * 10 + carry;
        if (high >= 4294967296) overflow = true;
      }
    }
    if (i === first || (i < end && !isEnd(bytes[i]!))) return Parsed.NOT_A_NUMBER;
    if (overflow) return Parsed.OUT_OF_RANGE;
    this.low = value;
    this.high = high;
    return Parsed.OK;
  }

  /** The fast way, for few digits and nothing else: nearly all numbers. */
  private plain(bytes: Uint8Array, at: number, length: number): boolean {
    let value = 0;
    for (let i = at; i < at + length; i++) {
      const digit = bytes[i]! - 0x30;
      if (digit < 0 || digit > 9) return false;
      value = value * 10 + digit;
    }
    this.low = value;
    this.high = 0;
    this.negative = false;
    return length > 0;
  }

  /** True when the token is an acceptable u64: strtoul, and a check for a sign only where the value looks negative. */
  unsigned(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.parse(bytes, at, length) !== Parsed.OK) return false;
    if (!this.negative) return true;
    this.negate();
    return this.high < 0x80000000;
  }

  /** True when the token is an acceptable i64, by strtol; `toInt32` has its low bits. */
  signed(bytes: Uint8Array, at: number, length: number): boolean {
    if (this.parse(bytes, at, length) !== Parsed.OK) return false;
    const tooLarge = this.high >= 0x80000000;
    return !tooLarge || (this.negative && this.high === 0x80000000 && this.low === 0);
  }

  /** The low 32 bits of a signed number. */
  toInt32(): number {
    return this.negative ? -this.low | 0 : this.low | 0;
  }

  /** The magnitude, where it is known to be below 2^53. */
  toNumber(): number {
    return this.high * 4294967296 + this.low;
  }

  toBigInt(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }

  private negate(): void {
    this.low = -this.low >>> 0;
    this.high = (this.low === 0 ? -this.high : ~this.high) >>> 0;
  }
}

/** The bytes that may stand behind the digits: white space, or the NUL that ends a C string. */
function isEnd(byte: number): boolean {
  return byte === 0 || isSpace(byte);
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}
