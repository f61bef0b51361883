/**
 * The transport as the rest of the program sees it: one `Endpoint` per connection, called with the bytes that have
 * arrived, and one `Output` that replies are written to. It turns the transport's tables into calls and back; clients'
 * sessions, the node-to-node connection and the load generator of bench/ all stand on it.
 */
import { Budget } from '../base/budget.js';
import { assert, HotspareError } from '../base/errors.js';
import * as limits from '../base/limits.js';
import {
  EventKind,
  EventWord,
  failed,
  type ListenOptions,
  type NativeFailure,
  type NativeTransport,
  Next,
  ReplyKind,
  ReplyWord,
} from '../native/addon.js';
import { machine, type Ports } from '../native/ports.js';
import { Output } from '../protocol/reply.js';

/** The owner of one connection. Offsets are into `wire.input`. */
export interface Endpoint {
  /**
   * Bytes have arrived (`filled`: and the sink or skip before them is done). Returns the number of consumed bytes; sets
   * `wire.again` when the rest should be delivered in a later tick without waiting for more.
   */
  data(offset: number, length: number, filled: boolean): number;
  /** The connection is gone: `errno` is 0 when the peer closed it. */
  closed(errno: number): void;
  /** A `connect` has succeeded (0) or failed. After a failure the connection is gone. */
  connected?(errno: number): void;
}

/** Called around the endpoints of a tick. */
export interface TickHooks {
  /** Called before the first endpoint. `nowMs` is of the clock that does not step. */
  begin(nowMs: number): void;
  /** Called after the last endpoint. Returns the barrier for the replies of this tick (0: none). */
  end(): number;
  /** A reference to this chunk has been sent or given up. */
  released(ref: number): void;
}

export interface WireOptions {
  /** Slots for connections. */
  readonly connectionsMax: number;
  /** The machine or the simulator that this node runs on (default: this machine). */
  readonly ports?: Ports;
}

/** Rows of a large reply: the words before its value, the value, the words behind. */
const rowsPerReply = 4;

/** A reply row that names memory of the region instead of copying it. */
interface Reference {
  /** The chunk that must not be reused meanwhile. */
  readonly ref: number;
  readonly connection: number;
  /** The connection's endpoint then; once it is gone, another may have the connection's number. */
  readonly endpoint: Endpoint | null;
  /** The time when the reference was made. */
  readonly sinceMs: number;
  /** True once its reader was named as the slowest, and is being closed. */
  givenUp: boolean;
}

/** Hooks while nobody is served. */
export const idle: TickHooks = { begin: () => {}, end: () => 0, released: () => {} };

/** Cells of the transport's counters. */
export const Counter = {
  REPLY_ROWS: 0,
  BYTES_READ: 1,
  BYTES_WRITTEN: 2,
  BYTES_PENDING: 3,
  CONNECTIONS: 4,
  REFUSED: 5,
  TICKS: 6,
  NOW_MS: 7,
  LISTEN_OFF_US: 8,
  LISTEN_OFF_TIMES: 9,
  LINK_PENDING: 10,
  WALL_MS: 11,
  /** The longest tick, reading and sending included. */
  TICK_US_MAX: 12,
} as const;

export class Wire {
  readonly transport: NativeTransport;
  readonly input: Uint8Array;
  readonly inputView: DataView;
  readonly output: Output;
  readonly counters: Float64Array;
  hooks: TickHooks = idle;
  /** The machine or the simulator that this node runs on. */
  readonly ports: Ports;
  /** The time budget of this tick. */
  readonly budget: Budget;
  /** See `Endpoint.data`. */
  again = false;
  /** Where the input of this tick ends. */
  inputEnd = 0;
  private readonly events: Int32Array;
  private readonly replies: Int32Array;
  private readonly endpoints: (Endpoint | null)[];
  private readonly acceptors = new Map<number, (connection: number) => Endpoint>();
  /** Ids of buffers that references and sinks name, by the segment number of the region. */
  private segments: number[] = [];
  private rows = 0;
  /** First byte of the output that no row covers yet. */
  private rowStart = 0;
  /** The connection of that output: the connection of the running endpoint. */
  connection = 0;
  /** Where the output of the running endpoint began, and the bytes it has referred to beside. */
  private outputStart = 0;
  private referencedBytes = 0;
  /** Values that are being sent from where they stand, oldest first, by token. */
  private readonly references = new Map<number, Reference>();
  private lastToken = 0;
  /** The reasons for which clients are not accepted, read or answered now. */
  private readonly pauses = new Set<string>();

