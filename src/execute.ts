/**
 * What each command means: from a line's tokens to a change of the store and a reply. No connection, no clock; what a
 * command needs from its connection (more keys, a value, an end) is said by the outcome.
 */
import type { Counters } from './counters.js';
import { keyBytesMax, referenceBytesLeast, valueLengthMax } from './limits.js';
import { Decimal } from './protocol/decimal.js';
import { Line, tokensMax } from './protocol/line.js';
import { ascii, copyBytes, lines, type Output } from './protocol/reply.js';
import {
  CAS_HIGH,
  CAS_LOW,
  EXPTIME,
  FLAGS,
  HASH,
  headerBytes,
  KEY_AND_BITS,
  VALUE_LENGTH,
} from './store/layout.js';
import { Miss, type Store } from './store/store.js';

/** What the session has to do after a command. */
export const Outcome = {
  DONE: 0,
  /** Close the connection when its replies are sent. */
  CLOSE: 1,
  /** `request` describes an item whose value follows. */
  VALUE: 2,
  /** The data block that follows (`request.valueLength` and its line end) is not wanted. */
  SWALLOW: 3,
  /** Keys follow: `retrieve` answers them. */
  KEYS: 4,
} as const;

export const Verb = { SET: 0, ADD: 1, REPLACE: 2, APPEND: 3, PREPEND: 4, CAS: 5 } as const;

/** A storage command whose value is arriving. */
export class StorageRequest {
  verb: number = Verb.SET;
  quiet = false;
  flags = 0;
  /** Absolute Unix seconds; 0 = never. */
  exptime = 0;
  casLow = 0;
  casHigh = 0;
  valueLength = 0;
  keyAt = 0;
  keyLength = 0;
  hash = 0;
  /** The chunk reserved for it, 0 before. */
  ref = 0;

  assign(other: StorageRequest): void {
    Object.assign(this, other);
  }
}

/** A retrieval command whose keys are being answered. */
export class Retrieval {
  withCas = false;
  touches = false;
  exptime = 0;
}

const noreply = ascii('noreply');
const zero = ascii('0');
/** Exptimes up to this are relative (30 days). */
const relativeSecondsMax = 2_592_000;
/** memcached's item header with its CAS id, its key's NUL and its value's line end: what -I counts beside key and value. */
const memcachedOverheadBytes = 59;
/** And the client flags, where they are not zero. */
const memcachedFlagsBytes = 4;

export class Executor {
  readonly line = new Line();
  readonly request = new StorageRequest();
  readonly store: Store;
  readonly output: Output;
  readonly counters: Counters;
  /** Set when the last token is `noreply`: nothing is answered. */
  private quiet = false;
  private readonly decimal = new Decimal();
  private readonly scratch = new Uint8Array(32);
  private readonly scratchView = new DataView(this.scratch.buffer);

  constructor(store: Store, output: Output, counters: Counters) {
    this.store = store;
    this.output = output;
    this.counters = counters;
  }

  say(text: Uint8Array): number {
    if (!this.quiet) this.output.put(text);
    return Outcome.DONE;
  }

  /** Every command begins here: if it knows `noreply` and ends with it, nothing is answered. */
  begin(knowsNoreply: boolean): void {
    const last = this.line.count - 1;
    this.quiet = knowsNoreply && last > 0 && last < tokensMax && this.line.is(last, noreply);
  }

  get isQuiet(): boolean {
    return this.quiet;
  }

  /** get, gets, gat, gats: checks the line; the keys are answered by `retrieve`. */
  retrieval(retrieval: Retrieval, withCas: boolean, touches: boolean): number {
    const { line } = this;
    retrieval.withCas = withCas;
    retrieval.touches = touches;
    if (line.longest > keyBytesMax) return this.say(lines.badFormat);
    if (touches) {
      if (!this.readInteger(1)) return this.say(lines.badExptime);
      retrieval.exptime = this.absolute(this.decimal.toInt32());
    }
    return Outcome.KEYS;
  }

  /** Answers one key. Its bytes stand in the line's buffer. */
  retrieve(retrieval: Retrieval, at: number, length: number): void {
    const { store, output, counters } = this;
    const { bytes, view } = this.line;
    counters.cmdGet++;
    if (retrieval.touches) counters.cmdTouch++;
    const ref = store.find(view, at, length, store.hash(view, at, length));
    if (ref === 0) {
      counters.getMisses++;
      if (store.miss === Miss.EXPIRED) counters.getExpired++;
      else if (store.miss === Miss.FLUSHED) counters.getFlushed++;
      if (retrieval.touches) counters.touchMisses++;
      return;
    }
    const slabClass = store.slabs.classOf(ref).number;
    counters.byClass.get_hits[slabClass]!++;
    if (retrieval.touches) {
      counters.byClass.touch_hits[slabClass]!++;
      store.touch(ref, retrieval.exptime);
    }
    store.hit(ref);
    output.put(lines.value);
    output.copy(bytes, view, at, length);
    this.putItem(ref, retrieval.withCas);
  }

