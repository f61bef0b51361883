/**
 * A raw client: sends bytes in the pieces a test chooses, and reads bytes until the test has what it waits for. It
 * knows no command. Every wait has a deadline, and its error shows the bytes that had come instead.
 */
import { connect as connectSocket, type Socket } from 'node:net';
import { within } from './until.js';

const CONNECT_MS = 5000;
const READ_MS = 5000;
const SHOWN_BYTES_MAX = 400;

/** How to cut sent bytes: pieces of `pieceBytes`; of a huge payload only `edgeBytes` at either end are cut. */
export interface Cut {
  readonly pieceBytes: number;
  readonly edgeBytes?: number;
}

export class Client {
  /** The port of this end, also once it is closed. */
  readonly localPort: number | undefined;
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  /** Bytes that have come since, and their length. They are joined only when read, as joining copies all of them. */
  #chunks: Buffer[] = [];
  #chunksLength = 0;
  #closed = false;
  #finished = false;
  #wake: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.localPort = socket.localPort;
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
      this.#chunksLength += chunk.length;
      this.#wake?.();
    });
    // A reset is one way for a server to close: Linux sends it when unread bytes are left.
    socket.on('error', () => this.#end());
    socket.on('close', () => this.#end());
    socket.on('end', () => this.#end());
  }

  static connect(host: string, port: number): Promise<Client> {
    return Client.to({ host, port });
  }

  static async to(place: { host: string; port: number } | { path: string }): Promise<Client> {
    const socket = connectSocket({ ...place, allowHalfOpen: true });
    try {
      await within(
        `a connection to ${Object.values(place).join(':')}`,
        CONNECT_MS,
        new Promise<void>((resolve, reject) => {
          socket.once('connect', resolve);
          socket.once('error', reject);
        }),
      );
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return new Client(socket);
  }

  /** Makes a client of a socket that is connected already, be it TLS. */
  static over(socket: Socket): Client {
    return new Client(socket);
  }

  /** Sends all bytes, in pieces where `cut` says so; bytes that the server no longer wants to read are dropped. */
  async send(bytes: Buffer | string, cut?: Cut): Promise<void> {
    const all = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    if (cut === undefined) {
      await this.#write(all);
      return;
    }
    for (const piece of pieces(all, cut)) {
      if (this.#closed) {
        return;
      }
      // A piece that the kernel takes at once needs no callback: a table sends half a million of them.
      if (this.#socket.writableLength > 0 || !this.#socket.writable) await this.#write(piece);
      else this.#socket.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Reads exactly `length` bytes. */
  async read(length: number, withinMs = READ_MS): Promise<Buffer> {
    const came = () => this.#received.length + this.#chunksLength >= length;
    await this.#wait(came, `${length} bytes`, withinMs);
    this.peek();
    return this.#take(length);
  }

  /** Reads one line, without its end. */
  async readLine(withinMs = READ_MS): Promise<string> {
    await this.#wait(() => this.peek().includes('\r\n'), 'a line', withinMs);
    const line = this.#take(this.peek().indexOf('\r\n') + 2);
    return line.toString('latin1', 0, line.length - 2);
  }

  /** Reads everything that has come, once `enough` is true of it. */
  async readUntil(what: string, enough: (text: string) => boolean, withinMs = READ_MS) {
    await this.#wait(() => enough(this.peek().toString('latin1')), what, withinMs);
    return this.#take(this.peek().length);
  }

  /**
   * Reads everything that has come, once it is as long as `expected`, or differs. Every byte is compared once, as it
   * comes: a reply of megabytes that is put together anew for each of its parts takes seconds.
   */
  async readLike(what: string, expected: Buffer, withinMs = READ_MS): Promise<Buffer> {
    let compared = 0;
    let chunk = 0;
    const begins = (bytes: Buffer): boolean => {
      const from = compared;
      compared += bytes.length;
      return bytes.equals(expected.subarray(from, compared));
    };
    let isLike = begins(this.peek());
    const isEnough = (): boolean => {
      for (; chunk < this.#chunks.length; chunk++) isLike = begins(this.#chunks[chunk]!) && isLike;
      return !isLike || compared >= expected.length;
    };
    await this.#wait(isEnough, what, withinMs);
    return this.take();
  }

  /** Reads everything that comes before the server closes. */
  async readClosed(withinMs = READ_MS): Promise<Buffer> {
    await this.#wait(() => this.#closed, 'the server to close', withinMs, true);
    return this.#take(this.peek().length);
  }

  /** Bytes that have come and were not taken yet. */
  peek(): Buffer {
    if (this.#chunks.length > 0) {
      this.#received = Buffer.concat([this.#received, ...this.#chunks]);
      this.#chunks = [];
      this.#chunksLength = 0;
    }
    return this.#received;
  }

  /** Takes the bytes that have come, even if none. */
  take(): Buffer {
    return this.#take(this.peek().length);
  }

  closed(): boolean {
    return this.#closed;
  }

  /** Stops reading, as a slow client does: replies pile up at the server. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Shuts this side down: the server sees the end of the requests, and can still answer. */
  finish(): void {
    this.#finished = true;
    this.#socket.end();
  }

  /** Drops the connection at once, with a reset on demand. */
  close(reset = false): void {
    // libuv cannot reset a socket that is being shut down, and Node would leave it open, and spin on it.
    if (reset && !this.#finished) {
      this.#socket.resetAndDestroy();
    } else {
      this.#socket.destroy();
    }
    this.#end();
  }

  #write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed || !this.#socket.writable) {
        resolve();
        return;
      }
      // A server that stops reading must not stop the test: the close, or the reader's deadline, ends it.
      this.#socket.once('close', resolve);
      this.#socket.write(bytes, () => {
        this.#socket.off('close', resolve);
        resolve();
      });
    });
  }

  #take(length: number): Buffer {
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  #end(): void {
    this.#closed = true;
    this.#wake?.();
  }

  async #wait(ready: () => boolean, what: string, withinMs: number, closing = false) {
    const deadline = performance.now() + withinMs;
    while (!ready()) {
      const leftMs = deadline - performance.now();
      if ((this.#closed && !closing) || leftMs <= 0) {
        const why = this.#closed ? 'the server closed' : `nothing more came in ${withinMs} ms`;
        throw new Error(`waited for ${what}; ${why}; so far: ${shown(this.peek())}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = null;
    }
  }
}

/** Bytes as text for a message: printable, and without the middle where long. */
export function shown(bytes: Buffer | string): string {
  const text = JSON.stringify(typeof bytes === 'string' ? bytes : bytes.toString('latin1'));
  if (text.length <= SHOWN_BYTES_MAX) {
    return text;
  }
  const half = SHOWN_BYTES_MAX / 2;
  return `${text.slice(0, half)} … ${text.slice(-half)} (${bytes.length} bytes)`;
}

function* pieces(all: Buffer, cut: Cut): Generator<Buffer> {
  const edge = cut.edgeBytes ?? all.length;
  const rest = 65_536;
  for (let at = 0; at < all.length; ) {
    const atEdge = at < edge || at >= all.length - edge;
    const end = atEdge ? at + cut.pieceBytes : Math.min(at + rest, all.length - edge);
    yield all.subarray(at, Math.min(end, all.length));
    at = Math.min(end, all.length);
  }
}
