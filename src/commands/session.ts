/**
 * A client's connection: the place of its bytes in the protocol. It finds lines, hands them to the executor, and
 * collects the values that follow, straight into their chunk when they do not arrive whole.
 *
 *      LINE ──storage command, value not whole──► VALUE ──all bytes──► VALUE_END ──line end──► LINE
 *       ├──── refused value ───────────────────► SKIP ──all bytes──► LINE
 *       ├──── metadump, stats conns … ─────────► DUMP ──all written──► LINE
 *       ├──── get … ───────────────────────────► KEYS ──newline───► LINE
 *       │                                          └── NUL in a streamed line ──► REST ──newline──► LINE
 *       └──── watch ───────────────────────────► WATCH (input is thrown away)
 *      LOCKED ──user and password (-Y)──► LINE
 */

import { assert } from '../base/errors.js';
import {
  keyBytesMax,
  lineBytesMax,
  lineBytesStreamed,
  lineBytesWhole,
  sinkPartBytes,
} from '../base/limits.js';
import type { Endpoint } from '../net/wire.js';
import { isDelimiter, tokensMax } from '../protocol/line.js';
import { lines, type Phrase } from '../protocol/reply.js';
import { isHttp, isLongGet } from '../protocol/special-lines.js';
import { FULL, WAIT } from '../store/reservation.js';
import { hangUp } from './authentication.js';
import type { Caller, EndReason } from './caller.js';
import { commandFor } from './commands.js';
import type { Dump } from './dumping.js';
import { Row } from './execution/lookahead.js';
import { Outcome, Retrieval, StorageRequest } from './execution/request.js';
import type { SessionServer } from './session-server.js';

const State = {
  LINE: 0,
  VALUE: 1,
  VALUE_END: 2,
  SKIP: 3,
  KEYS: 4,
  REST: 5,
  DUMP: 6,
  WATCH: 7,
  LOCKED: 8,
} as const;

/** Returned instead of an offset: the command must be executed anew. */
const anew = -1;

const SPACE = 0x20;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const LOWER_S = 0x73;
/** First byte of memcached's binary protocol. */
const BINARY_MAGIC = 0x80;

export class Session implements Endpoint, Caller {
  readonly connection: number;
  readonly retrieval = new Retrieval();
  /** When input last arrived, in the server's seconds. */
  activeAt: number;
  /** The answer that is being written in slices. */
  dump: Dump | null = null;
  readonly server: SessionServer;
  private state: number;
  private fresh = true;
  /** True when the connection is to be closed after the running command, its replies sent. */
  private closing = false;
  /** The reason for the close: a line that is no command, unless a command sets another. */
  closeReason: EndReason = 'error';
  private ended = false;
  /** The command whose value is arriving. The session has its own, as commands of other sessions come in between. */
  private request: StorageRequest | null = null;
  /** Bytes of the value that have come, and those that come next past the event table. */
  private arrivedBytes = 0;
  private partBytes = 0;
  /** True when the command had to wait when it came, for memory or for a copy. */
  private waited = false;
  /** The reply once the data block that is being thrown away has passed. */
  private refusal: Phrase | null = null;

  constructor(connection: number, server: SessionServer) {
    this.connection = connection;
    this.server = server;
    this.activeAt = server.seconds;
    this.state = server.authentication === null ? State.LINE : State.LOCKED;
  }

  data(offset: number, length: number, filled: boolean): number {
    const { wire, executor } = this.server;
    const end = offset + length;
    this.activeAt = this.server.seconds;
    if (filled && !this.filled()) return 0;
    if (this.fresh && length > 0) {
      this.fresh = false;
      const binary = wire.input[offset] === BINARY_MAGIC;
      if (binary && this.server.statSource.settings.protocol === 'auto') this.closing = true;
    }
    let at = offset;
    while (at < end && !this.closing && !this.ended) {
      if (wire.isFull() || this.server.mirror.congested) {
        wire.again = true;
      } else {
        if (at >= executor.lookahead.until) executor.lookahead.look(at, false);
        const next = this.step(at, end);
        if (next === at) break;
        at = next;
        if (at < end && wire.budget.isSpent()) wire.again = true;
      }
      if (wire.again) {
        executor.counters.connectionYields++;
        break;
      }
    }
    if (this.ended) return length;
    if (!this.closing) return at - offset;
    this.leave(this.closeReason);
    wire.close(this.connection, true);
    return length;
  }

