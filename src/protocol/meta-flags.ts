/**
 * The flags of a meta command: single letters, some with a token behind them, each at most once. They are read where
 * they stand, without allocating: letters become bits, tokens become numbers. Every command knows every flag, as in
 * memcached, and ignores flags without a meaning for it.
 *
 * `O` and `k` are answered in the order in which they were asked, so the reply walks the line's tokens again.
 */
import { keyBytesMax, opaqueBytesMax } from '../base/limits.js';
import type { CasId } from '../store/cas.js';
import { decodeBase64 } from './base64.js';
import { Decimal } from './decimal.js';
import type { Line } from './line.js';
import { lines, type Phrase } from './reply.js';

/** Bits of `lower`: flags that are lower-case letters. */
export const Lower = {
  BASE64: bit('b'),
  CAS: bit('c'),
  CLIENT_FLAGS: bit('f'),
  HIT_BEFORE: bit('h'),
  KEY: bit('k'),
  LAST_ACCESS: bit('l'),
  QUIET: bit('q'),
  SIZE: bit('s'),
  TTL: bit('t'),
  NO_BUMP: bit('u'),
  VALUE: bit('v'),
  DROP_VALUE: bit('x'),
} as const;

/** Bits of `upper`: flags that are upper-case letters. */
export const Upper = {
  COMPARE: bit('C'),
  DELTA: bit('D'),
  EXPLICIT_CAS: bit('E'),
  CLIENT_FLAGS: bit('F'),
  INVALIDATE: bit('I'),
  INITIAL: bit('J'),
  MODE: bit('M'),
  VIVIFY: bit('N'),
  OPAQUE: bit('O'),
  RECACHE: bit('R'),
  TOUCH: bit('T'),
} as const;

const knownLower = Object.values(Lower).reduce((sum, one) => sum | one, 0);
/** `P` and `L` are for proxies. */
const knownUpper = Object.values(Upper).reduce((sum, one) => sum | one, bit('P') | bit('L'));
/** Flags that need only be noted. */
const plainUpper = Upper.INVALIDATE | bit('P') | bit('L');

/** The token behind the word. */
const keyToken = 1;
/** memcached's table of letters ends here. */
const letterMax = 126;

export class MetaFlags {
  /** Letters that were given: see Lower and Upper. */
  lower = 0;
  upper = 0;
  /** Length of the key; decoded, where `b` was given. */
  keyLength = 0;
  /** The byte behind `M`, 0 without. */
  mode = 0;
  /** The exptime as sent: 0, negative, relative or absolute. */
  exptime = 0;
  vivifyExptime = 0;
  recacheExptime = 0;
  /** The token of `T` stands behind that of `N`. */
  touchesLast = false;
  clientFlags = 0;
  casLow = 0;
  casHigh = 0;
  /** The CAS id that the item is to have (`E`); null: the next one. */
  explicit: CasId | null = null;
  deltaLow = 1;
  deltaHigh = 0;
  initialLow = 0;
  initialHigh = 0;
  /** True when an opaque token is longer than a reply may repeat. */
  opaqueTooLong = false;
  /** A base64 key as it was sent. */
  private readonly coded = new Uint8Array(keyBytesMax);
  private readonly decimal = new Decimal();
  private refusal: Phrase | null = null;
  private bad = false;

  /**
   * Reads the flags of a line from token `from` on. Returns null, or memcached's refusal; of several mistakes in tokens
   * it names the last. A base64 key is decoded in place.
   */
  read(line: Line, from: number): Phrase | null {
    this.clear();
    const { bytes, count } = line;
    this.keyLength = line.length(keyToken);
    for (let token = from; token < count; token++) {
      const at = line.start(token);
      const letter = bytes[at]!;
      const one = 1 << (letter & 31);
      if (letter > letterMax) return lines.duplicateFlag;
      if ((letter & 0x60) === 0x60) {
        if ((knownLower & one) === 0) return lines.invalidFlag;
        if ((this.lower & one) !== 0) return lines.duplicateFlag;
        this.lower |= one;
        if (one === Lower.BASE64) this.decodeKey(line);
      } else {
        if ((letter & 0x60) !== 0x40 || (knownUpper & one) === 0) return lines.invalidFlag;
        if ((this.upper & one) !== 0) return lines.duplicateFlag;
        this.upper |= one;
        if ((plainUpper & one) === 0) this.readToken(one, bytes, at + 1, line.length(token) - 1);
      }
    }
    return this.bad ? (this.refusal ?? lines.badFormat) : null;
  }

