/**
 * The transport of a simulated process: it keeps the promises of `NativeTransport` in src/native/addon.ts, over the
 * simulated network and in virtual time.
 */
import { constants } from 'node:os';
import {
  type ConnectionDescription,
  EventKind,
  EventWord,
  type ListenOptions,
  type NativeFailure,
  type NativeTransport,
  Next,
  ReplyKind,
  ReplyWord,
  type TransportOptions,
} from '../../src/native/addon.js';
import type { Acceptor, SimNetwork, Socket } from './network.js';
import type { Call } from './scenario.js';
import type { Process } from './scheduler.js';

/** Cells of the counters, as src/native/addon.ts describes them. */
const Cell = { ROWS: 0, HELD: 3, CONNECTIONS: 4, TICKS: 6, NOW: 7, LINK_PENDING: 10, WALL: 11 };
const { ECONNABORTED } = constants.errno;
/** Listeners that were turned off for want of a descriptor or slot are turned on again after this. */
const sweepMs = 1000;
/** Bytes behind an event's end that may be read. */
const slackBytes = 64;

interface Sink {
  /** Null: the bytes are thrown away. */
  readonly to: Uint8Array | null;
  at: number;
  left: number;
}

interface Connection {
  readonly id: number;
  readonly group: number;
  readonly socket: Socket;
  leftover: Buffer;
  /** Its leftover is delivered again without more bytes. */
  again: boolean;
  sink: Sink | null;
  filled: boolean;
  /** The row that is due, as the connection was opened or connected; null when there is none. */
  news: { readonly kind: number; readonly value: number } | null;
  /** The errno of the CLOSED row that is due, 0 when the peer closed; null when none is due. */
  end: number | null;
  /** Closed by its owner: only the rest of its output is sent. */
  draining: boolean;
}

interface Held {
  readonly connection: Connection;
  readonly bytes: Buffer;
  readonly token: number;
  readonly barrier: number;
}

interface Listener extends Acceptor {
  readonly id: number;
  readonly group: number;
}

/** Faults that make calls fail. */
export interface Faults {
  /** True while another program holds this port. */
  isTaken(port: number): boolean;
  /** True when this call fails; asked at every call. */
  fails(call: Call): boolean;
}

export class SimTransport implements NativeTransport {
  readonly input: ArrayBuffer;
  readonly output: ArrayBuffer;
  readonly events: ArrayBuffer;
  readonly replies: ArrayBuffer;
  readonly counters = new Float64Array(16);
  private readonly network: SimNetwork;
  private readonly process: Process;
  private readonly host: string;
  private readonly faults: Faults;
  private readonly options: TransportOptions;
  private readonly onTick: (rows: number) => number;
  private readonly inputBytes: Buffer;
  private readonly eventWords: Int32Array;
  private readonly replyWords: Int32Array;
  private readonly outputBytes: Buffer;
  private readonly connections = new Map<number, Connection>();
  private readonly listeners = new Map<number, Listener>();
  private readonly buffers = new Map<number, Uint8Array>();
  private readonly released: number[] = [];
  private held: Held[] = [];
  private releasedUpTo = 0;
  private highestBarrier = 0;
  private paused = false;
  private isDue = false;
  private inTick = false;
  private destroyed = false;
  private lastId = 0;
  private lastBuffer = 0;
  private lastListener = 0;
  private limitOfClients: number;

  constructor(
    parts: {
      readonly network: SimNetwork;
      readonly process: Process;
      readonly host: string;
      readonly faults: Faults;
    },
    options: TransportOptions,
    onTick: (rows: number) => number,
  ) {
    this.network = parts.network;
    this.process = parts.process;
    this.host = parts.host;
    this.faults = parts.faults;
    this.options = options;
    this.onTick = onTick;
    // A tick of the simulator is small; bytes that do not fit wait for the next.
    this.input = new ArrayBuffer(2 * options.readBytesMax * 2 + slackBytes);
    this.output = new ArrayBuffer(options.outputBytes);
    this.events = new ArrayBuffer(options.eventsMax * EventWord.WORDS * 4);
    this.replies = new ArrayBuffer(options.repliesMax * ReplyWord.WORDS * 4);
    this.inputBytes = Buffer.from(this.input);
    this.outputBytes = Buffer.from(this.output);
    this.eventWords = new Int32Array(this.events);
    this.replyWords = new Int32Array(this.replies);
    this.limitOfClients = options.connectionsMax;
    this.setTime();
  }

