/**
 * ms: the line is checked here; its value takes the same way as a set's (commands/storing.ts). What the answer repeats
 * is kept in the request, because the line may be gone when the value has arrived.
 */

import { valueLengthMax } from '../../base/limits.js';
import { Lower, type MetaFlags, Upper } from '../../protocol/metaflags.js';
import { lines, type Phrase } from '../../protocol/reply.js';
import { casHigh, casLow } from '../../store/cas.js';
import { EXPTIME, headerBytes, ItemBit, KEY_AND_BITS, VALUE_LENGTH } from '../../store/layout.js';
import type { Executor } from '../execute.js';
import { Echo, echoBits, isConcatenation, Outcome, type StorageRequest, Verb } from '../request.js';
import type { Meta } from './meta.js';

const SPACE = 0x20;
const LETTER_C = 0x63;
const LETTER_S = 0x73;
/** The lowest echo of those that are left. */
const echoMask = 2 ** echoBits - 1;
/** The first token that is a flag: behind the key and the length. */
const firstFlag = 3;

export class MetaStoring {
  private readonly executor: Executor;
  private readonly meta: Meta;
  private readonly flags: MetaFlags;
  /** Where the key of the command that is carried out stands. */
  private keyBytes: Uint8Array;
  private keyView: DataView;
  private keyAt = 0;

  constructor(executor: Executor, meta: Meta) {
    this.executor = executor;
    this.meta = meta;
    this.flags = meta.flags;
    this.keyBytes = executor.line.bytes;
    this.keyView = executor.line.view;
  }

  /** Checks the line. What is wrong before the length is known is answered, and the value is taken for commands. */
  begin(): number {
    const { executor, meta, flags } = this;
    const { line, storing } = executor;
    const { request } = storing;
    const refusal = line.count === 2 ? lines.badFormat : meta.check(lines.flagsTooLong);
    if (refusal !== null) return executor.say(refusal);
    if (!executor.readInteger(2)) return executor.say(lines.badFormat);
    const length = executor.decimal.toInt32();
    if (length < 0 || length > valueLengthMax) return executor.say(lines.badFormat);
    request.ref = 0;
    request.meta = true;
    request.quiet = false;
    request.valueLength = length;
    request.refusal = flags.read(line, firstFlag) ?? this.setVerb(request);
    if (request.refusal === null && flags.opaqueTooLong) request.refusal = lines.opaqueTooLong;
    if (request.refusal !== null) return Outcome.SWALLOW;
    request.flags = flags.clientFlags;
    request.vivifies = isConcatenation(request.verb) && (flags.upper & Upper.VIVIFY) !== 0;
    const exptime = request.vivifies ? flags.vivifyExptime : flags.exptime;
    request.exptime = executor.absolute(exptime);
    request.explicit = flags.explicit;
    request.hidesSuccess = (flags.lower & Lower.QUIET) !== 0;
    request.bits = (flags.lower & Lower.BASE64) === 0 ? 0 : ItemBit.BINARY;
    this.noteEchoes(request);
    request.keyAt = line.start(1);
    request.keyLength = flags.keyLength;
    request.hash = executor.lookahead.hash(request.keyAt, request.keyLength);
    return storing.admit(request);
  }

  /** An ms without flags, which the lookahead has read: it has nothing of the one before. */
  plain(request: StorageRequest): void {
    this.flags.lower = 0;
    request.hidesSuccess = false;
    request.invalidates = false;
    request.vivifies = false;
    request.explicit = null;
    request.bits = 0;
    request.echoes = 0;
  }

  keyStands(bytes: Uint8Array, view: DataView, at: number): void {
    this.keyBytes = bytes;
    this.keyView = view;
    this.keyAt = at;
  }

  keyStandsIn(ref: number): void {
    const { region } = this.executor.store;
    const segment = (ref - 1) >>> region.segmentShift;
    const at = region.indexOf(ref) * 4 + headerBytes;
    this.keyStands(region.bytes[segment]!, region.views[segment]!, at);
  }

