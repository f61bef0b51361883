/**
 * mg and me. A hit of mg may change the item: T its expiry, and a win (W: this client is to fetch the value anew) its
 * TOKEN_SENT bit. Each change is one publish, the expiry first: after a cut between them, no client has won yet. An
 * item made on a miss (N) is linked complete, by one publish.
 */

import { memcachedBytes } from '../../base/item-size.js';
import { keyBytesMax } from '../../base/limits.js';
import { decodeBase64, needsEncoding, putBase64 } from '../../protocol/base64.js';
import type { Line } from '../../protocol/line.js';
import { Lower, type MetaFlags, Upper } from '../../protocol/meta-flags.js';
import { ascii, lines, type Output } from '../../protocol/reply.js';
import type { Counters } from '../../stats/counters.js';
import { casHigh, casLow } from '../../store/cas.js';
import { EXPTIME, FLAGS, ItemBit, KEY_AND_BITS, VALUE_LENGTH } from '../../store/layout.js';
import { FULL, type Reservation, WAIT } from '../../store/reservation.js';
import type { Store } from '../../store/store.js';
import { absolute, type CommandParts, type Exchange } from '../execution/exchange.js';
import { type Lookahead, Row } from '../execution/lookahead.js';
import type { Observer } from '../execution/observer.js';
import { Outcome } from '../execution/request.js';
import type { Retrieving } from '../execution/retrieving.js';
import type { MetaExchange } from './exchange.js';

/** The first token that is a flag. */
const firstFlag = 2;
const base64Flag = ascii('b');

export class MetaRetrieving {
  private readonly exchange: Exchange;
  private readonly meta: MetaExchange;
  private readonly flags: MetaFlags;
  private readonly line: Line;
  private readonly store: Store;
  private readonly output: Output;
  private readonly lookahead: Lookahead;
  private readonly counters: Counters;
  private readonly observer: Observer;
  private readonly retrieving: Retrieving;
  /** The expiry of the answered item, as changed by the tokens so far. */
  private exptime = 0;
  private won = false;

  constructor(commandParts: CommandParts, meta: MetaExchange, retrieving: Retrieving) {
    this.exchange = commandParts.exchange;
    this.meta = meta;
    this.flags = meta.flags;
    this.line = commandParts.exchange.line;
    this.store = commandParts.store;
    this.output = commandParts.exchange.output;
    this.lookahead = commandParts.lookahead;
    this.counters = commandParts.counters;
    this.observer = commandParts.observer;
    this.retrieving = retrieving;
  }

  /** mg */
  get(): number {
    const { meta, flags, line } = this;
    const refusal =
      meta.check(lines.flagsAreTooLong) ??
      flags.read(line, firstFlag) ??
      (flags.opaqueTooLong ? lines.opaqueTooLong : null);
    if (refusal !== null) return this.exchange.say(refusal);
    const writes = (flags.upper & (Upper.TOUCH | Upper.VIVIFY)) !== 0;
    if (writes && this.exchange.refusesWrites) return this.exchange.say(lines.tooFewStandbys);
    const ref = meta.find();
    if (ref !== 0) {
      this.hit(ref, false, line.count);
      return Outcome.DONE;
    }
    const made = (flags.upper & Upper.VIVIFY) === 0 ? FULL : this.vivify();
    if (made === WAIT) return meta.comeAgain();
    if (made !== FULL) {
      this.hit(made, true, line.count);
      return Outcome.DONE;
    }
    this.countMiss();
    if ((flags.lower & Lower.QUIET) !== 0) return Outcome.DONE;
    this.output.put(lines.metaMiss);
    meta.putEchoes(firstFlag);
    return Outcome.DONE;
  }

  /** `mg KEY v`, which the lookahead has read. */
  plain(row: number): void {
    const { flags, line, store, output, lookahead, observer } = this;
    const at = lookahead.rows[row + Row.KEY]!;
    const length = lookahead.rows[row + Row.KEY_LENGTH]!;
    const ref = store.find(line.view, at, length, lookahead.hashOf(row));
    if (observer.on) observer.looked(line.view, at, length, ref);
    if (ref === 0) {
      this.countMiss();
      output.put(lines.metaMiss);
      output.put(lines.crlf);
      return;
    }
    flags.lower = Lower.VALUE;
    flags.upper = 0;
    this.hit(ref, false, 0);
  }

  /** me: describes an item, for people. */
  describe(): number {
    const { line, exchange, store, output, observer } = this;
    if (line.count < 2 || line.length(1) > keyBytesMax) return exchange.say(lines.badFormat);
    const at = line.start(1);
    let length = line.length(1);
    const encoded = line.count > 2 && line.is(2, base64Flag);
    if (encoded) length = decodeBase64(line.bytes, at, length);
    if (length === 0) return exchange.say(lines.badFormat);
    this.counters.cmdMeta++;
    const ref = store.find(line.view, at, length, this.lookahead.hash(at, length));
    if (observer.on) observer.looked(line.view, at, length, ref);
    if (ref === 0) return exchange.say(lines.metaEnd);
    const word = (number: number): number => store.region.itemWord(ref, number) >>> 0;
    const binary = (word(KEY_AND_BITS) & ItemBit.BINARY) !== 0;
    output.text('ME ');
    if (binary || (encoded && needsEncoding(line.bytes, at, length))) {
      putBase64(output, line.bytes, at, length);
    } else {
      output.copy(line.bytes, line.view, at, length);
    }
    const exptime = word(EXPTIME);
    const bytes = memcachedBytes(length, word(VALUE_LENGTH), word(FLAGS));
    output.text(
      ` exp=${exptime === 0 ? -1 : store.now - exptime} la=${store.secondsIdle(ref)} cas=`,
    );
    output.wide(casLow(store.region, ref), casHigh(store.region, ref));
    output.text(
      ` fetch=${store.wasFetched(ref) ? 'yes' : 'no'}` +
        ` cls=${store.slabs.classOf(ref).number} size=${bytes}\r\n`,
    );
    return Outcome.DONE;
  }