  listen({ host, port, group }: ListenOptions): number | NativeFailure {
    const bound = port === 0 ? this.network.freePort() : port;
    const taken = this.network.isTaken(host, bound) || this.faults.isTaken(bound);
    if (taken) return { error: 'EADDRINUSE', call: 'bind' };
    if (this.faults.fails('listen')) return { error: 'EMFILE', call: 'socket' };
    const id = this.lastListener++;
    const listener: Listener = {
      id,
      group,
      host,
      port: bound,
      owner: this.process,
      accept: (socket) => this.accept(listener, socket),
    };
    this.listeners.set(id, listener);
    this.process.act(() => {
      if (this.listeners.has(id)) this.network.listen(listener);
    });
    return id;
  }

  listenerPort(listener: number): number {
    return this.listeners.get(listener)!.port;
  }

  closeListener(listener: number): void {
    const found = this.listeners.get(listener);
    if (found === undefined) return;
    this.listeners.delete(listener);
    this.network.unlisten(found);
  }

  connect(host: string, port: number, group: 0 | 1): number | NativeFailure {
    if (this.connections.size >= this.options.connectionsMax) {
      return { error: 'ENOBUFS', call: 'connect' };
    }
    if (this.faults.fails('connect')) return { error: 'EMFILE', call: 'socket' };
    let connection: Connection | null = null;
    const connected = (errno: number): void => {
      if (connection === null || connection.draining) return;
      connection.news = { kind: EventKind.CONNECTED, value: errno };
      this.wake();
    };
    const { lagMs } = this.process;
    const socket = this.network.connect(this.host, host, port, connected, lagMs);
    connection = this.take(socket, group);
    return connection.id;
  }

  pair(): NativeFailure {
    return { error: 'EMFILE', call: 'socketpair' };
  }

  divert(): NativeFailure {
    return { error: 'EMFILE', call: 'socketpair' };
  }

  limit(connections: number): void {
    this.limitOfClients = connections;
  }

  send(connection: number, bytes: Uint8Array, offset: number, length: number): number {
    const found = this.connections.get(connection);
    if (found === undefined || found.draining) return -1;
    const copy = Buffer.from(bytes.subarray(offset, offset + length));
    const waits = this.held.find((one) => one.connection === found);
    if (waits === undefined) this.write(found, copy);
    else this.held.push({ connection: found, bytes: copy, token: -1, barrier: waits.barrier });
    return found.socket.pendingBytes;
  }

  sink(connection: number, buffer: number, offset: number, length: number): void {
    const to = this.buffers.get(buffer)!.subarray(offset, offset + length);
    this.direct(connection, { to, at: 0, left: length });
  }

  skip(connection: number, length: number): void {
    this.direct(connection, { to: null, at: 0, left: length });
  }

  close(connection: number, flush: boolean): void {
    const found = this.connections.get(connection);
    if (found === undefined || found.draining) return;
    found.draining = true;
    if (!flush) this.drop(found);
    if (!flush || !this.inTick) this.finish(found);
    // Rows of this tick are sent first.
    else this.closing.push(found);
  }

  release(sequence: number): void {
    this.releasedUpTo = Math.max(this.releasedUpTo, sequence);
    if (!this.inTick) this.letGo();
  }

  pause(paused: boolean): void {
    this.paused = paused;
    if (!paused) this.wake();
  }

