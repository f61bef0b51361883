/**
 * The meaning of each command: from a line's tokens to a change of the store and a reply. It knows no connection and no
 * clock; its outcome tells the session when a command needs more (keys, a value, an end).
 */

import { keyBytesMax } from '../base/limits.js';
import type { Line } from '../protocol/line.js';
import { ascii, lines, type Output } from '../protocol/reply.js';
import type { Counters } from '../stats/counters.js';
import type { Store } from '../store/store.js';
import { Upkeep } from '../store/upkeep.js';
import { Administration } from './administration.js';
import { ClassicDialect } from './classic-dialect.js';
import { Arithmetic } from './execution/arithmetic.js';
import { absolute, Exchange } from './execution/exchange.js';
import { LargeCopies } from './execution/large-copy.js';
import { Lookahead } from './execution/lookahead.js';
import { Observer } from './execution/observer.js';
import { Retrieving } from './execution/retrieving.js';
import { Storing } from './execution/storing.js';
import { MetaExchange } from './meta/exchange.js';
import { Meta } from './meta/meta.js';
import { MetaDialect } from './meta/meta-dialect.js';

const zero = ascii('0');

export class Executor {
  readonly exchange: Exchange;
  readonly line: Line;
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
  readonly copies: LargeCopies;
  private readonly mayFlush: boolean;

  constructor(store: Store, output: Output, counters: Counters, mayFlush: boolean) {
    const exchange = new Exchange(output);
    const observer = new Observer(store);
    const lookahead = new Lookahead(store, exchange.line);
    const commandParts = { exchange, store, lookahead, counters, observer };
    this.exchange = exchange;
    this.line = exchange.line;
    this.store = store;
    this.output = output;
    this.counters = counters;
    this.mayFlush = mayFlush;
    this.observer = observer;
    this.lookahead = lookahead;
    this.copies = new LargeCopies(store);
    this.retrieving = new Retrieving(commandParts);
    this.arithmetic = new Arithmetic(commandParts);
    const metaExchange = new MetaExchange(commandParts);
    const dialect = new MetaDialect(commandParts, metaExchange);
    this.storing = new Storing(
      commandParts,
      this.copies,
      new ClassicDialect(commandParts),
      dialect,
    );
    const { storing, retrieving, arithmetic, copies } = this;
    const parts = { storing, retrieving, arithmetic, copies };
    this.meta = new Meta(commandParts, metaExchange, dialect, parts);
    this.upkeep = new Upkeep(store);
    this.administration = new Administration(commandParts, this.upkeep);
  }

  delete(): number {
    const { exchange, line, store, counters } = this;
    if (line.count > 2) {
      const hold = line.is(2, zero);
      const valid = line.count === 3 ? hold || exchange.quiet : hold && exchange.quiet;
      if (!valid) return exchange.say(lines.deleteUsage);
    }
    if (line.length(1) > keyBytesMax) return exchange.say(lines.badFormat);
    if (exchange.refusesWrites) return exchange.say(lines.tooFewStandbys);
    if (this.observer.on) this.observer.deletes(line.view, line.start(1), line.length(1));
    const ref = this.findKey();
    if (ref === 0) {
      counters.deleteMisses++;
      return exchange.say(lines.notFound);
    }
    counters.byClass.delete_hits[store.slabs.classOf(ref).number]!++;
    if (this.observer.on) this.observer.deleted(ref, 'delete');
    store.unlink(ref);
    return exchange.say(lines.deleted);
  }

  touch(): number {
    const { exchange, line, store, counters } = this;
    if (line.length(1) > keyBytesMax) return exchange.say(lines.badFormat);
    if (!exchange.readInteger(2)) return exchange.say(lines.badExptime);
    if (exchange.refusesWrites) return exchange.say(lines.tooFewStandbys);
    const exptime = absolute(exchange.decimal.toInt32(), store.now);
    counters.cmdTouch++;
    const ref = this.findKey();
    if (ref === 0) {
      counters.touchMisses++;
      return exchange.say(lines.notFound);
    }
    counters.byClass.touch_hits[store.slabs.classOf(ref).number]!++;
    store.touch(ref, exptime);
    store.hit(ref);
    return exchange.say(lines.touched);
  }

  flush(): number {
    const { exchange, line, store, counters } = this;
    counters.cmdFlush++;
    if (!this.mayFlush) return exchange.say(lines.flushDisabled);
    if (exchange.refusesWrites) return exchange.say(lines.tooFewStandbys);
    let at = store.now;
    if (line.count > (exchange.quiet ? 2 : 1)) {
      if (!exchange.readInteger(1)) return exchange.say(lines.badExptime);
      at = absolute(exchange.decimal.toInt32(), store.now);
    }
    // memcached's delay ends a second early, so `flush_all 1` acts at once.
    store.flush(at === 0 ? store.now : at - 1);
    return exchange.say(lines.ok);
  }

  private findKey(): number {
    const { line, store } = this;
    const at = line.start(1);
    const length = line.length(1);
    const ref = store.find(line.view, at, length, this.lookahead.hash(at, length));
    if (this.observer.on) this.observer.looked(line.view, at, length, ref);
    return ref;
  }
}