  /** set, add, replace, append, prepend, cas: checks the line. */
  storage(verb: number): number {
    const { line, request, decimal } = this;
    request.ref = 0;
    request.verb = verb;
    request.quiet = this.quiet;
    if (line.length(1) > keyBytesMax) return this.say(lines.badFormat);
    if (!this.readUnsigned(2)) return this.say(lines.badFormat);
    request.flags = decimal.low | 0;
    if (!this.readInteger(3)) return this.say(lines.badFormat);
    request.exptime = this.absolute(decimal.toInt32());
    if (!this.readInteger(4)) return this.say(lines.badFormat);
    const length = decimal.toInt32();
    if (length < 0 || length > valueLengthMax) return this.say(lines.badFormat);
    request.valueLength = length;
    if (verb === Verb.CAS) {
      if (!this.readUnsigned(5)) return this.say(lines.badFormat);
      request.casLow = decimal.low | 0;
      request.casHigh = decimal.high | 0;
    }
    request.keyAt = line.start(1);
    request.keyLength = line.length(1);
    request.hash = this.store.hash(line.view, request.keyAt, request.keyLength);
    if (this.fits(request.keyLength, length, request.flags)) return Outcome.VALUE;
    this.counters.storeTooLarge++;
    this.dropOld(request);
    this.say(lines.tooLarge);
    return Outcome.SWALLOW;
  }

  /** The whole data block stands in the input at `at`. */
  storeWhole(request: StorageRequest, bytes: Uint8Array, view: DataView, at: number): void {
    this.quiet = request.quiet;
    const end = at + request.valueLength;
    if (bytes[end] !== 0x0d || bytes[end + 1] !== 0x0a) {
      this.say(lines.badDataChunk);
      return;
    }
    if (request.verb === Verb.APPEND || request.verb === Verb.PREPEND) {
      this.concatenate(request, this.line.view, request.keyAt, bytes, view, at);
      return;
    }
    if (!this.reserve(request)) return;
    const { region } = this.store;
    const segment = (request.ref - 1) >>> region.segmentShift;
    const to = this.valueOffset(request.ref);
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
  }

  /** Reserves the chunk for a value; false, and the reply, when memory is full. The data block must be swallowed then. */
  reserve(request: StorageRequest): boolean {
    const { store, line } = this;
    this.quiet = request.quiet;
    const { keyAt, keyLength, hash, valueLength } = request;
    request.ref = store.reserve(line.view, keyAt, keyLength, hash, valueLength, 0);
    if (request.ref !== 0) return true;
    this.counters.storeNoMemory++;
    this.dropOld(request);
    this.say(lines.outOfMemory);
    return false;
  }

  /** The value has arrived in the reserved chunk; `whole` says whether its line end was there. */
  arrived(request: StorageRequest, whole: boolean): void {
    this.quiet = request.quiet;
    const { store } = this;
    if (!whole) {
      store.cancel(request.ref);
      this.say(lines.badDataChunk);
    } else if (request.verb === Verb.APPEND || request.verb === Verb.PREPEND) {
      const { region } = store;
      const segment = (request.ref - 1) >>> region.segmentShift;
      const view = region.views[segment]!;
      const keyAt = region.indexOf(request.ref) * 4 + headerBytes;
      const at = this.valueOffset(request.ref);
      this.concatenate(request, view, keyAt, region.bytes[segment]!, view, at);
      store.cancel(request.ref);
    } else {
      this.link(request);
    }
    request.ref = 0;
  }

