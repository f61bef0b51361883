/**
 * md and ma. Each gives an item a new CAS id, and that is larger than a word: the command therefore changes a copy, and
 * publishes it in the old item's place (docs/decisions/invalidation.md).
 */

import type { Line } from '../../protocol/line.js';
import { Lower, type MetaFlags, Upper } from '../../protocol/meta-flags.js';
import { lines, type Output, type Phrase } from '../../protocol/reply.js';
import type { Counters } from '../../stats/counters.js';
import { casHigh, casLow } from '../../store/cas.js';
import { EXPTIME, FLAGS, ItemBit, KEY_AND_BITS, VALUE_LENGTH } from '../../store/layout.js';
import { FULL, WAIT } from '../../store/reservation.js';
import type { Store } from '../../store/store.js';
import type { Arithmetic } from '../execution/arithmetic.js';
import { absolute, type CommandParts, type Exchange } from '../execution/exchange.js';
import { type LargeCopies, pieceOf } from '../execution/large-copy.js';
import type { Lookahead } from '../execution/lookahead.js';
import type { Observer } from '../execution/observer.js';
import { Outcome, Verb } from '../execution/request.js';
import type { MetaExchange } from './exchange.js';

/** The first token that is a flag. */
const firstFlag = 2;

export class MetaChanging {
  private readonly exchange: Exchange;
  private readonly meta: MetaExchange;
  private readonly flags: MetaFlags;
  private readonly line: Line;
  private readonly store: Store;
  private readonly output: Output;
  private readonly lookahead: Lookahead;
  private readonly counters: Counters;
  private readonly observer: Observer;
  private readonly arithmetic: Arithmetic;
  private readonly copies: LargeCopies;

  constructor(
    commandParts: CommandParts,
    meta: MetaExchange,
    arithmetic: Arithmetic,
    copies: LargeCopies,
  ) {
    this.exchange = commandParts.exchange;
    this.meta = meta;
    this.flags = meta.flags;
    this.line = commandParts.exchange.line;
    this.store = commandParts.store;
    this.output = commandParts.exchange.output;
    this.lookahead = commandParts.lookahead;
    this.counters = commandParts.counters;
    this.observer = commandParts.observer;
    this.arithmetic = arithmetic;
    this.copies = copies;
  }

  /** md: deletes, or with I marks as stale, or with x drops the value and keeps the item. */
  delete(): number {
    const { meta, flags, store, exchange, counters, observer } = this;
    const refusal = this.begin();
    if (refusal !== null) return exchange.say(refusal);
    if (flags.opaqueTooLong) return exchange.say(lines.opaqueTooLong);
    const ref = meta.find();
    if (ref === 0 || !meta.comparesWell(ref)) {
      counters.deleteMisses++;
      return this.answer(ref === 0 ? lines.metaNotFound : lines.metaExists);
    }
    const invalidates = (flags.upper & Upper.INVALIDATE) !== 0;
    const { number } = store.slabs.classOf(ref);
    if (observer.on && !invalidates) observer.deleted(ref, 'md');
    let done = true;
    if ((flags.lower & Lower.DROP_VALUE) !== 0) done = this.empty(ref, invalidates);
    else if (invalidates) done = this.invalidate(ref);
    else store.unlink(ref);
    if (!done) return meta.comeAgain();
    if (!invalidates) counters.byClass.delete_hits[number]!++;
    if ((flags.lower & Lower.QUIET) !== 0) return Outcome.DONE;
    return this.answer(lines.metaHit);
  }

  /** ma: adds or subtracts, or with N makes a missing number. */
  count(): number {
    const { meta, flags, exchange, store, arithmetic } = this;
    const { region, now } = store;
    const refusal = this.begin();
    if (refusal !== null) return exchange.say(refusal);
    const increments = incrementsFor(flags.mode);
    if (increments === null) return exchange.say(lines.badCountingMode);
    if (flags.opaqueTooLong) return exchange.say(lines.opaqueTooLong);
    const ref = meta.find();
    if (ref === 0) {
      if ((flags.upper & Upper.VIVIFY) !== 0) return this.vivify();
      arithmetic.countMiss(increments);
      return this.answer(lines.metaNotFound);
    }
    // memcached looks at other texts only when the ids are the same.
    if (region.itemWord(ref, VALUE_LENGTH) === 0) return exchange.say(lines.nonNumeric);
    // C0 is no comparison.
    const compares = (flags.casLow | flags.casHigh) !== 0;
    if (compares && !meta.comparesWell(ref)) return this.answer(lines.metaExists);
    if (!arithmetic.calculate(ref, increments, flags.deltaLow, flags.deltaHigh)) {
      return exchange.say(lines.nonNumeric);
    }
    const before = region.itemWord(ref, EXPTIME) >>> 0;
    const touches = (flags.upper & Upper.TOUCH) !== 0;
    const after = touches ? absolute(flags.exptime, now) : before;
    const fresh = arithmetic.replace(ref, increments, after, flags.explicit);
    if (fresh === WAIT) return meta.comeAgain();
    if (fresh === FULL) return exchange.say(lines.outOfMemoryMeta);
    if ((flags.lower & Lower.QUIET) === 0) this.putNumber(fresh, before, false);
    return Outcome.DONE;
  }

