/**
 * A transport with the least of a server around it, for tests: rows become objects, replies are queued by name, and
 * tests wait for conditions. Nothing here is fast.
 */
import net from 'node:net';
import { afterEach } from '@jest/globals';
import {
  EventKind,
  EventWord,
  failed,
  type NativeTransport,
  native,
  ReplyKind,
  ReplyWord,
  type TransportOptions,
} from '../../src/native/addon.js';
import { until } from './until.js';

/** How often, and for how long each, a loop is looked at before it counts as spinning. */
const restLooks = 10;
const restLookMs = 30;

export interface Row {
  readonly kind: number;
  readonly connection: number;
  readonly offset: number;
  readonly length: number;
  readonly filled: number;
  readonly group: number;
  readonly tick: number;
  /** The row's bytes as text, copied. */
  readonly text: string;
}

/** A handler's verdict on a DATA row: bytes consumed (all when absent) and NEXT. */
export interface Verdict {
  readonly consumed?: number;
  readonly next?: number;
}

export type Handler = (row: Row, server: TickServer) => Verdict | undefined;

export const defaults: TransportOptions = {
  inputBytes: 1 << 20,
  outputBytes: 1 << 20,
  eventsMax: 1024,
  repliesMax: 1024,
  connectionsMax: 64,
  readBytesMax: 64 << 10,
  pendingHighBytes: 1 << 20,
  sinkBytesPerTick: 4 << 20,
};

export class TickServer {
  readonly transport: NativeTransport;
  readonly rows: Row[] = [];
  readonly output: Uint8Array;
  handler: Handler;
  /** The barrier that the next ticks return. */
  barrier = 0;
  /** Runs once a tick, before its rows. */
  beforeRows: () => void = () => undefined;
  private readonly input: Uint8Array;
  private readonly events: Int32Array;
  private readonly replies: Int32Array;
  private replyRows = 0;
  private outputUsed = 0;

  constructor(handler: Handler = echo, options: Partial<TransportOptions> = {}) {
    this.handler = handler;
    this.transport = native.transportCreate({ ...defaults, ...options }, (rows) => this.tick(rows));
    this.input = new Uint8Array(this.transport.input);
    this.output = new Uint8Array(this.transport.output);
    this.events = new Int32Array(this.transport.events);
    this.replies = new Int32Array(this.transport.replies);
  }

  get ticks(): number {
    return this.transport.counters[6]!;
  }

  /** Listens on a free port of 127.0.0.1 and returns it. */
  listen(group: 0 | 1 = 0): number {
    const listener = must(
      this.transport.listen({
        host: '127.0.0.1',
        port: 0,
        path: null,
        mode: 0,
        backlog: 4096,
        group,
      }),
    );
    return this.transport.listenerPort(listener);
  }

  /** Adds a copy reply to the current tick. */
  reply(connection: number, bytes: string | Uint8Array): void {
    const reply = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    this.output.set(reply, this.outputUsed);
    this.row(connection, ReplyKind.COPY, this.outputUsed, reply.length, 0, 0);
    this.outputUsed += reply.length;
  }

  /** Adds a reference reply to the current tick. */
  refer(connection: number, buffer: number, offset: number, length: number, token: number): void {
    this.row(connection, ReplyKind.REFERENCE, offset, length, buffer, token);
  }

  /** All rows of one kind so far. */
  of(kind: number): Row[] {
    return this.rows.filter((row) => row.kind === kind);
  }

  released(): number[] {
    return this.of(EventKind.RELEASED).map((row) => row.offset);
  }

  private row(...words: [number, number, number, number, number, number]): void {
    this.replies.set(words, this.replyRows * ReplyWord.WORDS);
    this.replyRows += 1;
  }

  private tick(rows: number): number {
    this.replyRows = 0;
    this.outputUsed = 0;
    this.beforeRows();
    for (let i = 0; i < rows; i++) {
      const at = i * EventWord.WORDS;
      const row = this.read(at);
      this.rows.push(row);
      const verdict = row.kind === EventKind.DATA ? this.handler(row, this) : undefined;
      this.events[at + EventWord.CONSUMED] = verdict?.consumed ?? row.length;
      this.events[at + EventWord.NEXT] = verdict?.next ?? 0;
    }
    this.transport.counters[0] = this.replyRows;
    return this.barrier;
  }

