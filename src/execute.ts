/**
 * What each command means: from a line's tokens to a change of the store and a reply. No connection, no clock; what a
 * command needs from its connection (more keys, a value, an end) is said by the outcome.
 */
import type { Counters } from './counters.js';
import { keyBytesMax } from './limits.js';
import { Lookahead } from './lookahead.js';
import { Observer } from './observer.js';
import { Decimal } from './protocol/decimal.js';
import { Line, tokensMax } from './protocol/line.js';
import { ascii, lines, type Output, type Phrase } from './protocol/reply.js';
import { Outcome } from './request.js';
import { Retrieving } from './retrieving.js';
import { EXPTIME, FLAGS, HASH, headerBytes, KEY_AND_BITS, VALUE_LENGTH } from './store/layout.js';
import type { Store } from './store/store.js';
import { Storing } from './storing.js';

const noreply = ascii('noreply');
const zero = ascii('0');
/** Exptimes up to this are relative (30 days). */
const relativeSecondsMax = 2_592_000;

export class Executor {
  readonly line = new Line();
  readonly store: Store;
  readonly output: Output;
  readonly counters: Counters;
  readonly storing: Storing;
  readonly retrieving: Retrieving;
  readonly lookahead: Lookahead;
  readonly observer: Observer;
  /** The number that was read last. */
  readonly decimal = new Decimal();
  /** Set when the last token is `noreply`: nothing is answered. */
  quiet = false;
  private readonly mayFlush: boolean;
  private readonly scratch = new Uint8Array(32);
  private readonly scratchView = new DataView(this.scratch.buffer);

  constructor(store: Store, output: Output, counters: Counters, mayFlush: boolean) {
    this.store = store;
    this.output = output;
    this.counters = counters;
    this.mayFlush = mayFlush;
    this.observer = new Observer(store);
    this.lookahead = new Lookahead(store, this.line);
    this.storing = new Storing(this);
    this.retrieving = new Retrieving(this);
  }

  say(text: Phrase): number {
    if (!this.quiet) this.output.put(text);
    return Outcome.DONE;
  }

  /** Every command begins here: if it ends with a `noreply` it knows, nothing is answered. 0: it knows none. */
  begin(noreplyFrom: number): void {
    const last = this.line.count - 1;
    this.quiet =
      noreplyFrom > 0 && last >= noreplyFrom && last < tokensMax && this.line.is(last, noreply);
  }

  delete(): number {
    const { line, store, counters } = this;
    if (line.count > 2) {
      const hold = line.is(2, zero);
      const valid = line.count === 3 ? hold || this.quiet : hold && this.quiet;
      if (!valid) return this.say(lines.deleteUsage);
    }
    if (line.length(1) > keyBytesMax) return this.say(lines.badFormat);
    if (this.observer.on) this.observer.deletes(line.view, line.start(1), line.length(1));
    const ref = this.findKey();
    if (ref === 0) {
      counters.deleteMisses++;
      return this.say(lines.notFound);
    }
    counters.byClass.delete_hits[store.slabs.classOf(ref).number]!++;
    store.unlink(ref);
    return this.say(lines.deleted);
  }

  touch(): number {
    const { line, store, counters } = this;
    if (line.length(1) > keyBytesMax) return this.say(lines.badFormat);
    if (!this.readInteger(2)) return this.say(lines.badExptime);
    const exptime = this.absolute(this.decimal.toInt32());
    counters.cmdTouch++;
    const ref = this.findKey();
    if (ref === 0) {
      counters.touchMisses++;
      return this.say(lines.notFound);
    }
    counters.byClass.touch_hits[store.slabs.classOf(ref).number]!++;
    store.touch(ref, exptime);
    store.hit(ref);
    return this.say(lines.touched);
  }