  delete(): number {
    const { line, store, counters } = this;
    if (line.count > 2) {
      const hold = line.is(2, zero);
      const valid = line.count === 3 ? hold || this.quiet : hold && this.quiet;
      if (!valid) return this.say(lines.deleteUsage);
    }
    if (line.length(1) > keyBytesMax) return this.say(lines.badFormat);
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

  /** The number read last, as u32. */
  get number(): number {
    return this.decimal.low;
  }

  /** Offset of an item's value in the segment that holds it. */
  valueOffset(ref: number): number {
    return this.store.region.indexOf(ref) * 4 + headerBytes + (this.word(ref, KEY_AND_BITS) & 0xff);
  }

  /** True when memcached would store an item of this size under the same -I. */
  private fits(keyLength: number, valueLength: number, flags: number): boolean {
    const bytes =
      memcachedOverheadBytes + keyLength + valueLength + (flags === 0 ? 0 : memcachedFlagsBytes);
    return bytes <= this.store.region.geometry.itemBytesMax;
  }

  private readInteger(token: number): boolean {
    return this.decimal.signed(this.line.bytes, this.line.start(token), this.line.length(token));
  }

  /** memcached's realtime(): 0 never, negative past, up to 30 days relative, else absolute. */
  private absolute(exptime: number): number {
    if (exptime === 0) return 0;
    if (exptime < 0) return 1;
    return exptime <= relativeSecondsMax ? this.store.now + exptime : exptime;
  }

  private findKey(): number {
    const { line, store } = this;
    const at = line.start(1);
    const length = line.length(1);
    return store.find(line.view, at, length, store.hash(line.view, at, length));
  }

  private word(ref: number, word: number): number {
    const { region } = this.store;
    return region.wordsOf(ref)[region.indexOf(ref) + word]!;
  }

  /** ` flags length[ cas]`, the value, and the line ends. */
  private putItem(ref: number, withCas: boolean): void {
    const { output } = this;
    const { region } = this.store;
    const words = region.wordsOf(ref);
    const index = region.indexOf(ref);
    const length = words[index + VALUE_LENGTH]!;
    output.byte(0x20);
    output.decimal(words[index + FLAGS]! >>> 0);
    output.byte(0x20);
    output.decimal(length);
    if (withCas) {
      output.byte(0x20);
      output.decimal(
        (words[index + CAS_LOW]! >>> 0) + (words[index + CAS_HIGH]! >>> 0) * 4294967296,
      );
    }
    output.put(lines.crlf);
    const segment = (ref - 1) >>> region.segmentShift;
    const from = index * 4 + headerBytes + (words[index + KEY_AND_BITS]! & 0xff);
    if (length < referenceBytesLeast) {
      output.copy(region.bytes[segment]!, region.views[segment]!, from, length);
    } else {
      this.store.slabs.pin(ref);
      output.onReference(segment, from, length, ref);
    }
    output.put(lines.crlf);
  }

  /** memcached drops the old value of a set that fails, so that nobody reads what was meant to be replaced. */
  private dropOld(request: StorageRequest): void {
    if (request.verb !== Verb.SET) return;
    const { line, store } = this;
    const old = store.find(line.view, request.keyAt, request.keyLength, request.hash);
    if (old !== 0) store.unlink(old);
  }

  /** A filled chunk takes its place, if the verb's condition holds. */
  private link(request: StorageRequest): void {
    const { store, counters } = this;
    const { ref, verb } = request;
    const slabClass = store.slabs.classOf(ref).number;
    counters.byClass.cmd_set[slabClass]!++;
    const old = store.findLike(ref);
    let refusal: Uint8Array | null = null;
    if (verb === Verb.ADD && old !== 0) refusal = lines.notStored;
    else if (verb === Verb.REPLACE && old === 0) refusal = lines.notStored;
    else if (verb === Verb.CAS) refusal = this.compare(request, old);
    if (refusal === null) {
      store.commit(ref, old, request.flags, request.exptime);
      this.say(lines.stored);
    } else {
      store.cancel(ref);
      this.say(refusal);
    }
    request.ref = 0;
  }

  private compare(request: StorageRequest, old: number): Uint8Array | null {
    const { counters, store } = this;
    if (old === 0) {
      counters.casMisses++;
      return lines.notFound;
    }
    const slabClass = store.slabs.classOf(old).number;
    const same =
      this.word(old, CAS_LOW) === request.casLow && this.word(old, CAS_HIGH) === request.casHigh;
    counters.byClass[same ? 'cas_hits' : 'cas_badval'][slabClass]!++;
    return same ? null : lines.exists;
  }

  /** append and prepend: a new chunk with both values, flags and expiry of the old one. */
  private concatenate(
    request: StorageRequest,
    keyView: DataView,
    keyAt: number,
    bytes: Uint8Array,
    view: DataView,
    at: number,
  ): void {
    const { store, counters } = this;
    const old = store.find(keyView, keyAt, request.keyLength, request.hash);
    if (old === 0) {
      this.say(lines.notStored);
      return;
    }
    const oldLength = this.word(old, VALUE_LENGTH);
    const added = request.valueLength;
    const total = oldLength + added;
    const fits = this.fits(request.keyLength, total, this.word(old, FLAGS));
    const fresh = fits ? this.reserveLike(old, total) : 0;
    if (fresh === 0) {
      this.say(lines.notStored);
      return;
    }
    counters.byClass.cmd_set[store.slabs.classOf(fresh).number]!++;
    const { region } = store;
    const oldSegment = (old - 1) >>> region.segmentShift;
    const segment = (fresh - 1) >>> region.segmentShift;
    const target = region.bytes[segment]!;
    const targetView = region.views[segment]!;
    const to = this.valueOffset(fresh);
    const appends = request.verb === Verb.APPEND;
    const oldBytes = region.bytes[oldSegment]!;
    const oldView = region.views[oldSegment]!;
    const oldTo = appends ? to : to + added;
    copyBytes(target, targetView, oldTo, oldBytes, oldView, this.valueOffset(old), oldLength);
    copyBytes(target, targetView, appends ? to + oldLength : to, bytes, view, at, added);
    this.replace(fresh);
    this.say(lines.stored);
  }

  /** A chunk with an item's key and room for another value; the item is not evicted for it. */
  private reserveLike(ref: number, valueLength: number): number {
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
  private replace(fresh: number): void {
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