  private clear(): void {
    this.lower = 0;
    this.upper = 0;
    this.mode = 0;
    this.clientFlags = 0;
    this.exptime = 0;
    this.casLow = 0;
    this.casHigh = 0;
    this.explicit = null;
    this.deltaLow = 1;
    this.deltaHigh = 0;
    this.initialLow = 0;
    this.initialHigh = 0;
    this.opaqueTooLong = false;
    this.refusal = null;
    this.bad = false;
  }

  /** Undoes the decoding of a key, as the line will be read once more. */
  restoreKey(line: Line): void {
    if ((this.lower & Lower.BASE64) === 0) return;
    line.bytes.set(this.coded.subarray(0, line.length(keyToken)), line.start(keyToken));
  }

  private decodeKey(line: Line): void {
    const at = line.start(keyToken);
    for (let i = 0; i < this.keyLength; i++) this.coded[i] = line.bytes[at + i]!;
    this.keyLength = decodeBase64(line.bytes, line.start(keyToken), this.keyLength);
    if (this.keyLength === 0) this.refuse(lines.badKey);
  }

  private readToken(one: number, bytes: Uint8Array, at: number, length: number): void {
    switch (one) {
      case Upper.OPAQUE:
        this.opaqueTooLong = length + 1 > opaqueBytesMax;
        break;
      case Upper.MODE:
        if (length === 1) this.mode = bytes[at]!;
        else this.refuse(lines.badModeLength);
        break;
      case Upper.TOUCH:
      case Upper.VIVIFY:
      case Upper.RECACHE:
        this.readExptime(one, bytes, at, length);
        break;
      default:
        this.readNumber(one, bytes, at, length);
    }
  }

  private readExptime(one: number, bytes: Uint8Array, at: number, length: number): void {
    const { decimal } = this;
    if (!decimal.signed(bytes, at, length)) {
      this.refuse(lines.badToken);
      return;
    }
    const exptime = decimal.toInt32();
    if (one === Upper.TOUCH) this.exptime = exptime;
    else if (one === Upper.VIVIFY) this.vivifyExptime = exptime;
    else this.recacheExptime = exptime;
    if (one !== Upper.RECACHE) this.touchesLast = one === Upper.TOUCH;
  }

  private readNumber(one: number, bytes: Uint8Array, at: number, length: number): void {
    const { decimal } = this;
    const valid = decimal.unsigned(bytes, at, length);
    switch (one) {
      case Upper.COMPARE:
        if (!valid) this.refuse(lines.badToken);
        this.casLow = decimal.low | 0;
        this.casHigh = decimal.high | 0;
        break;
      case Upper.EXPLICIT_CAS:
        if (!valid) this.refuse(lines.badToken);
        this.explicit = { low: decimal.low | 0, high: decimal.high | 0 };
        break;
      case Upper.DELTA:
        if (!valid) this.refuse(lines.badMetaDelta);
        this.deltaLow = decimal.low;
        this.deltaHigh = decimal.high;
        break;
      case Upper.INITIAL:
        if (!valid) this.refuse(lines.badInitial);
        this.initialLow = decimal.low;
        this.initialHigh = decimal.high;
        break;
      default:
        // Client flags: memcached has no words of its own for these.
        if (!valid) this.bad = true;
        this.clientFlags = decimal.low | 0;
    }
  }

  private refuse(phrase: Phrase): void {
    this.refusal = phrase;
    this.bad = true;
  }
}

function bit(letter: string): number {
  return 1 << (letter.charCodeAt(0) & 31);
}
