/**
 * set, add, replace, append, prepend, cas. The line is checked first, then the value arrives: whole in the input, or in
 * parts in a chunk reserved for it.
 */

import { memcachedBytes } from '../../base/item-size.js';
import { arrivingShare, keyBytesMax, valueLengthMax } from '../../base/limits.js';
import type { Line } from '../../protocol/line.js';
import { copyBytes, lines, type Phrase } from '../../protocol/reply.js';
import type { Counters } from '../../stats/counters.js';
import { hasCas } from '../../store/cas.js';
import { EXPTIME, FLAGS, headerBytes, VALUE_LENGTH } from '../../store/layout.js';
import { FULL, type Reservation, WAIT } from '../../store/reservation.js';
import type { Store } from '../../store/store.js';
import { absolute, type CommandParts, type Exchange } from './exchange.js';
import { type LargeCopies, pieceOf } from './large-copy.js';
import { type Lookahead, Row } from './lookahead.js';
import type { Observer, StoreStatus } from './observer.js';
import { isConcatenation, Outcome, type StorageDialect, StorageRequest, Verb } from './request.js';

export class Storing {
  /** The command whose line was read last. */
  readonly request: StorageRequest;
  /** Called when arriving values hold too much memory: true when one of them gives way. */
  onCrowded: () => boolean = () => false;
  /** Bytes of values that are arriving in reserved chunks. */
  private arrivingBytes = 0;
  private readonly exchange: Exchange;
  private readonly line: Line;
  private readonly store: Store;
  private readonly lookahead: Lookahead;
  private readonly copies: LargeCopies;
  private readonly classic: StorageDialect;
  private readonly meta: StorageDialect;
  private readonly counters: Counters;
  private readonly observer: Observer;

  constructor(
    commandParts: CommandParts,
    copies: LargeCopies,
    classic: StorageDialect,
    meta: StorageDialect,
  ) {
    this.exchange = commandParts.exchange;
    this.line = commandParts.exchange.line;
    this.store = commandParts.store;
    this.lookahead = commandParts.lookahead;
    this.counters = commandParts.counters;
    this.observer = commandParts.observer;
    this.copies = copies;
    this.classic = classic;
    this.meta = meta;
    this.request = new StorageRequest(classic);
  }

  /** set, add, replace, append, prepend, cas: checks the line. */
  begin(verb: number): number {
    const { line, request, exchange } = this;
    const { decimal } = exchange;
    request.dialect = this.classic;
    request.dialect.clear(request);
    request.ref = 0;
    request.verb = verb;
    request.quiet = exchange.quiet;
    if (line.length(1) > keyBytesMax) return exchange.say(lines.badFormat);
    if (!exchange.readUnsigned(2)) return exchange.say(lines.badFormat);
    request.flags = decimal.low | 0;
    if (!exchange.readInteger(3)) return exchange.say(lines.badFormat);
    request.exptime = absolute(decimal.toInt32(), this.store.now);
    if (!exchange.readInteger(4)) return exchange.say(lines.badFormat);
    const length = decimal.toInt32();
    if (length < 0 || length > valueLengthMax) return exchange.say(lines.badFormat);
    request.valueLength = length;
    if (verb === Verb.CAS) {
      if (!exchange.readUnsigned(5)) return exchange.say(lines.badFormat);
      request.casLow = decimal.low | 0;
      request.casHigh = decimal.high | 0;
    }
    request.keyAt = line.start(1);
    request.keyLength = line.length(1);
    request.hash = this.lookahead.hash(request.keyAt, request.keyLength);
    return this.admit(request);
  }

  /** A set or ms that the lookahead has read, data block and all. */
  plain(row: number): number {
    const { request, lookahead } = this;
    const { rows } = lookahead;
    request.dialect = rows[row + Row.META] === 0 ? this.classic : this.meta;
    request.dialect.clear(request);
    request.ref = 0;
    request.verb = Verb.SET;
    request.quiet = false;
    request.flags = rows[row + Row.FLAGS]!;
    request.exptime = absolute(rows[row + Row.EXPTIME]!, this.store.now);
    request.valueLength = rows[row + Row.VALUE_LENGTH]!;
    request.keyAt = rows[row + Row.KEY]!;
    request.keyLength = rows[row + Row.KEY_LENGTH]!;
    request.hash = lookahead.hashOf(row);
    return this.admit(request);
  }

