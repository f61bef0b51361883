/** A meta command's line and its answer: the parts that meta commands share. */

import { keyBytesMax, metaTokensMost } from '../../base/limits.js';
import { putBase64 } from '../../protocol/base64.js';
import type { Line } from '../../protocol/line.js';
import { Lower, MetaFlags, Upper } from '../../protocol/meta-flags.js';
import { lines, type Output, type Phrase } from '../../protocol/reply.js';
import { casHigh, casLow, hasCas } from '../../store/cas.js';
import type { Store } from '../../store/store.js';
import type { CommandParts } from '../execution/exchange.js';
import type { Lookahead } from '../execution/lookahead.js';
import type { Observer } from '../execution/observer.js';
import { Outcome } from '../execution/request.js';

const SPACE = 0x20;
const LETTER_B = 0x62;
const LETTER_C = 0x63;
const LETTER_K = 0x6b;
const LETTER_O = 0x4f;

export class MetaExchange {
  /** Flags of the running command. */
  readonly flags = new MetaFlags();
  private readonly line: Line;
  private readonly output: Output;
  private readonly store: Store;
  private readonly lookahead: Lookahead;
  private readonly observer: Observer;

  constructor({ exchange, store, lookahead, observer }: Omit<CommandParts, 'counters'>) {
    this.line = exchange.line;
    this.output = exchange.output;
    this.store = store;
    this.lookahead = lookahead;
    this.observer = observer;
  }

  /** The refusal of a line before its flags are looked at, or null. */
  check(tooLong: Phrase): Phrase | null {
    if (this.line.length(1) > keyBytesMax) return lines.badFormat;
    return this.line.count > metaTokensMost ? tooLong : null;
  }

  /** The live item that the line names, or 0. */
  find(): number {
    const at = this.line.start(1);
    const length = this.flags.keyLength;
    const { store, lookahead, observer } = this;
    const ref = store.find(this.line.view, at, length, lookahead.hash(at, length));
    if (observer.on) observer.looked(this.line.view, at, length, ref);
    return ref;
  }

  /** Memory is being made: there is no reply, and the session will come again with the same line. */
  comeAgain(): number {
    this.flags.restoreKey(this.line);
    return Outcome.WAIT;
  }

  /** Writes ` c` and an item's CAS id. */
  putCas(ref: number): void {
    const { output } = this;
    const { region } = this.store;
    output.byte(SPACE);
    output.byte(LETTER_C);
    output.wide(casLow(region, ref), casHigh(region, ref));
  }

  /** True when the request names no CAS id, or the item's. */
  comparesWell(ref: number): boolean {
    const { flags } = this;
    const { region } = this.store;
    return (flags.upper & Upper.COMPARE) === 0 || hasCas(region, ref, flags.casLow, flags.casHigh);
  }

  /** Answers `O` and `k` of the line, in the order of its tokens from `from` on, and ends the line. */
  putEchoes(from: number): void {
    const { bytes, count } = this.line;
    for (let token = from; token < count; token++) {
      const letter = bytes[this.line.start(token)]!;
      if (letter === LETTER_O) this.putOpaque(token);
      else if (letter === LETTER_K) this.putRequestKey();
    }
    this.output.put(lines.crlf);
  }

  putOpaque(token: number): void {
    const { line, output } = this;
    output.byte(SPACE);
    output.copy(line.bytes, line.view, line.start(token), line.length(token));
  }

  /** Writes ` k` and the key as the request had it. */
  putRequestKey(): void {
    const { line, flags } = this;
    const encoded = (flags.lower & Lower.BASE64) !== 0;
    this.putKey(line.bytes, line.view, line.start(1), flags.keyLength, encoded);
  }

  /** Writes ` k` and a key. */
  putKey(bytes: Uint8Array, view: DataView, at: number, length: number, encoded: boolean): void {
    const { output } = this;
    output.byte(SPACE);
    output.byte(LETTER_K);
    if (!encoded) {
      output.copy(bytes, view, at, length);
      return;
    }
    putBase64(output, bytes, at, length);
    output.byte(SPACE);
    output.byte(LETTER_B);
  }

  /** Writes a space, a letter and a number. */
  putNumber(letter: number, value: number): void {
    const { output } = this;
    output.byte(SPACE);
    output.byte(letter);
    output.decimal(value);
  }

  /** Writes the remaining seconds, -1 for ever. */
  putTtl(exptime: number): void {
    const { output } = this;
    output.byte(SPACE);
    output.byte(0x74);
    if (exptime !== 0) {
      output.decimal((exptime - this.store.now) >>> 0);
      return;
    }
    output.byte(0x2d);
    output.byte(0x31);
  }
}
