/** get, gets, gat, gats: the line is checked first, then its keys are answered one after another. */

import { keyBytesMax, referenceBytesLeast } from '../../base/limits.js';
import type { Line } from '../../protocol/line.js';
import { lines, type Output } from '../../protocol/reply.js';
import type { Counters } from '../../stats/counters.js';
import { casHigh, casLow } from '../../store/cas.js';
import {
  FLAGS,
  headerBytes,
  KEY_AND_BITS,
  keyLengthMask,
  VALUE_LENGTH,
} from '../../store/layout.js';
import type { Store } from '../../store/store.js';
import { absolute, type CommandParts, type Exchange } from './exchange.js';
import { type Lookahead, Row } from './lookahead.js';
import type { Observer } from './observer.js';
import { Outcome, type Retrieval } from './request.js';

export class Retrieving {
  private readonly exchange: Exchange;
  private readonly line: Line;
  private readonly lookahead: Lookahead;
  private readonly store: Store;
  private readonly output: Output;
  private readonly counters: Counters;
  private readonly observer: Observer;

  constructor({ exchange, store, lookahead, counters, observer }: CommandParts) {
    this.exchange = exchange;
    this.line = exchange.line;
    this.lookahead = lookahead;
    this.store = store;
    this.output = exchange.output;
    this.counters = counters;
    this.observer = observer;
  }

  /** get, gets, gat, gats: checks the line; `key` answers the keys. */
  begin(retrieval: Retrieval, withCas: boolean, touches: boolean): number {
    const { line, exchange } = this;
    retrieval.withCas = withCas;
    retrieval.touches = touches;
    if (touches) {
      if (!exchange.readInteger(1)) return exchange.say(lines.badExptime);
      retrieval.exptime = absolute(exchange.decimal.toInt32(), this.store.now);
    }
    if (line.longest > keyBytesMax) return exchange.say(lines.badFormat);
    if (touches && exchange.refusesWrites) return exchange.say(lines.tooFewStandbys);
    return Outcome.KEYS;
  }

  /** `get` of one key, which the lookahead has read. */
  plain(retrieval: Retrieval, row: number): void {
    const { lookahead } = this;
    retrieval.withCas = false;
    retrieval.touches = false;
    const at = lookahead.rows[row + Row.KEY]!;
    this.answer(retrieval, at, lookahead.rows[row + Row.KEY_LENGTH]!, lookahead.hashOf(row));
    this.output.put(lines.end);
  }

  /** Answers one key. Its bytes stand in the line's buffer. */
  key(retrieval: Retrieval, at: number, length: number): void {
    this.answer(retrieval, at, length, this.lookahead.hash(at, length));
  }

  private answer(retrieval: Retrieval, at: number, length: number, hash: number): void {
    const { store, output, counters } = this;
    const { bytes, view } = this.line;
    const { touches } = retrieval;
    if (touches) counters.cmdTouch++;
    else counters.cmdGet++;
    const ref = store.find(view, at, length, hash);
    if (this.observer.on) this.observer.got(view, at, length, ref);
    if (ref === 0) {
      this.countMiss(touches);
      return;
    }
    const slabClass = store.slabs.classOf(ref).number;
    if (touches) {
      counters.byClass.touch_hits[slabClass]!++;
      store.touch(ref, retrieval.exptime);
    } else {
      counters.byClass.get_hits[slabClass]!++;
    }
    store.hit(ref);
    output.put(lines.value);
    output.copy(bytes, view, at, length);
    this.putItem(ref, retrieval.withCas);
  }

  /** memcached counts gat and gats as touches, not as gets. */
  countMiss(touches: boolean): void {
    if (touches) this.counters.touchMisses++;
    else this.counters.getMisses++;
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
      output.wide(casLow(region, ref), casHigh(region, ref));
    }
    output.put(lines.crlf);
    this.putValue(ref);
  }

  /** A value and its line end. */
  putValue(ref: number): void {
    const { output } = this;
    const { region } = this.store;
    const words = region.wordsOf(ref);
    const index = region.indexOf(ref);
    const length = words[index + VALUE_LENGTH]!;
    const segment = (ref - 1) >>> region.segmentShift;
    const from = index * 4 + headerBytes + (words[index + KEY_AND_BITS]! & keyLengthMask);
    if (length < referenceBytesLeast) {
      output.copy(region.bytes[segment]!, region.views[segment]!, from, length);
    } else {
      this.store.slabs.pin(ref);
      output.onReference(segment, from, length, ref);
    }
    output.put(lines.crlf);
  }
}