  /** Called once the line is in order: refuses a value that is too large. */
  admit(request: StorageRequest): number {
    if (this.observer.on && request.dialect.countsPrefixes) {
      this.observer.sets(this.line.view, request.keyAt, request.keyLength);
    }
    if (this.exchange.refusesWrites) {
      request.refusal = request.quiet ? null : lines.tooFewStandbys;
      return Outcome.SWALLOW;
    }
    if (this.fits(request.keyLength, request.valueLength, request.flags)) return Outcome.VALUE;
    this.counters.storeTooLarge++;
    if (this.observer.on) this.observeRefusal(request, 'too_large');
    this.dropOld(request);
    request.refusal = request.quiet ? null : lines.tooLarge;
    return Outcome.SWALLOW;
  }

  /** The whole data block stands in the input at `at`. Returns DONE, or WAIT. */
  whole(request: StorageRequest, bytes: Uint8Array, view: DataView, at: number): number {
    this.exchange.quiet = request.quiet;
    request.dialect.keyStands(this.line.bytes, this.line.view, request.keyAt);
    const end = at + request.valueLength;
    if (bytes[end] !== 0x0d || bytes[end + 1] !== 0x0a) {
      this.countSet(request);
      return this.exchange.say(lines.badDataChunk);
    }
    if (this.concatenates(request, this.line.view, request.keyAt)) {
      const outcome = this.concatenate(request, this.line.view, request.keyAt, bytes, view, at);
      if (outcome === Outcome.DONE) this.countSet(request);
      return outcome;
    }
    const ref = this.reserve(request);
    if (ref === WAIT) return Outcome.WAIT;
    if (ref === FULL) {
      if (request.refusal !== null) this.exchange.output.put(request.refusal);
      return Outcome.DONE;
    }
    this.countSet(request);
    const { region } = this.store;
    const segment = (ref - 1) >>> region.segmentShift;
    const to = region.valueOffset(ref);
    copyBytes(
      region.bytes[segment]!,
      region.views[segment]!,
      to,
      bytes,
      view,
      at,
      request.valueLength,
    );
    this.link(request);
    return Outcome.DONE;
  }

  /**
   * Reserves the chunk for a value, and notes it in the request. After FULL the data block is thrown away, and the
   * command refused.
   */
  private reserve(request: StorageRequest): Reservation {
    const { store, line } = this;
    this.exchange.quiet = request.quiet;
    const { keyAt, keyLength, hash, valueLength, explicit } = request;
    const ref = store.reserve(line.view, keyAt, keyLength, hash, valueLength, 0, explicit);
    if (ref === WAIT) request.dialect.comeAgain();
    else if (ref === FULL) this.refuse(request);
    else request.ref = ref;
    return ref;
  }

  /**
   * Reserves as `reserve` does, for a value that has not arrived: such values together hold at most a share of the
   * memory.
   */
  reserveArriving(request: StorageRequest): Reservation {
    const { geometry } = this.store.region;
    const limit = geometry.pageBytes * geometry.pageCount * arrivingShare;
    if (this.arrivingBytes + request.valueLength > limit) {
      if (request.valueLength <= limit && this.onCrowded()) {
        request.dialect.comeAgain();
        return WAIT;
      }
      this.refuse(request);
      return FULL;
    }
    const ref = this.reserve(request);
    if (ref !== WAIT && ref !== FULL) this.arrivingBytes += request.valueLength;
    return ref;
  }

  /** The value will not arrive: its connection is gone. */
  abandon(request: StorageRequest): void {
    if (request.ref === 0) return;
    this.arrivingBytes -= request.valueLength;
    this.store.cancel(request.ref);
    request.ref = 0;
  }

