/**
 * set, add, replace, append, prepend, cas. The line is checked first, then the value arrives: whole in the
 * input, or bit by bit in a chunk reserved for it.
 */

import { memcachedBytes } from '../base/itemsize.js';
import { arrivingShare, keyBytesMax, valueLengthMax } from '../base/limits.js';
import type { Line } from '../protocol/line.js';
import { copyBytes, lines, type Phrase } from '../protocol/reply.js';
import type { Counters } from '../stats/counters.js';
import { casHigh, casLow } from '../store/cas.js';
import { FLAGS, headerBytes, VALUE_LENGTH } from '../store/layout.js';
import { FULL, type Reservation, WAIT } from '../store/reservation.js';
import type { Store } from '../store/store.js';
import type { Executor } from './execute.js';
import { Row } from './lookahead.js';
import type { Observer, StoreStatus } from './observer.js';
import { isConcatenation, Outcome, StorageRequest, Verb } from './request.js';

export class Storing {
  /** The command whose line was read last. */
  readonly request = new StorageRequest();
  /** Called when values that are arriving hold too much: true when one of them gives way. */
  onCrowded: () => boolean = () => false;
  /** Bytes of values that are arriving in reserved chunks. */
  private arrivingBytes = 0;
  private readonly executor: Executor;
  private readonly line: Line;
  private readonly store: Store;
  private readonly counters: Counters;
  private readonly observer: Observer;

  constructor(executor: Executor) {
    this.executor = executor;
    this.line = executor.line;
    this.store = executor.store;
    this.counters = executor.counters;
    this.observer = executor.observer;
  }

  /** set, add, replace, append, prepend, cas: checks the line. */
  begin(verb: number): number {
    const { line, request } = this;
    const { decimal } = this.executor;
    request.ref = 0;
    request.meta = false;
    request.verb = verb;
    request.quiet = this.executor.quiet;
    if (line.length(1) > keyBytesMax) return this.executor.say(lines.badFormat);
    if (!this.executor.readUnsigned(2)) return this.executor.say(lines.badFormat);
    request.flags = decimal.low | 0;
    if (!this.executor.readInteger(3)) return this.executor.say(lines.badFormat);
    request.exptime = this.executor.absolute(decimal.toInt32());
    if (!this.executor.readInteger(4)) return this.executor.say(lines.badFormat);
    const length = decimal.toInt32();
    if (length < 0 || length > valueLengthMax) return this.executor.say(lines.badFormat);
    request.valueLength = length;
    if (verb === Verb.CAS) {
      if (!this.executor.readUnsigned(5)) return this.executor.say(lines.badFormat);
      request.casLow = decimal.low | 0;
      request.casHigh = decimal.high | 0;
    }
    request.keyAt = line.start(1);
    request.keyLength = line.length(1);
    request.hash = this.executor.lookahead.hash(request.keyAt, request.keyLength);
    return this.admit(request);
  }

  /** A set or ms that the lookahead has read, data block and all. */
  plain(row: number): number {
    const { request } = this;
    const { lookahead } = this.executor;
    const { rows } = lookahead;
    request.ref = 0;
    request.meta = rows[row + Row.META] !== 0;
    if (request.meta) this.executor.meta.storing.plain(request);
    request.verb = Verb.SET;
    request.quiet = false;
    request.flags = rows[row + Row.FLAGS]!;
    request.exptime = this.executor.absolute(rows[row + Row.EXPTIME]!);
    request.valueLength = rows[row + Row.VALUE_LENGTH]!;
    request.keyAt = rows[row + Row.KEY]!;
    request.keyLength = rows[row + Row.KEY_LENGTH]!;
    request.hash = lookahead.hashOf(row);
    return this.admit(request);
  }