  describe(connection: number): ConnectionDescription | null {
    const found = this.connections.get(connection);
    if (found === undefined || found.draining) return null;
    const { socket } = found;
    const name = (one: Socket | null): string =>
      one === null ? '' : `tcp:${one.host}:${one.port}`;
    return {
      address: name(socket.peer),
      listenAddress: name(socket),
      descriptor: 100 + connection,
      pendingBytes: socket.pendingBytes,
    };
  }

  stalledMs(): number {
    return -1;
  }

  describeListener(
    listener: number,
  ): { readonly address: string; readonly descriptor: number } | null {
    const found = this.listeners.get(listener);
    if (found === undefined) return null;
    return { address: `tcp:${found.host}:${found.port}`, descriptor: 50 + listener };
  }

  register(buffer: ArrayBuffer): number {
    this.lastBuffer++;
    this.buffers.set(this.lastBuffer, new Uint8Array(buffer));
    return this.lastBuffer;
  }

  unregister(buffer: number): void {
    const bytes = this.buffers.get(buffer)?.buffer;
    this.buffers.delete(buffer);
    for (const connection of this.connections.values()) {
      if (connection.sink?.to?.buffer === bytes && connection.sink !== null) {
        connection.end = ECONNABORTED;
        connection.sink = null;
        this.wake();
      }
    }
  }

  sweep(): void {}

  destroy(): void {
    this.kill();
  }

  /** The process has ended: its kernel closes all its sockets. */
  kill(): void {
    this.destroyed = true;
    for (const listener of [...this.listeners.keys()]) this.closeListener(listener);
    for (const { socket } of this.connections.values()) socket.close();
    this.connections.clear();
    this.held = [];
  }

  private readonly closing: Connection[] = [];

  private accept(listener: Listener, socket: Socket): void {
    // No descriptor is left, so the connection waits in the kernel's queue for the next sweep.
    if (this.faults.fails('accept')) {
      this.process.timers.after(sweepMs, () => {
        if (this.listeners.has(listener.id)) this.accept(listener, socket);
        else socket.close();
      });
      return;
    }
    const clients = [...this.connections.values()].filter(({ group }) => group === 0).length;
    const isFull = this.connections.size >= this.options.connectionsMax;
    if (isFull || (listener.group === 0 && clients >= this.limitOfClients)) {
      socket.close();
      return;
    }
    const connection = this.take(socket, listener.group);
    connection.news = { kind: EventKind.OPENED, value: listener.id };
    this.wake();
  }

  private take(socket: Socket, group: number): Connection {
    let id = this.lastId;
    while (this.connections.has(id)) id = (id + 1) % this.options.connectionsMax;
    this.lastId = (id + 1) % this.options.connectionsMax;
    const connection: Connection = {
      id,
      group,
      socket,
      leftover: Buffer.alloc(0),
      again: false,
      sink: null,
      filled: false,
      news: null,
      end: null,
      draining: false,
    };
    socket.end = {
      readable: () => {
        if (connection.draining) socket.read(socket.inboxBytes);
        else this.wake();
      },
      closed: (errno) => {
        connection.end = errno;
        this.wake();
      },
    };
    this.connections.set(id, connection);
    if (group === 0) this.counters[Cell.CONNECTIONS]!++;
    return connection;
  }

  private direct(connection: number, sink: Sink): void {
    const found = this.connections.get(connection);
    if (found === undefined) return;
    found.sink = sink;
    this.wake();
  }

  private wake(): void {
    if (this.isDue || this.destroyed) return;
    this.isDue = true;
    this.process.timers.soon(() => {
      this.isDue = false;
      if (!this.destroyed) this.tick();
    });
  }

  private setTime(): void {
    this.counters[Cell.NOW] = this.process.clock();
    this.counters[Cell.WALL] = this.process.clock();
  }