  /** The bytes that went past the event table have come; false when more of the value come that way. */
  private filled(): boolean {
    if (this.state === State.SKIP) {
      this.state = State.LINE;
      if (this.refusal !== null) this.server.wire.output.put(this.refusal);
      return true;
    }
    const request = this.request!;
    this.arrivedBytes += this.partBytes;
    this.server.executor.storing.partArrived(request, this.arrivedBytes);
    if (this.arrivedBytes < request.valueLength) {
      this.awaitPart();
      return false;
    }
    this.server.arriving.delete(this);
    this.state = State.VALUE_END;
    return true;
  }

  /**
   * Has the next bytes of the value go straight into its chunk. A large value comes in parts, so that each can be
   * mirrored.
   */
  private awaitPart(): void {
    const { wire, executor } = this.server;
    const { ref, valueLength } = this.request!;
    const segment = (ref - 1) >>> executor.store.region.segmentShift;
    const to = executor.store.region.valueOffset(ref) + this.arrivedBytes;
    this.partBytes = Math.min(valueLength - this.arrivedBytes, sinkPartBytes);
    wire.sink(this.connection, segment, to, this.partBytes);
  }

  /** Ends the connection at once, and drops its unsent output. */
  end(reason: EndReason = 'shutdown'): void {
    this.ended = true;
    this.leave(reason);
    this.server.wire.close(this.connection, false);
  }

  closed(errno: number): void {
    this.leave(errno === 0 ? 'normal' : 'error');
  }

  /** True while the connection only waits for a command. */
  get waits(): boolean {
    return (this.state === State.LINE || this.state === State.LOCKED) && !this.closing;
  }

  /** memcached's name for the state of this connection. */
  stateName(unsent: boolean): string {
    if (this.state === State.WATCH) return 'conn_watch';
    if (unsent) return 'conn_mwrite';
    if (this.state === State.VALUE || this.state === State.VALUE_END) return 'conn_nread';
    return this.state === State.SKIP ? 'conn_swallow' : 'conn_read';
  }

  /** From now on input is thrown away, and lines are sent to the connection. */
  becomeWatcher(): void {
    this.state = State.WATCH;
  }

  private leave(reason: EndReason): void {
    this.ceaseWaiting();
    if (this.state === State.VALUE) this.server.arriving.delete(this);
    if (this.request !== null) this.server.executor.storing.abandon(this.request);
    this.server.onClosed(this.connection, reason);
  }

  /** Handles the bytes at `at`; returns the offset of the rest, `at` when more bytes are needed. */
  private step(at: number, end: number): number {
    switch (this.state) {
      case State.LINE: {
        const before = this.server.wire.output.at;
        const next = this.line(at, end);
        if (next === anew) return this.wait(at, before);
        if (this.waited) this.ceaseWaiting();
        return next;
      }
      case State.KEYS:
        return this.keys(at, end);
      case State.VALUE_END:
        return this.valueEnd(at, end);
      case State.REST:
        return this.rest(at, end);
      case State.DUMP:
        return this.dumpSlice(at);
      case State.WATCH:
        return end;
      case State.LOCKED:
        return this.unauthenticated(at, end);
      default:
        throw new Error('assertion failed: bytes behind a sink come with its end');
    }
  }

  /**
   * Memory for the command at `at` is being made: the command is executed anew in a later tick, after other clients.
   */
  private wait(at: number, outputBefore: number): number {
    const { wire } = this.server;
    assert(wire.output.at === outputBefore, 'a command that waits has not answered');
    this.waited = true;
    wire.again = true;
    return at;
  }

  /** The command has been executed: drops a copy that it began and did not need. */
  private ceaseWaiting(): void {
    if (!this.waited) return;
    this.waited = false;
    this.server.executor.copies.drop(this.connection);
  }