  private read(at: number): Row {
    const word = (name: keyof typeof EventWord) => this.events[at + EventWord[name]]!;
    const kind = word('KIND');
    const offset = word('OFFSET');
    const length = word('LENGTH');
    const text =
      kind === EventKind.DATA
        ? Buffer.from(this.input.subarray(offset, offset + length)).toString('latin1')
        : '';
    return {
      kind,
      connection: word('CONNECTION'),
      offset,
      length,
      filled: word('FILLED'),
      group: word('GROUP'),
      tick: this.ticks,
      text,
    };
  }
}

export const echo: Handler = (row, server) => {
  server.reply(row.connection, row.text);
  return undefined;
};

/** Consumes whole lines only, and answers each with itself. */
export const lines: Handler = (row, server) => {
  const end = row.text.lastIndexOf('\n') + 1;
  if (end > 0) server.reply(row.connection, row.text.slice(0, end));
  return { consumed: end };
};

/** The value; throws when the native call reports a failure. */
export function must<T>(result: T): Exclude<T, { error: string }> {
  if (failed(result)) throw new Error(`${result.call}: ${result.error}`);
  return result as Exclude<T, { error: string }>;
}

/** Resolves once the condition holds; it is tried in every turn of the loop, as ticks are. */
export async function reached(condition: () => boolean, what = 'a condition'): Promise<void> {
  await until(what, condition, { everyMs: 0 });
}

/**
 * Throws unless the loop comes to rest: for a while there are no ticks, and the process is mostly off the processor,
 * whatever else uses it. A spinning loop never rests; a compiler's or collector's thread is soon done. Only watching
 * for a time can show that nothing spins, so this is the one place that waits for time.
 */
export async function rests(server: TickServer): Promise<void> {
  let found = '';
  for (let look = 0; look < restLooks; look++) {
    const { ticks } = server;
    const begun = performance.now();
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, restLookMs));
    const { user, system } = process.cpuUsage(before);
    const busy = (user + system) / 1000 / (performance.now() - begun);
    if (server.ticks === ticks && busy <= 0.5) return;
    found = `${server.ticks - ticks} ticks, the processor is busy for ${busy} of the time`;
  }
  throw new Error(found);
}

/** A net.Socket that keeps the bytes it receives. */
export class Client {
  received = '';
  ended = false;
  closed = false;
  error: NodeJS.ErrnoException | null = null;

  readonly socket: net.Socket;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.received += chunk.toString('latin1');
    });
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  static async open(to: number | string, options: { allowHalfOpen?: boolean } = {}) {
    const target = typeof to === 'number' ? { port: to, host: '127.0.0.1' } : { path: to };
    const client = new Client(net.connect({ ...target, ...options }));
    await reached(() => client.error !== null || !client.socket.connecting, 'a connection');
    if (client.error !== null) throw client.error;
    client.socket.setNoDelay(true);
    return client;
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  async expect(text: string): Promise<void> {
    await reached(() => this.received.length >= text.length || this.closed, 'a reply');
    if (this.received !== text) {
      throw new Error(
        `expected ${JSON.stringify(text.slice(0, 200))} (${text.length}), ` +
          `got ${JSON.stringify(this.received.slice(0, 200))} (${this.received.length})`,
      );
    }
    this.received = '';
  }
}

const servers: TickServer[] = [];
const clients: Client[] = [];

/** A server that is destroyed after the test. */
export function serve(...options: ConstructorParameters<typeof TickServer>): TickServer {
  const server = new TickServer(...options);
  servers.push(server);
  return server;
}

/** A client that is destroyed after the test. */
export async function open(to: number | string, options = {}): Promise<Client> {
  const client = await Client.open(to, options);
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients) client.socket.destroy();
  for (const server of servers) server.transport.destroy();
  await reached(() => clients.every((client) => client.closed));
  clients.length = 0;
  servers.length = 0;
});