  /** Reads the flags; returns the phrase of a refusal, or null. */
  private begin(): Phrase | null {
    const refusal = this.meta.check(lines.flagsTooLong);
    if (refusal !== null) return refusal;
    if (this.flags.read(this.line, firstFlag) !== null) return lines.badFlag;
    return this.exchange.refusesWrites ? lines.tooFewStandbys : null;
  }

  /** Answers without an item: the result, and the parts that the request wants repeated. */
  private answer(result: Phrase): number {
    this.output.put(result);
    this.meta.putEchoes(firstFlag);
    return Outcome.DONE;
  }

  /**
   * Replaces the item by itself with a new CAS id, stale and not yet won. Without room for the copy the item is
   * deleted: the client wants its value used no more, and must expect evictions anyway. False: the command must wait.
   */
  private invalidate(ref: number): boolean {
    const { store, flags } = this;
    const { region, now } = store;
    const fresh = this.copies.make(ref, [pieceOf(region, ref)], flags.explicit);
    if (fresh === WAIT) return false;
    if (fresh === FULL) {
      store.unlink(ref);
      return true;
    }
    const old = store.findLike(fresh);
    const touches = (flags.upper & Upper.TOUCH) !== 0;
    const exptime = touches ? absolute(flags.exptime, now) : region.itemWord(old, EXPTIME);
    const binary = region.itemWord(old, KEY_AND_BITS) & ItemBit.BINARY;
    const recency = store.recencyOf(old, false);
    const bits = binary | ItemBit.STALE;
    store.amend(fresh, old, region.itemWord(old, FLAGS), exptime, bits, recency);
    return true;
  }

  /**
   * Replaces an item by one without a value, with the client flags and the expiry of the request, and with the old CAS
   * id, unless the request gives another or makes the item stale. Without room the item is deleted, as above; false:
   * the command must wait.
   */
  private empty(ref: number, stale: boolean): boolean {
    const { store, flags } = this;
    const { region } = store;
    const kept = stale ? null : { low: casLow(region, ref), high: casHigh(region, ref) };
    const fresh = store.reserveLike(ref, 0, flags.explicit ?? kept);
    if (fresh === WAIT) return false;
    if (fresh === FULL) {
      store.unlink(ref);
      return true;
    }
    const touches = (flags.upper & Upper.TOUCH) !== 0;
    const exptime = touches ? absolute(flags.exptime, store.now) : 0;
    const old = store.findLike(fresh);
    const binary = region.itemWord(old, KEY_AND_BITS) & ItemBit.BINARY;
    const bits = stale ? binary | ItemBit.STALE : binary;
    store.commit(fresh, old, flags.clientFlags, exptime, bits);
    return true;
  }

  /** Makes a missing number. It is answered even with q, as in memcached. */
  private vivify(): number {
    const { line, flags, store, exchange, observer, arithmetic } = this;
    arithmetic.setNumber(flags.initialLow, flags.initialHigh);
    const at = line.start(1);
    const { keyLength } = flags;
    const hash = this.lookahead.hash(at, keyLength);
    const { length } = arithmetic;
    const ref = store.reserve(line.view, at, keyLength, hash, length, 0, flags.explicit);
    if (ref === WAIT) return this.meta.comeAgain();
    if (ref === FULL) return exchange.say(lines.outOfMemoryNew);
    arithmetic.fill(ref, length);
    const touches = (flags.upper & Upper.TOUCH) !== 0 && flags.touchesLast;
    const exptime = absolute(touches ? flags.exptime : flags.vivifyExptime, store.now);
    if (observer.on) {
      observer.looked(line.view, at, keyLength, 0);
      observer.stored(line.view, at, keyLength, 'stored', Verb.ADD, exptime, ref);
    }
    store.commit(ref, 0, 0, exptime);
    this.putNumber(ref, 0, true);
    return Outcome.DONE;
  }

  /** Answers with an item, whose expiry was `exptime` before the tokens; `made`: it was made for this request. */
  private putNumber(ref: number, exptime: number, made: boolean): void {
    const { line, flags, meta, output, arithmetic } = this;
    const { now } = this.store;
    const { bytes, count } = line;
    const showsValue = (flags.lower & Lower.VALUE) !== 0;
    output.put(showsValue ? lines.metaValue : lines.metaHit);
    if (showsValue) output.decimal(arithmetic.length);
    let left = exptime;
    for (let token = firstFlag; token < count; token++) {
      const letter = bytes[line.start(token)]!;
      if (letter === 0x63)
        meta.putCas(ref); // c
      else if (letter === 0x74)
        meta.putTtl(left); // t
      else if (letter === 0x54)
        left = absolute(flags.exptime, now) >>> 0; // T
      else if (letter === 0x4e && made)
        left = absolute(flags.vivifyExptime, now) >>> 0; // N
      else if (letter === 0x4f)
        meta.putOpaque(token); // O
      else if (letter === 0x6b) meta.putRequestKey(); // k
    }
    output.put(lines.crlf);
    if (!showsValue) return;
    arithmetic.putDigits();
    output.put(lines.crlf);
  }
}

/** True to add, false to subtract, null for an unknown mode. */
function incrementsFor(mode: number): boolean | null {
  switch (mode) {
    case 0:
    case 0x49: // I
    case 0x2b: // +
      return true;
    case 0x44: // D
    case 0x2d: // -
      return false;
    default:
      return null;
  }
}