  /** Executes the line at `at`; returns the offset of the rest, or `anew`. */
  private line(at: number, end: number): number {
    const { executor } = this.server;
    const { line } = executor;
    const row = executor.lookahead.whole(at, end);
    if (row >= 0) return this.plain(row, end);
    if (!line.scan(at, end)) return this.longLine(at, end);
    if (line.next - at > lineBytesWhole && !isLongGet(this.server.wire.input, at, end)) {
      this.closing = true;
      return end;
    }
    const command = line.count === 0 ? null : commandFor(line.bytes, line.start(0), line.length(0));
    if (command === null || line.count < command.least || line.count > command.most) {
      if (command === null && isHttp(line)) this.closing = true;
      else executor.output.put(lines.error);
      return line.next;
    }
    executor.exchange.begin(command.noreplyFrom);
    const outcome = command.run(executor, this);
    const next = line.next;
    switch (outcome) {
      case Outcome.DONE:
        return next;
      case Outcome.CLOSE:
        this.closing = true;
        return next;
      case Outcome.VALUE:
        return this.value(next, end);
      case Outcome.SWALLOW:
        return this.swallow(next, end, executor.storing.request);
      case Outcome.WAIT:
        return anew;
      case Outcome.DUMP:
        // The newline is left over, as a connection with leftover bytes is called again.
        this.state = State.DUMP;
        return this.dumpSlice(next - 1);
      default:
        return this.retrieve(next);
    }
  }

  /** Executes a request that the lookahead has read; returns as `line`. */
  private plain(row: number, end: number): number {
    const { wire, executor } = this.server;
    const { rows } = executor.lookahead;
    const value = rows[row + Row.VALUE]!;
    if (value === 0) {
      if (rows[row + Row.META] !== 0) executor.meta.retrieving.plain(row);
      else executor.retrieving.plain(this.retrieval, row);
    } else if (executor.storing.plain(row) === Outcome.VALUE) {
      const { request } = executor.storing;
      const outcome = executor.storing.whole(request, wire.input, wire.inputView, value);
      if (outcome === Outcome.WAIT) return anew;
    } else {
      this.swallow(value, end, executor.storing.request);
    }
    return rows[row + Row.NEXT]!;
  }

  /** Answers the keys of the line, which ends at `next`. Keys of a long line are found by `keys`. */
  private retrieve(next: number): number {
    const { wire, executor, mirror } = this.server;
    const { line, lookahead, retrieving } = executor;
    if (line.count > tokensMax) {
      this.state = State.KEYS;
      return this.firstKey();
    }
    const first = this.retrieval.touches ? 2 : 1;
    for (let token = first; token < line.count; token++) {
      const start = line.start(token);
      if (wire.isFull() || mirror.congested || (token > first && wire.budget.isSpent())) {
        wire.again = true;
        this.state = State.KEYS;
        return start;
      }
      if (start >= lookahead.until) lookahead.look(start, true);
      retrieving.key(this.retrieval, start, line.length(token));
    }
    wire.output.put(lines.end);
    return next;
  }

  /** Writes a slice of a long answer; `at` is the newline of its command. */
  private dumpSlice(at: number): number {
    const { wire } = this.server;
    wire.again = !this.dump!.write(wire);
    if (wire.again) return at;
    this.dump = null;
    this.state = State.LINE;
    return at + 1;
  }

  /** The offset of the first key of the retrieval in the line. */
  private firstKey(): number {
    const { line } = this.server.executor;
    const before = this.retrieval.touches ? 1 : 0;
    return line.start(before) + line.length(before);
  }

  /** A line without an end: memcached waits up to 2048 bytes, and longer only for a get. */
  private longLine(at: number, end: number): number {
    if (end - at <= lineBytesMax) return at;
    if (!isLongGet(this.server.wire.input, at, end)) {
      this.closing = true;
      return end;
    }
    if (end - at < lineBytesStreamed) return at;
    // The line is too long to wait for: it is answered as it arrives, and so needs no larger buffer.
    const { input } = this.server.wire;
    let start = at;
    while (input[start] !== SPACE || input[start - 1] === SPACE || start === at) start++;
    this.retrieval.withCas = input[start - 1] === LOWER_S;
    this.retrieval.touches = false;
    this.state = State.KEYS;
    return start;
  }