  /** True when a CAS id that is too low stores a stale value (I). */
  mayInvalidate(request: StorageRequest, old: number): boolean {
    if (!request.invalidates) return false;
    const { region } = this.executor.store;
    const high = casHigh(region, old) >>> 0;
    const wanted = request.casHigh >>> 0;
    if (wanted !== high) return wanted < high;
    return request.casLow >>> 0 < casLow(region, old) >>> 0;
  }

  /** Links the filled chunk. What invalidates the old item keeps its expiry, and who won it. */
  commit(request: StorageRequest, old: number): void {
    const { store, storing } = this.executor;
    const { ref, flags, exptime, bits } = request;
    if (!request.invalidates || storing.hasCas(request, old)) {
      store.commit(ref, old, flags, exptime, bits);
      return;
    }
    const sent = this.executor.word(old, KEY_AND_BITS) & ItemBit.TOKEN_SENT;
    const left = this.executor.word(old, EXPTIME);
    store.commit(ref, old, flags, left, bits | ItemBit.STALE | sent);
  }

  /** Answers as set would have answered `phrase`; `stored`: the item that has been stored, 0 for none. */
  answer(request: StorageRequest, phrase: Phrase, stored: number): void {
    if (stored !== 0 && request.hidesSuccess) return;
    const { meta } = this;
    const { output } = this.executor;
    output.put(stored !== 0 ? lines.metaHit : resultOf(phrase));
    for (let { echoes } = request; echoes !== 0; echoes >>>= echoBits) {
      switch (echoes & echoMask) {
        case Echo.OPAQUE:
          output.byte(SPACE);
          request.putOpaque(output);
          break;
        case Echo.KEY: {
          const encoded = (request.bits & ItemBit.BINARY) !== 0;
          meta.putKey(this.keyBytes, this.keyView, this.keyAt, request.keyLength, encoded);
          break;
        }
        case Echo.SIZE: {
          const { valueLength } = request;
          const size = stored === 0 ? valueLength : this.executor.word(stored, VALUE_LENGTH);
          meta.putNumber(LETTER_S, size);
          break;
        }
        default:
          if (stored === 0) meta.putNumber(LETTER_C, 0);
          else meta.putCas(stored);
      }
    }
    output.put(lines.crlf);
  }

  /** The verb that the mode and the CAS id make; returns what must be answered instead, or null. */
  private setVerb(request: StorageRequest): Phrase | null {
    const { flags } = this;
    const verb = verbFor(flags.mode);
    if (verb < 0) return lines.badStoringMode;
    const compares = (flags.upper & Upper.COMPARE) !== 0;
    const compared = compares && (verb === Verb.SET || verb === Verb.REPLACE);
    request.verb = compared ? Verb.CAS : verb;
    request.casLow = flags.casLow;
    request.casHigh = flags.casHigh;
    const named = (flags.casLow | flags.casHigh) !== 0;
    request.invalidates = compared && named && (flags.upper & Upper.INVALIDATE) !== 0;
    return null;
  }

  private noteEchoes(request: StorageRequest): void {
    const { line } = this.executor;
    const { bytes, count } = line;
    let echoes = 0;
    let shift = 0;
    for (let token = firstFlag; token < count; token++) {
      const at = line.start(token);
      const letter = bytes[at]!;
      let echo = 0;
      if (letter === 0x6b) echo = Echo.KEY;
      else if (letter === LETTER_C) echo = Echo.CAS;
      else if (letter === LETTER_S) echo = Echo.SIZE;
      else if (letter === 0x4f) {
        echo = Echo.OPAQUE;
        request.keepOpaque(bytes, at, line.length(token));
      }
      if (echo === 0) continue;
      echoes |= echo << shift;
      shift += echoBits;
    }
    request.echoes = echoes;
  }
}

function verbFor(mode: number): number {
  switch (mode) {
    case 0:
    case 0x53: // S
      return Verb.SET;
    case 0x45: // E
      return Verb.ADD;
    case 0x52: // R
      return Verb.REPLACE;
    case 0x41: // A
      return Verb.APPEND;
    case 0x50: // P
      return Verb.PREPEND;
    default:
      return -1;
  }
}

function resultOf(phrase: Phrase): Phrase {
  switch (phrase) {
    case lines.notStored:
      return lines.metaNotStored;
    case lines.exists:
      return lines.metaExists;
    default:
      return lines.metaNotFound;
  }
}
