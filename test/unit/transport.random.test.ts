/**
 * Random clients against a random server: pieces of any size, half-consumed rows, AGAIN, sinks, references, held and
 * released replies, pauses and ends, all at once. Whatever happens, a connection's bytes come back in order, every
 * reference is released once, and nothing is left over. `SEED=123 npx jest dist/test/unit/transport.random`
 * repeats one.
 */
import { describe, expect, test } from '@jest/globals';
import { EventKind, Next } from '../../src/native/addon.js';
import {
  type Client,
  open,
  type Row,
  reached,
  serve,
  type TickServer,
} from '../support/tickserver.js';

const seeds =
  process.env['SEED'] === undefined ? [1, 2, 3, 4, 5, 6] : [Number(process.env['SEED'])];

/** mulberry32: small, seeded, good enough to vary. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** The byte that stands at a position of every client's stream. */
const byteAt = (position: number) => (position * 7 + (position >> 8)) & 0xff;

const memoryBytes = 1 << 20;
const slotBytes = memoryBytes / 64;

class RandomServer {
  readonly server: TickServer;
  readonly pick: (below: number) => number;
  private readonly buffer: number;
  private readonly memory = new Uint8Array(memoryBytes);
  private readonly sinking = new Map<number, number>();
  private readonly references = new Set<number>();
  private tokens = 0;
  private sequence = 0;
  quiet = false;

  constructor(seed: number) {
    this.pick = random(seed);
    this.server = serve((row) => this.data(row), {
      inputBytes: 8192,
      readBytesMax: 2000,
      eventsMax: 8,
      pendingHighBytes: 6000,
      sinkBytesPerTick: 3000,
    });
    this.buffer = this.server.transport.register(this.memory.buffer);
    this.server.beforeRows = () => this.beforeRows();
  }

  /** Lets everything go on: nothing held, nothing paused, every byte consumed. */
  settle(): void {
    this.quiet = true;
    this.server.barrier = 0;
    this.server.transport.pause(false);
    this.server.transport.release(Number.POSITIVE_INFINITY);
  }

  releasedOnce(): boolean {
    for (const token of this.server.released()) this.references.delete(token);
    return this.references.size === 0 && new Set(this.server.released()).size === this.tokens;
  }

  between(): void {
    const { transport } = this.server;
    if (this.pick(4) === 0) transport.release(this.pick(this.sequence + 1));
    if (this.pick(40) === 0) transport.pause(true);
    if (this.pick(5) === 0) transport.pause(false);
  }

  private beforeRows(): void {
    if (this.quiet) return;
    this.sequence += this.pick(2);
    this.server.barrier = this.pick(3) === 0 ? 0 : this.sequence;
    if (this.pick(3) === 0) this.server.transport.release(this.sequence - this.pick(3));
  }

  /** Echoes in one of the ways there are. */
  private data(row: Row): { consumed: number; next: number } {
    const { server } = this;
    const slot = row.connection * slotBytes;
    const sunk = this.sinking.get(row.connection) ?? 0;
    if (row.filled === 1) {
      // Copied: the slot may be filled again before a reference to it is sent.
      server.reply(row.connection, this.memory.subarray(slot, slot + sunk));
      this.sinking.delete(row.connection);
    }
    if (this.quiet) {
      if (row.length > 0) server.reply(row.connection, row.text);
      return { consumed: row.length, next: 0 };
    }
    const consumed = this.pick(4) === 0 ? this.pick(row.length + 1) : row.length;
    this.echo(row, consumed);
    if (this.pick(10) === 0) {
      const length = this.pick(slotBytes / 4);
      this.sinking.set(row.connection, length);
      server.transport.sink(row.connection, this.buffer, slot, length);
    }
    // What is not consumed must come back by itself, or the client would wait for ever.
    return { consumed, next: Next.AGAIN };
  }

  private echo(row: Row, length: number): void {
    if (length === 0) return;
    const { server } = this;
    if (this.pick(4) > 0) {
      server.reply(row.connection, row.text.slice(0, length));
      return;
    }
    // A reference, to memory of its own: it may be sent much later.
    const bytes = Buffer.from(row.text.slice(0, length), 'latin1');
    const buffer = server.transport.register(new Uint8Array(bytes).buffer);
    this.tokens += 1;
    this.references.add(this.tokens);
    server.refer(row.connection, buffer, 0, length, this.tokens);
  }
}

/** Sends `total` bytes in random pieces and checks what comes back. */
class RandomClient {
  sent = 0;
  checked = 0;
  readonly client: Client;

  constructor(client: Client) {
    this.client = client;
  }

  send(most: number): void {
    const piece = Uint8Array.from({ length: most }, (_, i) => byteAt(this.sent + i));
    this.client.send(piece);
    this.sent += piece.length;
  }

  check(): void {
    const bytes = Buffer.from(this.client.received, 'latin1');
    for (const byte of bytes) {
      if (byte !== byteAt(this.checked)) throw new Error(`wrong byte at ${this.checked}`);
      this.checked += 1;
    }
    this.client.received = '';
  }
}

describe('random', () => {
  test.each(seeds)('seed %d', async (seed) => {
    const own = new RandomServer(seed);
    const { server, pick } = own;
    const port = server.listen();
    let clients: RandomClient[] = [];
    for (let step = 0; step < 600; step++) {
      const choice = pick(20);
      if (clients.length < 20 && (choice === 0 || clients.length === 0)) {
        own.server.transport.pause(false);
        clients.push(new RandomClient(await open(port)));
      }
      const some = clients[pick(clients.length)]!;
      if (choice < 14) some.send(1 + pick(pick(8) === 0 ? 20_000 : 300));
      if (choice === 14) some.client.socket.pause();
      if (choice === 15) some.client.socket.resume();
      if (choice === 16 && pick(3) === 0) {
        if (pick(2) === 0) some.client.socket.resetAndDestroy();
        else some.client.socket.destroy();
        clients = clients.filter((client) => client !== some);
      }
      own.between();
      for (const client of clients) client.check();
      if (pick(3) > 0) await new Promise((resolve) => setImmediate(resolve));
    }
    own.settle();
    for (const { client } of clients) client.socket.resume();
    // Enough to fill a sink that is still open.
    for (const client of clients) client.send(slotBytes / 4);
    await reached(() => {
      for (const client of clients) client.check();
      return clients.every((client) => client.checked === client.sent);
    }, 'every echo');
    expect(server.transport.counters[3]).toBe(0);
    for (const { client } of clients) client.socket.end();
    await reached(() => clients.every(({ client }) => client.closed), 'every end');
    await reached(() => server.transport.counters[4] === 0 && own.releasedOnce(), 'every release');
    expect(server.of(EventKind.OPENED).length).toBe(server.of(EventKind.CLOSED).length);
  });
});
