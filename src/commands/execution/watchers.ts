/**
 * Connections that watch (`watch`), and their lines. Lines are collected while a tick runs and leave with its replies,
 * so that no watcher sees a write before the standby has it (law 3). A watcher that reads too slowly misses lines and
 * is told how many; it slows no other client.
 */
import { watchedBytesPerTick, watcherBytesMax, watchersMost } from '../../base/limits.js';
import { ascii } from '../../protocol/reply.js';

/** The topics of `watch`. memcached knows the last ones, too; here no event belongs to them. */
export const Topic = {
  fetchers: 1,
  mutations: 2,
  evictions: 4,
  connevents: 8,
  deletions: 512,
  rawcmds: 16,
  sysevents: 32,
  proxyreqs: 64,
  proxyevents: 128,
  proxyuser: 256,
} as const;

/** The output for lines: the transport's face at the end of a tick. */
export interface LineOutput {
  /** False when there is no room in this tick. */
  append(connection: number, first: Uint8Array, second: Uint8Array): boolean;
  /** Bytes that a connection has not taken yet. */
  pendingBytes(connection: number): number;
}

interface Watcher {
  readonly connection: number;
  readonly topics: number;
  /** Lines that it has missed and not been told of. */
  skipped: number;
}

/** A line of this tick: its last byte stands before `end`. */
interface LogLine {
  readonly topic: number;
  readonly end: number;
}

const none = new Uint8Array(0);

/** The lines for a watcher in a tick. */
interface Chosen {
  readonly bytes: Uint8Array;
  readonly count: number;
}

export class Watchers {
  /** Topics with a watcher, as a sum; 0 when there is no watcher. */
  topics = 0;
  written = 0;
  sent = 0;
  skipped = 0;
  private readonly watchers: Watcher[] = [];
  private readonly lines: LogLine[] = [];
  /** Bytes of the lines, made once for all watchers; allocated for the first watcher. */
  private bytes = Buffer.alloc(0);
  private bytesUsed = 0;
  /** Number of the last line: memcached's gid. */
  private lastLine = 0;

  /** True when this tick has enough output for all watchers together. */
  get isFull(): boolean {
    return this.bytesUsed * this.watchers.length > watchedBytesPerTick;
  }

  get count(): number {
    return this.watchers.length;
  }

  /** Adds a watcher. False when there are as many as there may be. */
  add(connection: number, topics: number): boolean {
    if (this.watchers.length === watchersMost) return false;
    if (this.bytes.length === 0) this.bytes = Buffer.alloc(watcherBytesMax);
    this.watchers.push({ connection, topics, skipped: 0 });
    this.topics |= topics;
    return true;
  }

  remove(connection: number): void {
    const index = this.watchers.findIndex((watcher) => watcher.connection === connection);
    if (index < 0) return;
    this.watchers.splice(index, 1);
    this.topics = this.watchers.reduce((all, { topics }) => all | topics, 0);
  }

  /** Notes a line; `wallMs` is Unix time. */
  log(topic: number, wallMs: number, text: string): void {
    if ((this.topics & topic) === 0) return;
    this.lastLine++;
    this.written++;
    const seconds = Math.floor(wallMs / 1000);
    const microseconds = Math.floor((wallMs - seconds * 1000) * 1000);
    const line = `ts=${seconds}.${microseconds} gid=${this.lastLine} ${text}\n`;
    if (this.bytesUsed + line.length > watcherBytesMax) {
      for (const watcher of this.watchers)
        if ((watcher.topics & topic) !== 0) this.skip(watcher, 1);
      return;
    }
    this.bytesUsed += this.bytes.write(line, this.bytesUsed, 'latin1');
    this.lines.push({ topic, end: this.bytesUsed });
  }

  /** A tick ends: its lines are sent with its replies. */
  flush(output: LineOutput): void {
    if (this.lines.length === 0) return;
    const chosen = new Map<number, Chosen>();
    for (const watcher of this.watchers) {
      const { topics } = watcher;
      const lines = chosen.get(topics) ?? this.choose(topics);
      chosen.set(topics, lines);
      if (lines.count > 0) this.send(watcher, lines, output);
    }
    this.lines.length = 0;
    this.bytesUsed = 0;
  }

  resetCounters(): void {
    this.written = 0;
    this.sent = 0;
    this.skipped = 0;
  }

  /** The lines of some topics, one after another. */
  private choose(topics: number): Chosen {
    const { bytes, lines } = this;
    if (lines.every(({ topic }) => (topic & topics) !== 0)) {
      return { bytes: bytes.subarray(0, this.bytesUsed), count: lines.length };
    }
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const { topic, end } of lines) {
      if ((topic & topics) !== 0) parts.push(bytes.subarray(from, end));
      from = end;
    }
    return { bytes: Buffer.concat(parts), count: parts.length };
  }

  private send(watcher: Watcher, { bytes, count }: Chosen, output: LineOutput): void {
    const { connection, skipped } = watcher;
    const missed = skipped === 0 ? none : ascii(`skipped=${skipped}\n`);
    const length = missed.length + bytes.length;
    const room = output.pendingBytes(connection) + length <= watcherBytesMax;
    if (room && output.append(connection, missed, bytes)) {
      watcher.skipped = 0;
      this.sent += count;
    } else {
      this.skip(watcher, count);
    }
  }

  private skip(watcher: Watcher, lines: number): void {
    watcher.skipped += lines;
    this.skipped += lines;
  }
}