  /** The first `bytes` of a value that arrives are in its chunk. */
  partArrived(request: StorageRequest, bytes: number): void {
    // A value that is added to another will be copied, so it need not be mirrored here.
    if (!isConcatenation(request.verb)) this.store.announce(request.ref, bytes);
  }

  /**
   * The value has arrived in the reserved chunk; `whole` says whether its line end was there. Returns DONE, or WAIT
   * when it must be called again in a later tick.
   */
  arrived(request: StorageRequest, whole: boolean): number {
    this.exchange.quiet = request.quiet;
    const { store } = this;
    const { region, buckets } = store;
    const { ref } = request;
    if (this.exchange.refusesWrites) {
      this.abandon(request);
      return this.exchange.say(lines.tooFewStandbys);
    }
    const view = buckets.viewOf(ref);
    const keyAt = buckets.keyAt(ref);
    request.dialect.keyStands(region.bytes[(ref - 1) >>> region.segmentShift]!, view, keyAt);
    const adds = whole && this.concatenates(request, view, keyAt);
    if (adds) {
      const { bytes, at } = pieceOf(region, ref);
      const outcome = this.concatenate(request, view, keyAt, bytes, view, at);
      if (outcome === Outcome.WAIT) return outcome;
    }
    this.arrivingBytes -= request.valueLength;
    this.countSet(request);
    if (!whole || adds) store.cancel(ref);
    else this.link(request);
    if (!whole) this.exchange.say(lines.badDataChunk);
    request.ref = 0;
    return Outcome.DONE;
  }

  /** True when the value is added to an item's, or refused for want of an item. */
  private concatenates(request: StorageRequest, view: DataView, keyAt: number): boolean {
    if (!isConcatenation(request.verb)) return false;
    if (!request.vivifies) return true;
    return this.store.find(view, keyAt, request.keyLength, request.hash) !== 0;
  }

  private refuse(request: StorageRequest): void {
    this.counters.storeNoMemory++;
    if (this.observer.on) this.observeRefusal(request, 'no_memory');
    this.dropOld(request);
    request.refusal = request.quiet ? null : lines.outOfMemory;
  }

  /** memcached counts a set once its data block has come, even if it then fails. */
  private countSet(request: StorageRequest): void {
    const bytes = headerBytes + request.keyLength + request.valueLength;
    this.counters.byClass.cmd_set[this.store.slabs.classFor(bytes)]!++;
  }

  /** memcached drops the old value when a set or any ms fails: nobody shall read a value that was to be replaced. */
  private dropOld(request: StorageRequest): void {
    if (request.verb !== Verb.SET && !request.dialect.alwaysDrops) return;
    const { line, store } = this;
    const old = store.find(line.view, request.keyAt, request.keyLength, request.hash);
    if (this.observer.on) this.observer.looked(line.view, request.keyAt, request.keyLength, old);
    if (old !== 0) store.unlink(old);
  }

  /** Puts a filled chunk in its place, if the verb's condition holds. */
  private link(request: StorageRequest): void {
    const { store } = this;
    const { ref, verb } = request;
    const old = store.findLike(ref);
    let refusal: Phrase | null = null;
    if (verb === Verb.ADD && old !== 0) refusal = lines.notStored;
    else if (verb === Verb.REPLACE && old === 0) refusal = lines.notStored;
    else if (verb === Verb.CAS) refusal = this.compare(request, old);
    if (this.observer.on) this.observeStore(request, ref, old, refusal);
    if (refusal === null) {
      request.dialect.commit(request, old);
      request.dialect.answer(request, lines.stored, ref);
    } else {
      store.cancel(ref);
      request.dialect.answer(request, refusal, 0);
    }
    request.ref = 0;
  }

  private observeStore(
    request: StorageRequest,
    ref: number,
    old: number,
    refusal: Phrase | null,
  ): void {
    const { region } = this.store;
    const view = region.views[(ref - 1) >>> region.segmentShift]!;
    const at = region.indexOf(ref) * 4 + headerBytes;
    this.observer.looked(view, at, request.keyLength, old);
    const { keyLength, verb, exptime } = request;
    this.observer.stored(view, at, keyLength, statusOf(refusal), verb, exptime, ref);
  }