  /** incr and decr: the new number fills the old one's length, or is longer. */
  arithmetic(increments: boolean): number {
    const { line, store, counters, decimal } = this;
    if (line.length(1) > keyBytesMax) return this.say(lines.badFormat);
    if (!this.readUnsigned(2)) return this.say(lines.badDelta);
    const deltaLow = decimal.low;
    const deltaHigh = decimal.high;
    const ref = this.findKey();
    if (ref === 0) {
      if (increments) counters.incrMisses++;
      else counters.decrMisses++;
      return this.say(lines.notFound);
    }
    const oldLength = this.word(ref, VALUE_LENGTH);
    const segment = (ref - 1) >>> store.region.segmentShift;
    const at = this.valueOffset(ref);
    if (!decimal.unsigned(store.region.bytes[segment]!, at, oldLength)) {
      return this.say(lines.nonNumeric);
    }
    const digits = this.calculate(increments, deltaLow, deltaHigh);
    const length = Math.max(digits, oldLength);
    const fresh = this.reserveLike(ref, length);
    if (fresh === 0) return this.say(lines.outOfMemoryIncr);
    const name = increments ? 'incr_hits' : 'decr_hits';
    counters.byClass[name][store.slabs.classOf(ref).number]!++;
    const target = store.region.bytes[(fresh - 1) >>> store.region.segmentShift]!;
    const to = this.valueOffset(fresh);
    target.fill(0x20, to + digits, to + length);
    for (let i = 0; i < digits; i++) target[to + i] = this.scratch[i]!;
    this.replace(fresh);
    if (!this.quiet) {
      this.output.copy(this.scratch, this.scratchView, 0, digits);
      this.output.put(lines.crlf);
    }
    return Outcome.DONE;
  }

  flush(): number {
    const { line, store, counters } = this;
    counters.cmdFlush++;
    if (!this.mayFlush) return this.say(lines.flushDisabled);
    let at = store.now;
    if (line.count > (this.quiet ? 2 : 1)) {
      if (!this.readInteger(1)) return this.say(lines.badExptime);
      at = this.absolute(this.decimal.toInt32());
    }
    store.flush(at === 0 ? store.now : at);
    return this.say(lines.ok);
  }

  /** True when a token is a number as strtoul and memcached's check for signs read it. */
  readUnsigned(token: number): boolean {
    return this.decimal.unsigned(this.line.bytes, this.line.start(token), this.line.length(token));
  }

  /** Offset of an item's value in the segment that holds it. */
  valueOffset(ref: number): number {
    return this.store.region.indexOf(ref) * 4 + headerBytes + (this.word(ref, KEY_AND_BITS) & 0xff);
  }

  readInteger(token: number): boolean {
    return this.decimal.signed(this.line.bytes, this.line.start(token), this.line.length(token));
  }

  /** memcached's realtime(): 0 never, negative past, up to 30 days relative, else absolute. */
  absolute(exptime: number): number {
    if (exptime === 0) return 0;
    if (exptime < 0) return 1;
    return exptime <= relativeSecondsMax ? this.store.now + exptime : exptime;
  }

  private findKey(): number {
    const { line, store } = this;
    const at = line.start(1);
    const length = line.length(1);
    const ref = store.find(line.view, at, length, this.lookahead.hash(at, length));
    if (this.observer.on) this.observer.looked(line.view, at, length, ref);
    return ref;
  }

  word(ref: number, word: number): number {
    const { region } = this.store;
    return region.wordsOf(ref)[region.indexOf(ref) + word]!;
  }

  /** A chunk with an item's key and room for another value; the item is not evicted for it. */
  reserveLike(ref: number, valueLength: number): number {
    const { store } = this;
    const { region } = store;
    const view = region.views[(ref - 1) >>> region.segmentShift]!;
    const index = region.indexOf(ref);
    const words = region.wordsOf(ref);
    const keyLength = words[index + KEY_AND_BITS]! & 0xff;
    const hash = words[index + HASH]!;
    return store.reserve(view, index * 4 + headerBytes, keyLength, hash, valueLength, ref);
  }

  /** Links a filled chunk in the place of the item with its key, whose flags and expiry it takes over. */
  replace(fresh: number): void {
    const old = this.store.findLike(fresh);
    this.store.commit(fresh, old, this.word(old, FLAGS), this.word(old, EXPTIME));
  }

  /** The number in `decimal` plus or minus the delta, as digits in `scratch`; returns how many. */
  private calculate(increments: boolean, deltaLow: number, deltaHigh: number): number {
    const { decimal } = this;
    let text: string;
    if (decimal.high < 0x100000 && deltaHigh < 0x100000) {
      const value = decimal.toNumber();
      const delta = deltaHigh * 4294967296 + deltaLow;
      text = String(increments ? value + delta : Math.max(0, value - delta));
    } else {
      const value = decimal.toBigInt();
      const delta = (BigInt(deltaHigh) << 32n) | BigInt(deltaLow);
      const result = increments ? (value + delta) & 0xffffffffffffffffn : value - delta;
      text = (result < 0n ? 0n : result).toString();
    }
    for (let i = 0; i < text.length; i++) this.scratch[i] = text.charCodeAt(i);
    return text.length;
  }
}
