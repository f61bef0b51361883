/**
 * Machines that are connected as by TCP: bytes of a connection arrive in order, each segment after a delay of its own.
 * A segment that cannot pass is sent again, after longer and longer pauses, until it can or the connection times out. A
 * process that is killed leaves its kernel behind, which closes its connections; a machine that is switched off leaves
 * nothing.
 */
import { constants } from 'node:os';
import type { Random } from '../../failover/drill/random.js';
import type { Process, Scheduler } from './scheduler.js';

const { ECONNREFUSED, ECONNRESET, ETIMEDOUT } = constants.errno;

/** Bytes that a kernel keeps for a process that does not read. */
const receiveBytesMax = 256 * 1024;
const retryMsLeast = 200;
/** A lost segment is sent again after this when others follow it. */
const noticedMs = 30;
const retryMsMost = 3200;
/** A connection on which nothing passes for this long is given up. */
const giveUpMs = 15_000;

/** The owner of an end of a connection. */
export interface End {
  /** Bytes have come. */
  readable(): void;
  /** The peer has closed (0), or the connection is broken (errno). */
  closed(errno: number): void;
}

export interface Acceptor {
  readonly host: string;
  readonly port: number;
  readonly owner: Process;
  /** A connection has come; returns its owner. */
  accept(socket: Socket): void;
}

export class Socket {
  end: End | null = null;
  /** Bytes that have come and were not read. */
  readonly inbox: Buffer[] = [];
  inboxBytes = 0;
  /** Bytes on their way, or waiting for it. */
  pendingBytes = 0;
  peer: Socket | null = null;
  /** The process that accepted the connection. */
  owner: Process | null = null;
  readonly host: string;
  readonly port: number;
  /** The kernel that knew the connection is gone. */
  forgotten = false;
  closedHere = false;
  private readonly network: SimNetwork;
  private queue: { readonly bytes: Buffer | null; readonly errno: number; atMs: number }[] = [];
  private isPumping = false;
  private retryMs = 0;
  private stuckSinceMs = -1;

  constructor(network: SimNetwork, host: string, port: number) {
    this.network = network;
    this.host = host;
    this.port = port;
  }

  send(bytes: Buffer): void {
    if (this.closedHere || this.forgotten) return;
    this.pendingBytes += bytes.length;
    this.enqueue(bytes, 0);
  }

  /** Reads the bytes that have come, at most `most`. */
  read(most: number): Buffer {
    const parts: Buffer[] = [];
    let left = most;
    while (left > 0 && this.inbox.length > 0) {
      const first = this.inbox[0]!;
      const part = first.subarray(0, left);
      parts.push(part);
      left -= part.length;
      if (part.length === first.length) this.inbox.shift();
      else this.inbox[0] = first.subarray(part.length);
    }
    this.inboxBytes -= most - left;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** Closes this side after all sent bytes. If bytes were not read, the close is a reset. */
  close(): void {
    if (this.closedHere) return;
    this.closedHere = true;
    this.end = null;
    this.enqueue(null, this.inboxBytes > 0 ? ECONNRESET : 0);
  }

  /** Breaks the connection at once, on both sides. */
  reset(): void {
    for (const socket of [this, this.peer]) {
      if (socket === null || socket.forgotten) continue;
      socket.queue = [];
      socket.forgotten = true;
      socket.end?.closed(ECONNRESET);
    }
  }

  private enqueue(bytes: Buffer | null, errno: number): void {
    const { network } = this;
    const before = this.queue.at(-1)?.atMs ?? 0;
    const atMs = Math.max(
      before,
      network.scheduler.nowMs + network.delay(this.host, this.peer?.host ?? this.host),
    );
    this.queue.push({ bytes, errno, atMs });
    this.pump();
  }

  private pump(): void {
    const next = this.queue[0];
    if (this.isPumping || next === undefined) return;
    this.isPumping = true;
    const { scheduler } = this.network;
    scheduler.after(Math.max(0, next.atMs - scheduler.nowMs, this.retryMs), () => {
      this.isPumping = false;
      this.deliver();
    });
  }

  private deliver(): void {
    const { network, peer } = this;
    const next = this.queue[0];
    if (next === undefined || peer === null || this.forgotten) return;
    if (!network.passes(this.host, peer.host)) {
      this.stick();
      return;
    }
    if (network.loses()) {
      // With more behind it the loss is noticed soon (RACK, RFC 8985); the last segment waits for the timer.
      this.retryMs = this.queue.length > 1 ? noticedMs : retryMsLeast;
      this.pump();
      return;
    }
    // The peer's kernel has forgotten this connection, and answers with a reset.
    if (peer.forgotten) {
      this.queue = [];
      this.forgotten = true;
      this.end?.closed(ECONNRESET);
      return;
    }
    if (peer.inboxBytes > receiveBytesMax) {
      this.retryMs = retryMsLeast;
      this.pump();
      return;
    }
    this.retryMs = 0;
    this.stuckSinceMs = -1;
    this.queue.shift();
    if (next.bytes !== null) {
      this.pendingBytes -= next.bytes.length;
      if (peer.closedHere) {
        // No process reads at the other end any more.
        this.queue = [];
        this.forgotten = true;
        peer.forgotten = true;
        this.end?.closed(ECONNRESET);
        return;
      }
      peer.inbox.push(next.bytes);
      peer.inboxBytes += next.bytes.length;
      peer.end?.readable();
    } else {
      if (next.errno !== 0) peer.forgotten = true;
      peer.end?.closed(next.errno);
    }
    this.pump();
  }

  /** The segment cannot pass: it is sent again, less and less often. */
  private stick(): void {
    const { scheduler } = this.network;
    if (this.stuckSinceMs < 0) this.stuckSinceMs = scheduler.nowMs;
    if (scheduler.nowMs - this.stuckSinceMs > giveUpMs) {
      this.queue = [];
      this.forgotten = true;
      this.end?.closed(ETIMEDOUT);
      return;
    }
    this.retryMs = Math.min(retryMsMost, Math.max(retryMsLeast, this.retryMs * 2));
    this.pump();
  }
}

export class SimNetwork {
  readonly scheduler: Scheduler;
  private readonly random: Random;
  private readonly delayMs: number;
  private readonly lostShare: number;
  private readonly listeners = new Set<Acceptor>();
  /** Directions in which nothing passes: "from to". */
  private readonly cuts = new Map<string, number>();
  /** Machines that are switched off. */
  private readonly down = new Set<string>();
  /** Machines whose firewall refuses connections from elsewhere. */
  private readonly rejecting = new Set<string>();
  private readonly slow = new Map<string, number>();
  private readonly sockets = new Set<Socket>();
  private portsGiven = 32_768;

