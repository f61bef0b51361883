/** Numbers that are kept as decimal text: incr and decr, and their part in `ma`. */

import { chunkBytesRegularMax, keyBytesMax } from '../../base/limits.js';
import { lines } from '../../protocol/reply.js';
import type { Counters } from '../../stats/counters.js';
import type { CasId } from '../../store/cas.js';
import {
  EXPTIME,
  FLAGS,
  ItemBit,
  KEY_AND_BITS,
  keyLengthMask,
  VALUE_LENGTH,
} from '../../store/layout.js';
import { FULL, type Reservation, WAIT } from '../../store/reservation.js';
import type { Store } from '../../store/store.js';
import type { CommandParts, Exchange } from './exchange.js';
import type { Lookahead } from './lookahead.js';
import type { Observer } from './observer.js';
import { Outcome } from './request.js';

export class Arithmetic {
  /** Digits of the last calculated number; `length` counts them. */
  readonly digits = new Uint8Array(32);
  readonly digitsView = new DataView(this.digits.buffer);
  length = 0;
  private readonly exchange: Exchange;
  private readonly store: Store;
  private readonly lookahead: Lookahead;
  private readonly counters: Counters;
  private readonly observer: Observer;

  constructor({ exchange, store, lookahead, counters, observer }: CommandParts) {
    this.exchange = exchange;
    this.store = store;
    this.lookahead = lookahead;
    this.counters = counters;
    this.observer = observer;
  }

  /** incr and decr. */
  run(increments: boolean): number {
    const { exchange, store, observer } = this;
    const { line, decimal } = exchange;
    if (line.length(1) > keyBytesMax) return exchange.say(lines.badFormat);
    if (!exchange.readUnsigned(2)) return exchange.say(lines.badDelta);
    if (exchange.refusesWrites) return exchange.say(lines.tooFewStandbys);
    const deltaLow = decimal.low;
    const deltaHigh = decimal.high;
    const at = line.start(1);
    const keyLength = line.length(1);
    const hash = this.lookahead.hash(at, keyLength);
    const ref = store.find(line.view, at, keyLength, hash);
    if (observer.on) observer.looked(line.view, at, keyLength, ref);
    if (ref === 0) {
      this.countMiss(increments);
      return exchange.say(lines.notFound);
    }
    if (!this.calculate(ref, increments, deltaLow, deltaHigh)) {
      return exchange.say(lines.nonNumeric);
    }
    const exptime = store.region.itemWord(ref, EXPTIME);
    const fresh = this.replace(ref, increments, exptime);
    if (fresh === WAIT) return Outcome.WAIT;
    if (fresh === FULL) return exchange.say(lines.outOfMemoryIncr);
    if (!exchange.quiet) {
      this.putDigits();
      exchange.output.put(lines.crlf);
    }
    return Outcome.DONE;
  }

  countMiss(increments: boolean): void {
    const { counters } = this;
    if (increments) counters.incrMisses++;
    else counters.decrMisses++;
  }

  /** An item's number plus or minus the delta, into `digits`; false when the item holds no number. */
  calculate(ref: number, increments: boolean, deltaLow: number, deltaHigh: number): boolean {
    const { decimal } = this.exchange;
    const { region } = this.store;
    const bytes = region.bytes[(ref - 1) >>> region.segmentShift]!;
    const at = region.valueOffset(ref);
    const length = region.itemWord(ref, VALUE_LENGTH);
    // As in memcached, where a larger item is several chunks, it cannot be a number.
    if (length > chunkBytesRegularMax) return false;
    if (!decimal.unsigned(bytes, at, length)) return false;
    if (decimal.high < 0x100000 && deltaHigh < 0x100000) {
      const value = decimal.toNumber();
      const delta = deltaHigh * 4294967296 + deltaLow;
      this.set(String(increments ? value + delta : Math.max(0, value - delta)));
    } else {
      const value = decimal.toBigInt();
      const delta = wide(deltaLow, deltaHigh);
      const result = increments ? (value + delta) & 0xffffffffffffffffn : value - delta;
      this.set((result < 0n ? 0n : result).toString());
    }
    return true;
  }

  /** Puts a number into `digits`. */
  setNumber(low: number, high: number): void {
    this.set(high === 0 ? String(low) : wide(low, high).toString());
  }

  /**
   * Puts a chunk with the digits in an item's place; returns it, or FULL or WAIT. As in memcached, digits that fit into
   * the old value's length fill it, and the item stays the same, stale or not; a longer value makes a new item.
   * `explicit` is the CAS id that a client chose.
   */
  replace(
    ref: number,
    increments: boolean,
    exptime: number,
    explicit: CasId | null = null,
  ): Reservation {
    const { store, counters } = this;
    const { region } = store;
    const oldLength = region.itemWord(ref, VALUE_LENGTH);
    const length = Math.max(this.length, oldLength);
    const fresh = store.reserveLike(ref, length, explicit);
    if (fresh === WAIT || fresh === FULL) return fresh;
    const name = increments ? 'incr_hits' : 'decr_hits';
    counters.byClass[name][store.slabs.classOf(ref).number]!++;
    this.fill(fresh, length);
    const old = store.findLike(fresh);
    const flags = region.itemWord(old, FLAGS);
    if (length === oldLength) {
      const bits = region.itemWord(old, KEY_AND_BITS) & ~(keyLengthMask | ItemBit.EXPLICIT);
      store.amend(fresh, old, flags, exptime, bits, store.recencyOf(old, true));
    } else {
      store.commit(fresh, old, flags, exptime);
    }
    return fresh;
  }

  /** Writes the digits and, behind them, blanks as a chunk's value of this length. */
  fill(ref: number, length: number): void {
    const { region } = this.store;
    const target = region.bytes[(ref - 1) >>> region.segmentShift]!;
    const to = region.valueOffset(ref);
    target.fill(0x20, to + this.length, to + length);
    for (let i = 0; i < this.length; i++) target[to + i] = this.digits[i]!;
  }

  putDigits(): void {
    this.exchange.output.copy(this.digits, this.digitsView, 0, this.length);
  }

  private set(text: string): void {
    for (let i = 0; i < text.length; i++) this.digits[i] = text.charCodeAt(i);
    this.length = text.length;
  }
}

function wide(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}