  /** Throws HotspareError when the system has no room for its epoll sets. */
  constructor(options: WireOptions) {
    this.ports = options.ports ?? machine;
    this.budget = new Budget(this.ports.clock);
    this.transport = createTransport(this.ports, options, (rows) => this.tick(rows));
    this.input = new Uint8Array(this.transport.input);
    this.inputView = new DataView(this.transport.input);
    this.output = new Output(this.transport.output);
    this.output.onReference = (segment, offset, length, ref) =>
      this.reference(segment, offset, length, ref);
    this.counters = this.transport.counters;
    this.events = new Int32Array(this.transport.events);
    this.replies = new Int32Array(this.transport.replies);
    this.endpoints = new Array<Endpoint | null>(options.connectionsMax).fill(null);
  }

  /** The time in ms at which this tick was gathered, by the clock of the ticks (src/native/clock.ts). */
  get nowMs(): number {
    return this.counters[Counter.NOW_MS]!;
  }

  /** Holds clients back for the caller's reason, or ends that; links go on. Several reasons may hold at once. */
  pause(reason: string, on: boolean): void {
    if (on) this.pauses.add(reason);
    else this.pauses.delete(reason);
    this.transport.pause(this.pauses.size > 0);
  }

  /** Registers the segments of the region, to which sinks and references point. */
  useSegments(segments: readonly ArrayBuffer[]): void {
    this.segments = segments.map((segment) => this.transport.register(segment));
  }

  /** Forgets the segments, which may then be unmapped. Connections that still send from them are ended. */
  forgetSegments(): void {
    for (const segment of this.segments) this.transport.unregister(segment);
    this.segments = [];
  }

  listen(options: ListenOptions, accept: (connection: number) => Endpoint): number | NativeFailure {
    const listener = this.transport.listen(options);
    if (!failed(listener)) this.acceptors.set(listener, accept);
    return listener;
  }

  closeListener(listener: number): void {
    this.acceptors.delete(listener);
    this.transport.closeListener(listener);
  }

  connect(
    host: string,
    port: number,
    group: 0 | 1,
    endpoint: (connection: number) => Endpoint,
  ): NativeFailure | null {
    const connection = this.transport.connect(host, port, group);
    if (failed(connection)) return connection;
    this.endpoints[connection] = endpoint(connection);
    return null;
  }

  /** A connection whose other end is a descriptor, for bytes that come from elsewhere; the caller closes it. */
  pair(
    endpoint: (connection: number) => Endpoint,
  ): { readonly connection: number; readonly descriptor: number } | NativeFailure {
    const made = this.transport.pair();
    if (!failed(made)) this.endpoints[made.connection] = endpoint(made.connection);
    return made;
  }

  /** Ends a connection; its endpoint is not called again. */
  close(connection: number, flush: boolean): void {
    this.endpoints[connection] = null;
    this.transport.close(connection, flush);
  }

  /** The next `length` bytes of a connection go to `offset` in a segment of the region. */
  sink(connection: number, segment: number, offset: number, length: number): void {
    this.transport.sink(connection, this.segments[segment]!, offset, length);
  }

  /** True while any value is sent from where it stands. */
  get isReferring(): boolean {
    return this.references.size > 0;
  }

  /** The connection that has been reading a reference for longest, if for at least `leastMs`; or null. */
  slowestReader(leastMs: number): number | null {
    for (const reference of this.references.values()) {
      const { connection, endpoint } = reference;
      if (reference.givenUp || this.endpoints[connection] !== endpoint) continue;
      if (this.nowMs - reference.sinceMs < leastMs) return null;
      reference.givenUp = true;
      return connection;
    }
    return null;
  }

  /** True when the endpoint that runs now must leave its next reply for a later tick. */
  isFull(): boolean {
    const produced = this.output.at - this.outputStart + this.referencedBytes;
    return (
      produced > limits.replyBytesPerTick ||
      // Each row of the tick may still owe a short line (a refusal behind its data block), so their room is kept free.
      this.rows + rowsPerReply + limits.eventsMax > limits.repliesMax ||
      !this.output.hasRoom()
    );
  }

  /** True when the endpoint that runs now has written a reply in this tick. */
  get answered(): boolean {
    return this.output.at > this.outputStart || this.referencedBytes > 0;
  }

  /** True when this tick has replies; at the end of the tick, all of them are known. */
  get hasReplies(): boolean {
    return this.rows > 0;
  }

  /**
   * Adds bytes that are no reply to a connection's output, between the last endpoint of a tick and its end. False when
   * there is no room left in this tick.
   */
  append(connection: number, first: Uint8Array, second: Uint8Array): boolean {
    const { output } = this;
    const end = output.at + first.length + second.length;
    if (this.rows === limits.repliesMax || end > output.bytes.length) return false;
    this.connection = connection;
    output.bytes.set(first, output.at);
    output.bytes.set(second, output.at + first.length);
    output.at = end;
    this.copyRow();
    return true;
  }

