/**
 * What each command means: from a line's tokens to a change of the store and a reply. No connection, no clock; what a
 * command needs from its connection (more keys, a value, an end) is said by the outcome.
 */

import { keyBytesMax } from '../base/limits.js';
import { Decimal } from '../protocol/decimal.js';
import { Line, tokensMax } from '../protocol/line.js';
import { ascii, lines, type Output, type Phrase } from '../protocol/reply.js';
import type { Counters } from '../stats/counters.js';
import type { CasId } from '../store/cas.js';
import {
  EXPTIME,
  FLAGS,
  HASH,
  headerBytes,
  KEY_AND_BITS,
  keyLengthMask,
  VALUE_LENGTH,
} from '../store/layout.js';
import type { Reservation } from '../store/reservation.js';
import type { Store } from '../store/store.js';
import { Upkeep } from '../store/upkeep.js';
import { Administration } from './administration.js';
import { Arithmetic } from './arithmetic.js';
import { LargeCopies, type Piece } from './large-copy.js';
import { Lookahead } from './lookahead.js';
import { Meta } from './meta/meta.js';
import { Observer } from './observer.js';
import { Outcome } from './request.js';
import { Retrieving } from './retrieving.js';
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
  readonly arithmetic: Arithmetic;
  readonly meta: Meta;
  readonly lookahead: Lookahead;
  readonly upkeep: Upkeep;
  readonly administration: Administration;
  readonly observer: Observer;
  readonly copies = new LargeCopies(this);
  /** The number that was read last. */
  readonly decimal = new Decimal();
  /** Set when the last token is `noreply`: nothing is answered. */
  quiet = false;
  private readonly mayFlush: boolean;

  constructor(store: Store, output: Output, counters: Counters, mayFlush: boolean) {
    this.store = store;
    this.output = output;
    this.counters = counters;
    this.mayFlush = mayFlush;
    this.observer = new Observer(store);
    this.lookahead = new Lookahead(store, this.line);
    this.storing = new Storing(this);
    this.retrieving = new Retrieving(this);
    this.arithmetic = new Arithmetic(this);
    this.meta = new Meta(this);
    this.upkeep = new Upkeep(store);
    this.administration = new Administration(this);
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
    if (this.observer.on) this.observer.deleted(ref, 'delete');
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

  flush(): number {
    const { line, store, counters } = this;
    counters.cmdFlush++;
    if (!this.mayFlush) return this.say(lines.flushDisabled);
    let at = store.now;
    if (line.count > (this.quiet ? 2 : 1)) {
      if (!this.readInteger(1)) return this.say(lines.badExptime);
      at = this.absolute(this.decimal.toInt32());
    }
    // memcached's delay ends a second early: `flush_all 1` is at once.
    store.flush(at === 0 ? store.now : at - 1);
    return this.say(lines.ok);
  }

  /** True when a token is a number as strtoul and memcached's check for signs read it. */
  readUnsigned(token: number): boolean {
    return this.decimal.unsigned(this.line.bytes, this.line.start(token), this.line.length(token));
  }

  /** Offset of an item's value in the segment that holds it. */
  valueOffset(ref: number): number {
    return (
      this.store.region.indexOf(ref) * 4 +
      headerBytes +
      (this.word(ref, KEY_AND_BITS) & keyLengthMask)
    );
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

  /** The value of an item, where it stands. */
  pieceOf(ref: number): Piece {
    const { region } = this.store;
    const segment = (ref - 1) >>> region.segmentShift;
    const bytes = region.bytes[segment]!;
    const view = region.views[segment]!;
    return { bytes, view, at: this.valueOffset(ref), length: this.word(ref, VALUE_LENGTH) };
  }

  /** A chunk with an item's key and room for another value; the item is not evicted for it. */
  reserveLike(ref: number, valueLength: number, explicit: CasId | null = null): Reservation {
    const { store } = this;
    const { region } = store;
    const view = region.views[(ref - 1) >>> region.segmentShift]!;
    const index = region.indexOf(ref);
    const words = region.wordsOf(ref);
    const keyLength = words[index + KEY_AND_BITS]! & keyLengthMask;
    const hash = words[index + HASH]!;
    const keyAt = index * 4 + headerBytes;
    return store.reserve(view, keyAt, keyLength, hash, valueLength, ref, explicit);
  }

  /** Links a filled chunk as a new item in the place of the one with its key, with that one's flags and expiry. */
  replace(fresh: number): void {
    const old = this.store.findLike(fresh);
    this.store.commit(fresh, old, this.word(old, FLAGS), this.word(old, EXPTIME));
  }
}