  /** Answers keys until the newline, the end of the input, or until the output is full. */
  private keys(from: number, end: number): number {
    const { wire, executor, mirror } = this.server;
    const { input, output } = wire;
    let at = from;
    let answered = false;
    for (;;) {
      while (at < end && input[at] === SPACE) at++;
      const start = at;
      while (at < end && !isDelimiter(input[at]!)) at++;
      if (at >= end) return this.partialKey(start, end);
      const byte = input[at]!;
      const length =
        at - start - (byte === NEWLINE && at > start && input[at - 1] === RETURN ? 1 : 0);
      if (length > keyBytesMax) return this.overlongKey(end);
      if (length > 0) {
        if (wire.isFull() || mirror.congested || (answered && wire.budget.isSpent())) {
          wire.again = true;
          return start;
        }
        if (start >= executor.lookahead.until) executor.lookahead.look(start, true);
        executor.retrieving.key(this.retrieval, start, length);
        answered = true;
      }
      if (byte === SPACE) continue;
      // A NUL ends the line for its keys; bytes behind it, up to the newline, are thrown away.
      output.put(lines.end);
      this.state = State.REST;
      return this.rest(at, end);
    }
  }

  /** Throws away the rest of a line. */
  private rest(at: number, end: number): number {
    const newline = this.server.wire.input.indexOf(NEWLINE, at);
    if (newline < 0 || newline >= end) return end;
    this.state = State.LINE;
    return newline + 1;
  }

  /** The input ends in the middle of a key, which happens only while a line is answered as it arrives. */
  private partialKey(start: number, end: number): number {
    return end - start > keyBytesMax + 1 ? this.overlongKey(end) : start;
  }

  /** A key is too long in a line that is answered as it arrives, so the keys before it have their answers already. */
  private overlongKey(end: number): number {
    this.server.executor.output.put(lines.badFormat);
    this.closing = true;
    return end;
  }

  /** The data block of a storage command begins at `next`; returns as `line`. */
  private value(next: number, end: number): number {
    const { wire, executor } = this.server;
    const { request } = executor.storing;
    const { valueLength } = request;
    if (next + valueLength + 2 <= end) {
      const outcome = executor.storing.whole(request, wire.input, wire.inputView, next);
      return outcome === Outcome.WAIT ? anew : next + valueLength + 2;
    }
    const ref = executor.storing.reserveArriving(request);
    if (ref === WAIT) return anew;
    if (ref === FULL) return this.swallow(next, end, request);
    this.request ??= new StorageRequest(request.dialect);
    this.request.assign(request);
    const { region } = executor.store;
    const segment = (ref - 1) >>> region.segmentShift;
    const to = region.valueOffset(ref);
    const have = Math.min(end - next, valueLength);
    region.bytes[segment]!.set(wire.input.subarray(next, next + have), to);
    this.state = State.VALUE_END;
    this.arrivedBytes = have;
    if (have < valueLength) {
      this.state = State.VALUE;
      this.server.arriving.add(this);
      this.awaitPart();
    }
    return next + have;
  }

  private valueEnd(at: number, end: number): number {
    if (end - at < 2) return at;
    const { wire, executor } = this.server;
    const whole = wire.input[at] === RETURN && wire.input[at + 1] === NEWLINE;
    const before = wire.output.at;
    const outcome = executor.storing.arrived(this.request!, whole);
    if (outcome === Outcome.WAIT) return this.wait(at, before);
    this.ceaseWaiting();
    this.state = State.LINE;
    return at + 2;
  }

  /** Throws away a data block and its line end; as in memcached the refusal is sent after it. */
  private swallow(next: number, end: number, request: StorageRequest): number {
    const { wire } = this.server;
    const total = request.valueLength + 2;
    const have = Math.min(end - next, total);
    this.refusal = request.refusal;
    if (have < total) {
      this.state = State.SKIP;
      wire.transport.skip(this.connection, total - have);
    } else if (this.refusal !== null) {
      wire.output.put(this.refusal);
    }
    return next + have;
  }

  /** A connection that has not authenticated (-Y) may send nothing but its credentials. */
  private unauthenticated(at: number, end: number): number {
    const authentication = this.server.authentication!;
    const next = authentication.step(at, end);
    if (next === hangUp) {
      this.closing = true;
      return end;
    }
    if (authentication.authenticated) this.state = State.LINE;
    return next;
  }
}