  /** Makes an empty item for the client that will fetch its value; or returns FULL or WAIT. */
  private vivify(): Reservation {
    const { line, flags, store } = this;
    const at = line.start(1);
    const length = flags.keyLength;
    const hash = this.lookahead.hash(at, length);
    const ref = store.reserve(line.view, at, length, hash, 0, 0, flags.explicit);
    if (ref === WAIT || ref === FULL) return ref;
    const touches = (flags.upper & Upper.TOUCH) !== 0 && flags.touchesLast;
    const exptime = absolute(touches ? flags.exptime : flags.vivifyExptime, store.now);
    store.commit(ref, 0, 0, exptime, ItemBit.TOKEN_SENT);
    return ref;
  }

  private countMiss(): void {
    this.retrieving.countMiss(false);
    this.counters.cmdGet++;
  }

  /** Answers an item; `made`: it was made for this request; `tokens`: the number of tokens in the line. */
  private hit(ref: number, made: boolean, tokens: number): void {
    const { flags, store, output, counters } = this;
    const { region } = store;
    const slabClass = store.slabs.classOf(ref).number;
    const bits = made ? 0 : region.itemWord(ref, KEY_AND_BITS);
    this.exptime = made ? 0 : region.itemWord(ref, EXPTIME) >>> 0;
    this.won = made;
    const showsValue = (flags.lower & Lower.VALUE) !== 0;
    if (showsValue) {
      output.put(lines.metaValue);
      output.decimal(region.itemWord(ref, VALUE_LENGTH));
    } else {
      output.put(lines.metaHit);
    }
    this.putFlags(ref, bits, made, tokens);
    this.putState(bits);
    if (showsValue) this.retrieving.putValue(ref);
    if ((flags.upper & Upper.TOUCH) === 0) {
      counters.cmdGet++;
      counters.byClass.get_hits[slabClass]!++;
    } else {
      counters.cmdTouch++;
      counters.byClass.touch_hits[slabClass]!++;
      if (!made) store.touch(ref, this.exptime);
    }
    if (this.won && !made) store.mark(ref, ItemBit.TOKEN_SENT);
    if ((flags.lower & Lower.NO_BUMP) === 0) store.hit(ref);
  }

  /** Writes the answers to the tokens, in order. A token that changes the expiry holds for the tokens behind it. */
  private putFlags(ref: number, bits: number, made: boolean, tokens: number): void {
    const { line, flags, meta } = this;
    const { region, now } = this.store;
    const { bytes } = line;
    for (let token = firstFlag; token < tokens; token++) {
      const letter = bytes[line.start(token)]!;
      switch (letter) {
        case 0x54: // T
          this.exptime = absolute(flags.exptime, now) >>> 0;
          break;
        case 0x4e: // N
          if (made) this.exptime = absolute(flags.vivifyExptime, now) >>> 0;
          break;
        case 0x52: // R
          if (!made && (bits & ItemBit.TOKEN_SENT) === 0) this.recache();
          break;
        case 0x4f: // O
          meta.putOpaque(token);
          break;
        case 0x73: // s
          meta.putNumber(letter, region.itemWord(ref, VALUE_LENGTH));
          break;
        case 0x74: // t
          meta.putTtl(this.exptime);
          break;
        case 0x66: // f
          meta.putNumber(letter, region.itemWord(ref, FLAGS) >>> 0);
          break;
        default:
          this.putRarer(letter, ref, bits);
      }
    }
  }

  private putRarer(letter: number, ref: number, bits: number): void {
    const { meta, store } = this;
    switch (letter) {
      case 0x63: // c
        meta.putCas(ref);
        break;
      case 0x68: // h
        meta.putNumber(letter, store.wasFetched(ref) ? 1 : 0);
        break;
      case 0x6b: // k
        this.putItemKey(bits);
        break;
      case 0x6c: // l
        meta.putNumber(letter, store.secondsIdle(ref));
        break;
      default:
    }
  }

  /** R: the client wins when less than this time is left of the item. */
  private recache(): void {
    const limit = absolute(this.flags.recacheExptime, this.store.now) >>> 0;
    if (this.exptime !== 0 && this.exptime < limit) this.won = true;
  }

  /** The key of the item, in base64 if it was stored so. */
  private putItemKey(bits: number): void {
    const { line, flags, meta } = this;
    const at = line.start(1);
    const { keyLength } = flags;
    const asked = (flags.lower & Lower.BASE64) !== 0;
    const encoded =
      (bits & ItemBit.BINARY) !== 0 || (asked && needsEncoding(line.bytes, at, keyLength));
    meta.putKey(line.bytes, line.view, at, keyLength, encoded);
  }

  /** Writes the server's own flags Z, X, W, and the end of the line. A stale item's first reader wins. */
  private putState(bits: number): void {
    const { output } = this;
    const sent = (bits & ItemBit.TOKEN_SENT) !== 0;
    if (sent) output.put(lines.metaSent);
    if ((bits & ItemBit.STALE) !== 0) {
      output.put(lines.metaStale);
      if (!sent) this.won = true;
    }
    output.put(this.won ? lines.metaWon : lines.crlf);
  }
}
