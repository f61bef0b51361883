/**
 * The face of the native addon: all that C++ does for this program.
 *
 * Three things live there: a region (mapped memory, handed over as ArrayBuffers), a transport (one epoll set that reads
 * all ready sockets into one buffer and calls TypeScript once), and a checksum. The addon knows connections, bytes and
 * barriers; no command, no key, no role. It reports failures as codes; an exception out of it therefore means a
 * programming error here.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** A failure of the operating system: errno's name (`EADDRINUSE`) and the call that gave it (`bind`). */
export interface NativeFailure {
  readonly error: string;
  readonly call: string;
}

export interface RegionOptions {
  /** Bytes before the pages (superblock, page table, buckets). A multiple of 4096. Below 4 GiB. */
  readonly headBytes: number;
  /** Bytes of pages. A multiple of 4096. */
  readonly pagesBytes: number;
  /**
   * Pages are handed out in ArrayBuffers of this many bytes (a power of two, at most 1 GiB). The last may be
   * shorter.
   */
  readonly segmentBytes: number;
  /** A file to map (created when absent), or null for anonymous memory (memfd). */
  readonly file: string | null;
  /** Gives up the content of the file; never of a file in use. */
  readonly discard: boolean;
  /** mlock the whole mapping (`-k`); ENOMEM or EPERM when RLIMIT_MEMLOCK is too small. */
  readonly lockMemory: boolean;
  /** Ask for huge pages with madvise; best effort, never an error. */
  readonly hugePages: boolean;
}

/** A mapped region. `head` and `segments` are detached (length 0) by `regionClose`. */
export interface NativeRegion {
  /** Small integer that names the region in later calls, until it is closed. */
  readonly id: number;
  readonly head: ArrayBuffer;
  readonly segments: readonly ArrayBuffer[];
  /**
   * True when the memory is all zero: a memfd, or a file that did not exist or was empty. False says only that the
   * file had the right size: a process that died between opening and its first write leaves zeros too.
   */
  readonly created: boolean;
}

export interface TransportOptions {
  /**
   * Bytes of the shared input buffer: at least twice readBytesMax, better many times. TypeScript may read up to
   * 64 bytes past any event's end (the ArrayBuffer is that much longer).
   */
  readonly inputBytes: number;
  /** Size of the shared output buffer, in bytes. */
  readonly outputBytes: number;
  /** Rows of the event table. */
  readonly eventsMax: number;
  /** Rows of the reply table. */
  readonly repliesMax: number;
  /** Connection slots, clients and links together; ids are 0 … connectionsMax-1. */
  readonly connectionsMax: number;
  /**
   * Most bytes read from one connection in one tick. A row holds at most twice as many, leftover included; a connection
   * of which that many are left unconsumed with Next.MORE is closed (EMSGSIZE).
   */
  readonly readBytesMax: number;
  /**
   * Bytes a connection of group 0 may have unsent or held before it is no longer read from, until half of them
   * are gone. Links are always read from: acks and heartbeats must not wait behind a slow peer.
   */
  readonly pendingHighBytes: number;
  /**
   * Bytes of values (`sink`, `skip`) that may complete in one tick and group, beyond the first value. About as many are
   * read for values that do not complete. The rest waits in its socket.
   */
  readonly sinkBytesPerTick: number;
}

/**
 * Words (i32) of one row of the event table. `OFFSET`/`LENGTH` point into the shared input buffer.
 * TypeScript writes `CONSUMED` and `NEXT` back for a `DATA` row before the tick returns.
 */
export const EventWord = {
  KIND: 0,
  CONNECTION: 1,
  OFFSET: 2,
  LENGTH: 3,
  FILLED: 4,
  CONSUMED: 5,
  NEXT: 6,
  GROUP: 7,
  WORDS: 8,
} as const;

export const EventKind = {
  /**
   * Bytes of a connection: first those left over from the last tick, then those read now. `FILLED` = 1 says that the
   * connection's sink has been filled since the last event; the bytes of this row come after it (LENGTH may be 0).
   */
  DATA: 0,
  /** A listener accepted this connection. OFFSET = the listener's id. Never in the same tick as its first DATA. */
  OPENED: 1,
  /**
   * An outgoing connection is ready (LENGTH = 0) or failed (LENGTH = errno; the id is dead then, and no CLOSED
   * follows).
   */
  CONNECTED: 2,
  /**
   * The peer closed (LENGTH = 0) or the connection broke (LENGTH = errno). The id is dead; bytes already queued
   * for it are still sent after a close by the peer.
   */
  CLOSED: 3,
  /**
   * A reply row of kind REFERENCE was sent or given up: OFFSET = its token. CONNECTION may be dead, or name a
   * later connection.
   */
  RELEASED: 4,
} as const;