  private tick(): void {
    const served: (Connection | null)[] = [];
    const rows = this.gather(served);
    if (rows === 0) return;
    this.setTime();
    this.counters[Cell.TICKS]!++;
    this.counters[Cell.ROWS] = 0;
    this.inTick = true;
    const barrier = this.onTick(rows);
    this.inTick = false;
    if (this.destroyed) return;
    this.settle(rows, served);
    this.scatter(barrier);
    this.letGo();
    for (const connection of this.closing.splice(0)) this.finish(connection);
    this.wakeIfMore();
  }

  /**
   * Fills the event table. Links come first; a connection with a due OPENED or CONNECTED row has no bytes in that tick.
   */
  private gather(served: (Connection | null)[]): number {
    let rows = 0;
    let at = 0;
    const row = (kind: number, connection: number, offset: number, length: number): void => {
      const word = rows++ * EventWord.WORDS;
      this.eventWords[word + EventWord.KIND] = kind;
      this.eventWords[word + EventWord.CONNECTION] = connection;
      this.eventWords[word + EventWord.OFFSET] = offset;
      this.eventWords[word + EventWord.LENGTH] = length;
      this.eventWords[word + EventWord.FILLED] = 0;
      this.eventWords[word + EventWord.CONSUMED] = 0;
      this.eventWords[word + EventWord.NEXT] = 0;
    };
    while (this.released.length > 0 && rows < this.options.eventsMax) {
      row(EventKind.RELEASED, 0, this.released.shift()!, 0);
      served.push(null);
    }
    for (const connection of this.ready()) {
      if (rows >= this.options.eventsMax) break;
      const { news } = connection;
      if (news !== null) {
        connection.news = null;
        const isOpened = news.kind === EventKind.OPENED;
        row(news.kind, connection.id, isOpened ? news.value : 0, isOpened ? 0 : news.value);
        served.push(null);
        if (!isOpened && news.value !== 0) this.connections.delete(connection.id);
        continue;
      }
      const bytes = this.take64(connection);
      if (bytes.length > 0 || connection.filled) {
        if (at + bytes.length + slackBytes > this.input.byteLength) {
          connection.leftover = bytes;
          connection.again = true;
          break;
        }
        row(EventKind.DATA, connection.id, at, bytes.length);
        this.inputBytes.set(bytes, at);
        this.eventWords[(rows - 1) * EventWord.WORDS + EventWord.FILLED] = connection.filled
          ? 1
          : 0;
        connection.filled = false;
        connection.again = false;
        connection.leftover = bytes;
        at += bytes.length;
        served.push(connection);
      } else if (connection.end !== null) {
        row(EventKind.CLOSED, connection.id, 0, connection.end);
        served.push(null);
        this.bury(connection);
      }
    }
    return rows;
  }

  private ready(): Connection[] {
    return [...this.connections.values()]
      .filter((one) => this.isReady(one))
      .sort((one, other) => other.group - one.group);
  }

  private isReady(connection: Connection): boolean {
    if (connection.draining || (this.paused && connection.group === 0)) return false;
    const { news, again, end, filled, socket } = connection;
    return news !== null || again || filled || end !== null || socket.inboxBytes > 0;
  }

  /** Bytes for the next row: the leftover, and bytes that have come, without those of a sink. */
  private take64(connection: Connection): Buffer {
    const { socket } = connection;
    this.fill(connection);
    if (connection.sink !== null) return Buffer.alloc(0);
    const { leftover } = connection;
    const room = this.options.readBytesMax - leftover.length;
    if (room <= 0 || socket.inboxBytes === 0) return leftover;
    return Buffer.concat([leftover, socket.read(Math.min(room, socket.inboxBytes))]);
  }

  private fill(connection: Connection): void {
    const { sink, socket } = connection;
    if (sink === null) return;
    while (sink.left > 0) {
      const { leftover } = connection;
      const from =
        leftover.length > 0 ? leftover : socket.read(Math.min(sink.left, socket.inboxBytes));
      const part = from.subarray(0, sink.left);
      if (part.length === 0) return;
      sink.to?.set(part, sink.at);
      sink.at += part.length;
      sink.left -= part.length;
      if (leftover.length > 0) connection.leftover = leftover.subarray(part.length);
    }
    connection.sink = null;
    connection.filled = true;
  }