  private observeRefusal(request: StorageRequest, status: StoreStatus): void {
    const { keyAt, keyLength, verb, exptime } = request;
    this.observer.stored(this.line.view, keyAt, keyLength, status, verb, exptime, 0);
  }

  private compare(request: StorageRequest, old: number): Phrase | null {
    const { counters, store } = this;
    if (old === 0) {
      counters.casMisses++;
      return lines.notFound;
    }
    const slabClass = store.slabs.classOf(old).number;
    const passes = this.names(request, old) || request.dialect.mayInvalidate(request, old);
    counters.byClass[passes ? 'cas_hits' : 'cas_badval'][slabClass]!++;
    return passes ? null : lines.exists;
  }

  /** True when the request names the item's CAS id. */
  private names(request: StorageRequest, ref: number): boolean {
    return hasCas(this.store.region, ref, request.casLow, request.casHigh);
  }

  /** append and prepend: a new chunk with both values, flags and expiry of the old one. Returns DONE, or WAIT. */
  private concatenate(
    request: StorageRequest,
    keyView: DataView,
    keyAt: number,
    bytes: Uint8Array,
    view: DataView,
    at: number,
  ): number {
    const { store } = this;
    const { region } = store;
    const old = store.find(keyView, keyAt, request.keyLength, request.hash);
    if (this.observer.on) this.observer.looked(keyView, keyAt, request.keyLength, old);
    if (old === 0) {
      return this.concatenated(request, keyView, keyAt, lines.notStored, 0);
    }
    const compares = (request.casLow | request.casHigh) !== 0;
    if (compares && !this.names(request, old)) {
      return this.concatenated(request, keyView, keyAt, lines.exists, 0);
    }
    const added = request.valueLength;
    const total = region.itemWord(old, VALUE_LENGTH) + added;
    const fits = this.fits(request.keyLength, total, region.itemWord(old, FLAGS));
    const own = pieceOf(region, old);
    const other = { bytes, view, at, length: added };
    const pieces = request.verb === Verb.APPEND ? [own, other] : [other, own];
    const fresh = fits ? this.copies.make(old, pieces, request.explicit) : FULL;
    if (fresh === WAIT) {
      // Only a line whose value stands in the input is read again.
      if (request.ref === 0) request.dialect.comeAgain();
      return Outcome.WAIT;
    }
    if (fresh === FULL) {
      return this.concatenated(request, keyView, keyAt, lines.notStored, 0);
    }
    this.replace(fresh);
    return this.concatenated(request, keyView, keyAt, lines.stored, fresh);
  }

  /**
   * Links a filled chunk as a new item in the place of the item with its key, and with that item's flags and expiry.
   */
  private replace(fresh: number): void {
    const { store } = this;
    const { region } = store;
    const old = store.findLike(fresh);
    store.commit(fresh, old, region.itemWord(old, FLAGS), region.itemWord(old, EXPTIME));
  }

  /** The key stands in `view` at `at`; `stored`: the item that has been stored, 0 for none. */
  private concatenated(
    request: StorageRequest,
    view: DataView,
    at: number,
    phrase: Phrase,
    stored: number,
  ): number {
    if (this.observer.on) {
      const status = statusOf(stored === 0 ? phrase : null);
      this.observer.stored(view, at, request.keyLength, status, request.verb, 0, stored);
    }
    request.dialect.answer(request, phrase, stored);
    return Outcome.DONE;
  }

  /** True when memcached would store an item of this size under the same -I. */
  private fits(keyLength: number, valueLength: number, flags: number): boolean {
    const bytes = memcachedBytes(keyLength, valueLength, flags);
    return bytes <= this.store.region.geometry.itemBytesMax;
  }
}

function statusOf(refusal: Phrase | null): StoreStatus {
  if (refusal === null) return 'stored';
  if (refusal === lines.exists) return 'exists';
  return refusal === lines.notFound ? 'not_found' : 'not_stored';
}