  /** `delayMs`: the longest delay of a segment between machines; `lostPercent` of segments are lost. */
  constructor(scheduler: Scheduler, random: Random, delayMs: number, lostPercent: number) {
    this.lostShare = lostPercent / 100;
    this.scheduler = scheduler;
    this.random = random;
    this.delayMs = delayMs;
  }

  /** The delay of a segment on its way. */
  delay(from: string, to: string): number {
    return this.random.next() * this.delayMs + (this.slow.get(`${from} ${to}`) ?? 0);
  }

  /** True when a segment is lost on its way. */
  loses(): boolean {
    return this.lostShare > 0 && this.random.next() < this.lostShare;
  }

  passes(from: string, to: string): boolean {
    if (this.down.has(from) || this.down.has(to)) return false;
    return from === to || (this.cuts.get(`${from} ${to}`) ?? 0) === 0;
  }

  /** True when nothing is cut or slowed down on the way from one machine to another, and the second refuses nothing. */
  isClear(from: string, to: string): boolean {
    const isLate = this.slow.has(`${from} ${to}`);
    return this.passes(from, to) && !isLate && !this.rejecting.has(to) && !this.rejecting.has(from);
  }

  /** Cuts or mends a way. Cuts are counted, so a way is open only when all are mended. */
  cut(from: string, to: string, isCut: boolean): void {
    const way = `${from} ${to}`;
    this.cuts.set(way, Math.max(0, (this.cuts.get(way) ?? 0) + (isCut ? 1 : -1)));
  }

  reject(host: string, on: boolean): void {
    if (on) this.rejecting.add(host);
    else this.rejecting.delete(host);
  }

  /** Delays segments on this way by this much. */
  slowDown(from: string, to: string, delayMs: number): void {
    if (delayMs > 0) this.slow.set(`${from} ${to}`, delayMs);
    else this.slow.delete(`${from} ${to}`);
  }

  mend(): void {
    this.cuts.clear();
    this.rejecting.clear();
    this.slow.clear();
  }

  /** Breaks every connection between two machines. */
  reset(one: string, other: string): void {
    for (const socket of this.sockets) {
      const hosts = [socket.host, socket.peer?.host];
      if (hosts.includes(one) && hosts.includes(other)) socket.reset();
    }
  }

  switchOff(host: string): void {
    this.down.add(host);
    for (const socket of this.sockets) if (socket.host === host) this.forget(socket);
  }

  switchOn(host: string): void {
    this.down.delete(host);
  }

  isTaken(host: string, port: number): boolean {
    return [...this.listeners].some((one) => one.host === host && one.port === port);
  }

  listen(acceptor: Acceptor): void {
    this.listeners.add(acceptor);
  }

  unlisten(acceptor: Acceptor): void {
    this.listeners.delete(acceptor);
  }

  freePort(): number {
    return this.portsGiven++;
  }

  /** `connected` is called with 0 or an errno. The first segment leaves after `lagMs`. */
  connect(
    from: string,
    to: string,
    port: number,
    connected: (errno: number) => void,
    lagMs = 0,
  ): Socket {
    const socket = new Socket(this, from, this.freePort());
    const target = to.startsWith('127.') ? from : to;
    let waitMs = 1000;
    const knock = (): void => {
      if (socket.closedHere || socket.forgotten) return;
      if (!this.passes(from, target)) {
        if (waitMs > 8000) {
          connected(ETIMEDOUT);
          return;
        }
        this.scheduler.after(waitMs, knock);
        waitMs *= 2;
        return;
      }
      const acceptor = [...this.listeners].find(
        (one) => one.port === port && (one.host === target || one.host === '0.0.0.0'),
      );
      const refused = acceptor === undefined || (from !== target && this.rejecting.has(target));
      const backMs = this.delay(target, from);
      if (refused) {
        this.scheduler.after(backMs, () => {
          if (!socket.closedHere) connected(ECONNREFUSED);
        });
        return;
      }
      const other = new Socket(this, target, port);
      socket.peer = other;
      other.peer = socket;
      other.owner = acceptor.owner;
      this.sockets.add(socket).add(other);
      acceptor.accept(other);
      this.scheduler.after(backMs, () => {
        if (!socket.closedHere) connected(0);
      });
    };
    this.scheduler.after(lagMs + this.delay(from, target), knock);
    return socket;
  }

  private forget(socket: Socket): void {
    socket.forgotten = true;
    socket.end = null;
    this.sockets.delete(socket);
  }
}