  private settle(rows: number, served: readonly (Connection | null)[]): void {
    for (let row = 0; row < rows; row++) {
      const connection = served[row]!;
      if (connection === null || connection.draining) continue;
      const word = row * EventWord.WORDS;
      const consumed = this.eventWords[word + EventWord.CONSUMED]!;
      connection.leftover = Buffer.from(connection.leftover.subarray(consumed));
      connection.again = this.eventWords[word + EventWord.NEXT] === Next.AGAIN;
      // Bytes that were not consumed are the first to go into a sink.
      if (connection.sink !== null) this.fill(connection);
    }
  }

  private scatter(barrier: number): void {
    if (barrier > 0) this.highestBarrier = Math.max(this.highestBarrier, barrier);
    const rows = this.counters[Cell.ROWS]!;
    for (let row = 0; row < rows; row++) {
      const word = row * ReplyWord.WORDS;
      const connection = this.connections.get(this.replyWords[word + ReplyWord.CONNECTION]!);
      const offset = this.replyWords[word + ReplyWord.OFFSET]!;
      const length = this.replyWords[word + ReplyWord.LENGTH]!;
      const isReference = this.replyWords[word + ReplyWord.KIND] === ReplyKind.REFERENCE;
      const token = isReference ? this.replyWords[word + ReplyWord.TOKEN]! : -1;
      const from = isReference
        ? this.buffers.get(this.replyWords[word + ReplyWord.BUFFER]!)
        : this.outputBytes;
      if (connection === undefined || from === undefined) {
        if (token >= 0) this.free(token);
        continue;
      }
      const bytes = Buffer.from(from.subarray(offset, offset + length));
      const waits = connection.group === 0 && barrier > 0;
      this.held.push({ connection, bytes, token, barrier: waits ? this.highestBarrier : 0 });
    }
  }

  /** Sends all output that no barrier holds, for each connection in order. */
  private letGo(): void {
    const stuck = new Set<Connection>();
    const rest: Held[] = [];
    for (const one of this.held) {
      if (one.barrier > this.releasedUpTo || stuck.has(one.connection)) {
        stuck.add(one.connection);
        rest.push(one);
        continue;
      }
      this.write(one.connection, one.bytes);
      if (one.token >= 0) this.free(one.token);
      if (one.connection.draining) this.finish(one.connection);
    }
    this.held = rest;
    this.counters[Cell.HELD] = rest.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /** Writes to a socket; a send that fails breaks the connection. */
  private write({ socket }: Connection, bytes: Buffer): void {
    const isBroken = this.faults.fails('send');
    this.process.act(() => {
      if (isBroken) socket.reset();
      else socket.send(bytes);
    });
  }

  private free(token: number): void {
    this.released.push(token);
    this.wake();
  }

  /** Closes the socket of a connection that its owner has closed, once none of its output is held. */
  private finish(connection: Connection): void {
    if (this.held.some((one) => one.connection === connection)) return;
    this.process.act(() => connection.socket.close());
    this.bury(connection);
  }

  /** Drops a connection; its held output is never sent. */
  private drop(connection: Connection): void {
    for (const one of this.held) {
      if (one.connection === connection && one.token >= 0) this.free(one.token);
    }
    this.held = this.held.filter((one) => one.connection !== connection);
  }

  private bury(connection: Connection): void {
    if (this.connections.get(connection.id) !== connection) return;
    this.drop(connection);
    this.process.act(() => connection.socket.close());
    this.connections.delete(connection.id);
    if (connection.group === 0) this.counters[Cell.CONNECTIONS]!--;
  }

  private wakeIfMore(): void {
    if (this.released.length > 0) {
      this.wake();
      return;
    }
    for (const connection of this.connections.values()) {
      if (this.isReady(connection)) {
        this.wake();
        return;
      }
    }
  }
}