  /** The line is in order: refuses a value that is too large. */
  admit(request: StorageRequest): number {
    if (this.observer.on && !request.meta) {
      this.observer.sets(this.line.view, request.keyAt, request.keyLength);
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
    this.executor.quiet = request.quiet;
    if (request.meta) {
      this.executor.meta.storing.keyStands(this.line.bytes, this.line.view, request.keyAt);
    }
    const end = at + request.valueLength;
    if (bytes[end] !== 0x0d || bytes[end + 1] !== 0x0a) {
      this.countSet(request);
      return this.executor.say(lines.badDataChunk);
    }
    if (this.concatenates(request, this.line.view, request.keyAt)) {
      const outcome = this.concatenate(request, this.line.view, request.keyAt, bytes, view, at);
      if (outcome === Outcome.DONE) this.countSet(request);
      return outcome;
    }
    const ref = this.reserve(request);
    if (ref === WAIT) return Outcome.WAIT;
    if (ref === FULL) {
      if (request.refusal !== null) this.executor.output.put(request.refusal);
      return Outcome.DONE;
    }
    this.countSet(request);
    const { region } = this.store;
    const segment = (ref - 1) >>> region.segmentShift;
    const to = this.executor.valueOffset(ref);
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

  /** Reserves the chunk for a value, and notes it in the request. FULL: the data block is swallowed, and refused. */
  private reserve(request: StorageRequest): Reservation {
    const { store, line } = this;
    this.executor.quiet = request.quiet;
    const { keyAt, keyLength, hash, valueLength } = request;
    const explicit = request.meta ? request.explicit : null;
    const ref = store.reserve(line.view, keyAt, keyLength, hash, valueLength, 0, explicit);
    if (ref === WAIT) this.comeAgain(request);
    else if (ref === FULL) this.refuse(request);
    else request.ref = ref;
    return ref;
  }

  /** As `reserve`, for a value that is not there yet: those together hold at most a share of the memory. */
  reserveArriving(request: StorageRequest): Reservation {
    const { geometry } = this.store.region;
    const limit = geometry.pageBytes * geometry.pageCount * arrivingShare;
    if (this.arrivingBytes + request.valueLength > limit) {
      if (request.valueLength <= limit && this.onCrowded()) {
        this.comeAgain(request);
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
    // Of what is added to another value there will be a copy.
    if (!isConcatenation(request.verb)) this.store.announce(request.ref, bytes);
  }

  /**
   * The value has arrived in the reserved chunk; `whole` says whether its line end was there. Returns DONE, or WAIT
   * when it must be called again in a later tick.
   */
  arrived(request: StorageRequest, whole: boolean): number {
    this.executor.quiet = request.quiet;
    const { store } = this;
    const { ref } = request;
    if (request.meta) this.executor.meta.storing.keyStandsIn(ref);
    const view = store.buckets.viewOf(ref);
    const keyAt = store.buckets.keyAt(ref);
    const adds = whole && this.concatenates(request, view, keyAt);
    if (adds) {
      const { bytes, at } = this.executor.pieceOf(ref);
      const outcome = this.concatenate(request, view, keyAt, bytes, view, at);
      if (outcome === Outcome.WAIT) return outcome;
    }
    this.arrivingBytes -= request.valueLength;
    this.countSet(request);
    if (!whole || adds) store.cancel(ref);
    else this.link(request);
    if (!whole) this.executor.say(lines.badDataChunk);
    request.ref = 0;
    return Outcome.DONE;
  }

  /** True when the value is added to one that is there, or refused because there is none. */
  private concatenates(request: StorageRequest, view: DataView, keyAt: number): boolean {
    if (!isConcatenation(request.verb)) return false;
    if (!request.meta || !request.vivifies) return true;
    return this.store.find(view, keyAt, request.keyLength, request.hash) !== 0;
  }

  /** The line will be read again, in a later tick. */
  private comeAgain(request: StorageRequest): void {
    if (request.meta) this.executor.meta.comeAgain();
  }

  private refuse(request: StorageRequest): void {
    this.counters.storeNoMemory++;
    if (this.observer.on) this.observeRefusal(request, 'no_memory');
    this.dropOld(request);
    request.refusal = request.quiet ? null : lines.outOfMemory;
  }

  /** memcached counts a set when its data block has come in, whatever becomes of it. */
  private countSet(request: StorageRequest): void {
    const bytes = headerBytes + request.keyLength + request.valueLength;
    this.counters.byClass.cmd_set[this.store.slabs.classFor(bytes)]!++;
  }

  /** memcached drops the old value when a set or any ms fails: nobody shall read what was meant to be replaced. */
  private dropOld(request: StorageRequest): void {
    if (request.verb !== Verb.SET && !request.meta) return;
    const { line, store } = this;
    const old = store.find(line.view, request.keyAt, request.keyLength, request.hash);
    if (this.observer.on) this.observer.looked(line.view, request.keyAt, request.keyLength, old);
    if (old !== 0) store.unlink(old);
  }

  /** A filled chunk takes its place, if the verb's condition holds. */
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
      if (request.meta) this.executor.meta.storing.commit(request, old);
      else store.commit(ref, old, request.flags, request.exptime);
      this.answer(request, lines.stored, ref);
    } else {
      store.cancel(ref);
      this.answer(request, refusal, 0);
    }
    request.ref = 0;
  }

  /** `stored`: the item that has been stored, 0 for none. */
  private answer(request: StorageRequest, phrase: Phrase, stored: number): void {
    if (request.meta) this.executor.meta.storing.answer(request, phrase, stored);
    else this.executor.say(phrase);
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
    const passes =
      this.hasCas(request, old) ||
      (request.meta && this.executor.meta.storing.mayInvalidate(request, old));
    counters.byClass[passes ? 'cas_hits' : 'cas_badval'][slabClass]!++;
    return passes ? null : lines.exists;
  }

  /** True when the request names the item's CAS id. */
  hasCas(request: StorageRequest, ref: number): boolean {
    const { region } = this.store;
    return casLow(region, ref) === request.casLow && casHigh(region, ref) === request.casHigh;
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
    const old = store.find(keyView, keyAt, request.keyLength, request.hash);
    if (this.observer.on) this.observer.looked(keyView, keyAt, request.keyLength, old);
    if (old === 0) {
      return this.concatenated(request, keyView, keyAt, lines.notStored, 0);
    }
    const compares = request.meta && (request.casLow | request.casHigh) !== 0;
    if (compares && !this.hasCas(request, old)) {
      return this.concatenated(request, keyView, keyAt, lines.exists, 0);
    }
    const oldLength = this.executor.word(old, VALUE_LENGTH);
    const added = request.valueLength;
    const total = oldLength + added;
    const fits = this.fits(request.keyLength, total, this.executor.word(old, FLAGS));
    const explicit = request.meta ? request.explicit : null;
    const own = this.executor.pieceOf(old);
    const other = { bytes, view, at, length: added };
    const pieces = request.verb === Verb.APPEND ? [own, other] : [other, own];
    const fresh = fits ? this.executor.copies.make(old, pieces, explicit) : FULL;
    if (fresh === WAIT) {
      // The line of a value that has arrived is not read again.
      if (request.ref === 0) this.comeAgain(request);
      return Outcome.WAIT;
    }
    if (fresh === FULL) {
      return this.concatenated(request, keyView, keyAt, lines.notStored, 0);
    }
    this.executor.replace(fresh);
    return this.concatenated(request, keyView, keyAt, lines.stored, fresh);
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
    this.answer(request, phrase, stored);
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
