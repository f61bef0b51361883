/**
 * ms: its line is checked here; its value takes the way of a set's (commands/execution/storing.ts), and is answered in
 * a form of its own.
 */

import { valueLengthMax } from '../../base/limits.js';
import { Lower, type MetaFlags, Upper } from '../../protocol/meta-flags.js';
import { lines, type Phrase } from '../../protocol/reply.js';
import { ItemBit } from '../../store/layout.js';
import type { Store } from '../../store/store.js';
import { absolute, type CommandParts, type Exchange } from '../execution/exchange.js';
import type { Lookahead } from '../execution/lookahead.js';
import {
  Echo,
  echoBits,
  isConcatenation,
  Outcome,
  type StorageDialect,
  type StorageRequest,
  Verb,
} from '../execution/request.js';
import type { Storing } from '../execution/storing.js';
import type { MetaExchange } from './exchange.js';

const LETTER_C = 0x63;
const LETTER_S = 0x73;
/** The first token that is a flag: behind the key and the length. */
const firstFlag = 3;

export class MetaStoring {
  private readonly exchange: Exchange;
  private readonly store: Store;
  private readonly lookahead: Lookahead;
  private readonly meta: MetaExchange;
  private readonly flags: MetaFlags;
  private readonly dialect: StorageDialect;
  private readonly storing: Storing;

  constructor(
    { exchange, store, lookahead }: Pick<CommandParts, 'exchange' | 'store' | 'lookahead'>,
    meta: MetaExchange,
    dialect: StorageDialect,
    storing: Storing,
  ) {
    this.exchange = exchange;
    this.store = store;
    this.lookahead = lookahead;
    this.meta = meta;
    this.flags = meta.flags;
    this.dialect = dialect;
    this.storing = storing;
  }

  /**
   * Checks the line. A mistake before the length is known is answered at once, and the value is then read as commands.
   */
  begin(): number {
    const { exchange, meta, flags, storing } = this;
    const { line } = exchange;
    const { request } = storing;
    const refusal = line.count === 2 ? lines.badFormat : meta.check(lines.flagsTooLong);
    if (refusal !== null) return exchange.say(refusal);
    if (!exchange.readInteger(2)) return exchange.say(lines.badFormat);
    const length = exchange.decimal.toInt32();
    if (length < 0 || length > valueLengthMax) return exchange.say(lines.badFormat);
    request.ref = 0;
    request.dialect = this.dialect;
    request.quiet = false;
    request.valueLength = length;
    request.refusal = flags.read(line, firstFlag) ?? this.setVerb(request);
    if (request.refusal === null && flags.opaqueTooLong) request.refusal = lines.opaqueTooLong;
    if (request.refusal !== null) return Outcome.SWALLOW;
    request.flags = flags.clientFlags;
    request.vivifies = isConcatenation(request.verb) && (flags.upper & Upper.VIVIFY) !== 0;
    const exptime = request.vivifies ? flags.vivifyExptime : flags.exptime;
    request.exptime = absolute(exptime, this.store.now);
    request.explicit = flags.explicit;
    request.hidesSuccess = (flags.lower & Lower.QUIET) !== 0;
    request.bits = (flags.lower & Lower.BASE64) === 0 ? 0 : ItemBit.BINARY;
    this.noteEchoes(request);
    request.keyAt = line.start(1);
    request.keyLength = flags.keyLength;
    request.hash = this.lookahead.hash(request.keyAt, request.keyLength);
    return storing.admit(request);
  }

  /** Sets the verb by the mode and the CAS id; returns a refusal, or null. */
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
    const { line } = this.exchange;
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