/** The values of a DATA row's NEXT: when bytes that were not consumed are delivered again. */
export const Next = {
  /** Deliver again when more bytes have come. */
  MORE: 0,
  /**
   * Deliver again in a later tick, without waiting for bytes, as soon as the connection's pending output is below
   * the high mark.
   */
  AGAIN: 1,
} as const;

/** Words (i32) of one row of the reply table. Rows of one connection are sent in row order. */
export const ReplyWord = {
  CONNECTION: 0,
  KIND: 1,
  OFFSET: 2,
  LENGTH: 3,
  BUFFER: 4,
  TOKEN: 5,
  WORDS: 6,
} as const;

export const ReplyKind = {
  /** Bytes of the shared output buffer; copied if they cannot be sent at once. */
  COPY: 0,
  /**
   * Bytes of a registered buffer (BUFFER, OFFSET, LENGTH), sent from where they are; RELEASED with TOKEN when no
   * longer needed.
   */
  REFERENCE: 1,
} as const;

export interface ListenOptions {
  /** IPv4 or IPv6 literal to bind; ignored with `path`. */
  readonly host: string;
  /** Port; 0 = any free one (see `listenerPort`). */
  readonly port: number;
  /** Unix socket path, or null for TCP. A stale socket file (nobody accepts on it) is replaced. */
  readonly path: string | null;
  /** Permission bits of the unix socket. */
  readonly mode: number;
  readonly backlog: number;
  /** 0 = clients, 1 = links. Links are gathered first, and are not paused. */
  readonly group: 0 | 1;
}

/**
 * An epoll set on Node's loop. When sockets are ready the transport fills the event table and the input buffer, calls
 * `onTick` once, and then sends the rows of the reply table. `onTick(rows)` returns the barrier: replies of this tick
 * to connections of group 0 leave only after `release(sequence)` with a sequence >= barrier (0 = at once). Barriers are
 * expected to grow; a barrier that does not waits for the highest before it. An exception of `onTick` is uncaught, and
 * the transport is destroyed. Promises and `nextTick` callbacks that it started run before its replies leave. Methods
 * that name a connection which is dead do nothing.
 */
export interface NativeTransport {
  readonly input: ArrayBuffer;
  readonly output: ArrayBuffer;
  /** Event table: `eventsMax` rows of EventWord.WORDS i32. */
  readonly events: ArrayBuffer;
  /** Reply table: `repliesMax` rows of ReplyWord.WORDS i32. */
  readonly replies: ArrayBuffer;
  /**
   * Float64 cells shared with TypeScript: [0] reply rows written this tick (TypeScript sets, native resets to 0),
   * [1] bytes read from group 0, [2] bytes written to group 0, [3] bytes held or unsent in group 0,
   * [4] connections of group 0, [5] connections refused because of `limit`, [6] ticks, [7] CLOCK_BOOTTIME at
   * the start of this tick in ms (fractional), [8] microseconds that listeners were off for want of
   * descriptors or slots, [9] times they were turned off, [10] bytes unsent in group 1, [11] CLOCK_REALTIME at
   * the start of this tick in ms, [12] microseconds of the longest tick, reading and sending included.
   */
  readonly counters: Float64Array;