  private tick(count: number): number {
    const { events, counters, hooks, output } = this;
    this.inputEnd = this.endOf(count);
    hooks.begin(counters[Counter.NOW_MS]!);
    output.at = 0;
    this.rows = 0;
    this.rowStart = 0;
    this.budget.begin(count, counters[Counter.NOW_MS]!);
    for (let row = 0; row < count * EventWord.WORDS; row += EventWord.WORDS) {
      const connection = events[row + EventWord.CONNECTION]!;
      this.budget.serveNext();
      if (events[row + EventWord.KIND] === EventKind.DATA) this.data(row, connection);
      else this.other(row, connection);
    }
    const barrier = hooks.end();
    counters[Counter.REPLY_ROWS] = this.rows;
    return barrier;
  }

  /** The end of the last row's input, as rows stand in the input one behind another. */
  private endOf(count: number): number {
    const { events } = this;
    for (let row = (count - 1) * EventWord.WORDS; row >= 0; row -= EventWord.WORDS) {
      if (events[row + EventWord.KIND] === EventKind.DATA) {
        return events[row + EventWord.OFFSET]! + events[row + EventWord.LENGTH]!;
      }
    }
    return 0;
  }

  private data(row: number, connection: number): void {
    const { events } = this;
    const length = events[row + EventWord.LENGTH]!;
    const endpoint = this.endpoints[connection]!;
    // The connection was closed earlier in this tick; the transport drops the rest by itself.
    if (endpoint === null) return;
    this.connection = connection;
    this.outputStart = this.rowStart;
    this.referencedBytes = 0;
    this.again = false;
    const filled = events[row + EventWord.FILLED] !== 0;
    events[row + EventWord.CONSUMED] = endpoint.data(
      events[row + EventWord.OFFSET]!,
      length,
      filled,
    );
    events[row + EventWord.NEXT] = this.again ? Next.AGAIN : Next.MORE;
    if (this.output.at > this.rowStart) this.copyRow();
  }

  private other(row: number, connection: number): void {
    const { events, endpoints } = this;
    const endpoint = endpoints[connection];
    const length = events[row + EventWord.LENGTH]!;
    switch (events[row + EventWord.KIND]) {
      case EventKind.OPENED: {
        const accept = this.acceptors.get(events[row + EventWord.OFFSET]!);
        // The listener was closed earlier in this tick.
        if (accept === undefined) this.transport.close(connection, false);
        else endpoints[connection] = accept(connection);
        return;
      }
      case EventKind.CONNECTED:
        if (length !== 0) endpoints[connection] = null;
        endpoint?.connected?.(length);
        return;
      case EventKind.CLOSED:
        endpoints[connection] = null;
        endpoint?.closed(length);
        return;
      default:
        this.released(events[row + EventWord.OFFSET]!);
    }
  }

  private released(token: number): void {
    const reference = this.references.get(token);
    assert(reference !== undefined, 'what is released was referred to');
    this.references.delete(token);
    this.hooks.released(reference.ref);
  }

  private copyRow(): void {
    const { output } = this;
    const row = this.addRow(ReplyKind.COPY);
    this.replies[row + ReplyWord.OFFSET] = this.rowStart;
    this.replies[row + ReplyWord.LENGTH] = output.at - this.rowStart;
    this.rowStart = output.at;
  }

  private reference(segment: number, offset: number, length: number, ref: number): void {
    if (this.output.at > this.rowStart) this.copyRow();
    this.referencedBytes += length;
    const row = this.addRow(ReplyKind.REFERENCE);
    this.replies[row + ReplyWord.OFFSET] = offset;
    this.replies[row + ReplyWord.LENGTH] = length;
    this.replies[row + ReplyWord.BUFFER] = this.segments[segment]!;
    this.lastToken = (this.lastToken + 1) & 0x7fffffff;
    const { connection, nowMs: sinceMs } = this;
    const endpoint = this.endpoints[connection]!;
    const reference = { ref, connection, endpoint, sinceMs, givenUp: false };
    this.references.set(this.lastToken, reference);
    this.replies[row + ReplyWord.TOKEN] = this.lastToken;
  }

  private addRow(kind: number): number {
    assert(this.rows < limits.repliesMax, 'the reply table has room');
    const row = this.rows++ * ReplyWord.WORDS;
    this.replies[row + ReplyWord.CONNECTION] = this.connection;
    this.replies[row + ReplyWord.KIND] = kind;
    return row;
  }
}

function createTransport(
  { network }: Ports,
  { connectionsMax }: WireOptions,
  onTick: (rows: number) => number,
): NativeTransport {
  const { inputBytes, outputBytes, eventsMax, repliesMax } = limits;
  const { readBytesMax, pendingHighBytes, sinkBytesPerTick } = limits;
  const tables = { inputBytes, outputBytes, eventsMax, repliesMax, connectionsMax };
  const options = { ...tables, readBytesMax, pendingHighBytes, sinkBytesPerTick };
  try {
    return network.transportCreate(options, onTick);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    throw new HotspareError(
      'LISTEN',
      `cannot wait for connections: ${(error as Error).message}`,
      'raise ulimit -n',
    );
  }
}