  /** Binds and listens. Returns the listener's id (>= 0), or a failure. */
  listen(options: ListenOptions): number | NativeFailure;
  /** The port a TCP listener is bound to, 0 for a unix socket. */
  listenerPort(listener: number): number;
  /** Stops listening and removes the unix socket's file. Connections stay. */
  closeListener(listener: number): void;
  /**
   * Starts to connect (host is a literal; or a unix path when port is -1). Returns the connection's id; CONNECTED
   * follows, also when the peer refuses at once. A failure is returned only for an error on this side: the address, no
   * slot (ENOBUFS), no descriptor.
   */
  connect(host: string, port: number, group: 0 | 1): number | NativeFailure;
  /**
   * A connection of group 0 over a socket pair: the other end is a descriptor that is the caller's to use and to close.
   * Bytes that come from elsewhere (UDP) are fed in there. It counts as a connection; ENOBUFS when there are as many as
   * `limit` allows.
   */
  pair(): { readonly connection: number; readonly descriptor: number } | NativeFailure;
  /**
   * Puts one end of a socket pair in the place of the socket of a connection that was just accepted: `socket` is the
   * accepted one, `descriptor` the pair's other end, and both are the caller's to use and to close.
   */
  divert(
    connection: number,
  ): { readonly socket: number; readonly descriptor: number } | NativeFailure;
  /**
   * Most connections of group 0 (connectionsMax to begin with); a connection beyond them is answered with `refusal` and
   * closed, or waits to be accepted when `refusal` is empty.
   */
  limit(connections: number, refusal: string): void;

  /**
   * Sends bytes outside the reply table, at once if the socket takes them (so before this tick's rows), behind output
   * that is queued or held, if there is any; it has no barrier of its own. Returns bytes of the connection still
   * unsent, or -1 when it is dead.
   */
  send(connection: number, bytes: Uint8Array, offset: number, length: number): number;
  /**
   * The next `length` bytes from the connection go to `buffer` at `offset`, past the event table. Only in the
   * tick of a row of this connection, or when nothing is left over; bytes of the row that are not consumed are
   * the first to go there.
   */
  sink(connection: number, buffer: number, offset: number, length: number): void;
  /** The next `length` bytes from the connection are thrown away; FILLED = 1 when done. */
  skip(connection: number, length: number): void;
  /**
   * Ends a connection. With `flush`, output that is queued or held for it (this tick's rows too) is sent first, and
   * then input is thrown away until the peer closes too or `sweep` ends it. Without, everything is dropped. No event
   * follows.
   */
  close(connection: number, flush: boolean): void;
  /**
   * Replies behind barriers up to `sequence` may leave; they do at the end of this tick, or at once outside of a
   * tick.
   */
  release(sequence: number): void;
  /**
   * While paused, nothing is accepted, read or delivered for group 0; output goes on, and so do links and
   * RELEASED.
   */
  pause(paused: boolean): void;
  /** Describes one connection; null when it is dead. In the tick of its CLOSED (0) row it is not dead yet. */
  describe(connection: number): ConnectionDescription | null;
  /** Ms since the last byte that went into a connection's sink, as of this tick; -1 when it has none. */
  stalledMs(connection: number): number;
  /** The address of a listener, and its descriptor; null when it is closed. */
  describeListener(
    listener: number,
  ): { readonly address: string; readonly descriptor: number } | null;
  /** Registers memory that sinks and references may name; it must not go away before `unregister` or `destroy`. */
  register(buffer: ArrayBuffer): number;
  /**
   * Forgets registered memory. Connections that still read into it or send from it are ended (CLOSED with
   * ECONNABORTED).
   */
  unregister(buffer: number): void;
  /**
   * Closes connections that have been draining after a close for at least this many ms (0: also those that were closed
   * in this tick, whose rows are dropped), and lets listeners that are off for want of descriptors try again. To be
   * called every second or so.
   */
  sweep(drainingMs: number): void;
  /** Closes every socket and leaves Node's loop; within a tick, once its replies are out. No event follows. */
  destroy(): void;
}

export interface ConnectionDescription {
  /** The peer's address: tcp:1.2.3.4:5, tcp6:[::1]:5, unix:/path. */
  readonly address: string;
  /** The address of our end. */
  readonly listenAddress: string;
  readonly descriptor: number;
  /** Output that is unsent or held. */
  readonly pendingBytes: number;
}

/** The result of scanning a part of a region. */
export interface Scanned {
  /** All bytes before this offset, from where the scan began, are zero. */
  readonly at: number;
  /** This many bytes from `at` were found; none of their pages of 4 KiB is all zero. 0: none was found yet. */
  readonly length: number;
  /** Bytes that the scan has read. */
  readonly looked: number;
}

/** Seals frames one after another, or opens them: the n-th frame that is opened must be the n-th that was sealed. */
export interface NativeCipher {
  /**
   * Writes the frame bytes[offset, offset+length) to the start of `to`, its payload encrypted, and the tag of 16 bytes
   * behind it. False where OpenSSL refuses, which it never has.
   */
  seal(bytes: Uint8Array, offset: number, length: number, to: Uint8Array): boolean;
  /**
   * Decrypts the payload of the frame and its tag, bytes[offset, offset+length), where it stands. False when it is not
   * the next frame as it was sealed; then no later frame opens either.
   */
  open(bytes: Uint8Array, offset: number, length: number): boolean;
}

interface Addon {
  regionOpen(options: RegionOptions): NativeRegion | NativeFailure;
  /** `regionOpen` in a thread, as reserving or locking gigabytes takes seconds. `done` is called from the loop. */
  regionOpenLater(
    options: RegionOptions,
    done: (opened: NativeRegion | NativeFailure) => void,
  ): void;
  /**
   * Makes a region zero, in a thread of its own, from its end to its superblock. Nobody else may use it, nor close it,
   * until `done` is called.
   */
  regionWipeLater(id: number, done: (failure: NativeFailure | null) => void): void;
  /** Memory files of this user are opened, too, beside those of root and of the process's own. */
  regionTrustOwner(user: number): void;
  /**
   * Detaches the region's ArrayBuffers. A thread unmaps it and frees its pages; its file may be opened again at once.
   * Transports that have the ArrayBuffers registered must forget them first.
   */
  regionClose(id: number): void;
  /** msync of the whole region; only meaningful with a file. Null when it is on disk. */
  regionSync(id: number): NativeFailure | null;
  /**
   * Writes a batch's ranges into a region, in order. `bytes[offset, offset+length)` is a list of records:
   * region offset (u64), length (u32), then that many bytes, padded to a multiple of 4. A 4-byte range is one
   * aligned store. Every record is checked (bounds, alignment to 4, list length) before the first byte is
   * written. Returns the number of ranges written, or -1 when the list is malformed.
   */
  regionApply(id: number, bytes: Uint8Array, offset: number, length: number): number;
  /**
   * Looks in [offset, end) for the first bytes that are not zero, for at most `longest` of them (offset a multiple of
   * 4096, as are `longest` and `budget`). Reads about `budget` bytes. Pages never written are not read nor allocated.
   */
  regionScan(id: number, offset: number, end: number, longest: number, budget: number): Scanned;
  /** CRC32C (Castagnoli, RFC 3720 B.4) of bytes[offset, offset+length), continuing from `seed` (0 to start). */
  crc32c(bytes: Uint8Array, offset: number, length: number, seed: number): number;
  /**
   * AES-256-GCM for one direction (`seals`: outgoing) under the key bytes[offset, offset+length) of 32 bytes. The first
   * `headBytes` of each frame stay in clear. ENOSYS where this Node does not export OpenSSL's functions.
   */
  cipherCreate(
    bytes: Uint8Array,
    offset: number,
    length: number,
    headBytes: number,
    seals: boolean,
  ): NativeCipher | NativeFailure;
  /** A UDP socket bound to an address literal (port 0: any). Its descriptor is the caller's to use and to close. */
  datagramsOpen(
    host: string,
    port: number,
  ): { readonly descriptor: number; readonly port: number } | NativeFailure;
  /** Milliseconds of CLOCK_BOOTTIME, the clock of the event table too. */
  monotonicMs(): number;
  /** Queues the line `head` + `text` for stderr, and never waits. `head` also begins the line about lost lines. */
  logSay(head: string, text: string): void;
  /** Lines that could not be written, or found no room in the queue, since the process began. */
  logLost(): number;
  /** Waits for the queue to be written, at most this long; false when some of it is left. */
  logFlush(milliseconds: number): boolean;
  /** Starts the keeper process, once: it keeps the user that this process has now (docs/decisions/keeper.md). */
  keeperStart(): void;
  transportCreate(options: TransportOptions, onTick: (rows: number) => number): NativeTransport;
}

/** True when a native call reports a failure. */
export function failed(result: unknown): result is NativeFailure {
  return typeof result === 'object' && result !== null && 'error' in result;
}

export const native: Addon = load();

/** The addon stands in build/native at the package's root: three levels up from dist/src/native. */
function load(): Addon {
  const path = join(__dirname, '..', '..', '..', 'build', 'native', 'Release', 'hotspare.node');
  if (!existsSync(path)) {
    throw new Error(`the native addon is missing (${path}); run: npm run build:native`);
  }
  return require(path) as Addon;
}
