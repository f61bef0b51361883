/**
 * Connections that watch (`watch`), and the lines they are sent. Lines are collected while a tick runs and leave with
 * its replies, so that nobody sees a write before the standby has it (law 3). A watcher that reads too slowly misses
 * lines and is told how many; it never slows anybody else.
 */
import { watcherBytesMax, watchersMost } from './limits.js';
import { ascii } from './protocol/reply.js';

/** What can be watched. memcached knows the last ones, too; here nothing happens that they would tell. */
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

/** Where lines go: the transport's face at the end of a tick. */
export interface LineOutput {
  /** False when there is no room in this tick. */
  append(connection: number, bytes: Uint8Array): boolean;
  /** Bytes that a connection has not taken yet. */
  pendingBytes(connection: number): number;
}

interface Watcher {
  readonly connection: number;
  readonly topics: number;
  /** Lines it has missed and not been told of. */
  skipped: number;
}

interface LogLine {
  readonly topic: number;
  readonly text: string;
}

export class Watchers {
  /** What anybody watches: the sum of topics, 0 when there is no watcher. */
  topics = 0;
  written = 0;
  sent = 0;
  skipped = 0;
  private readonly watchers: Watcher[] = [];
  private lines: LogLine[] = [];
  private linesBytes = 0;
  /** Number of the last line: memcached's gid. */
  private lastLine = 0;

  get count(): number {
    return this.watchers.length;
  }

  /** False when there are as many as there may be. */
  add(connection: number, topics: number): boolean {
    if (this.watchers.length === watchersMost) return false;
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
    if (this.linesBytes + line.length > watcherBytesMax) {
      for (const watcher of this.watchers)
        if ((watcher.topics & topic) !== 0) this.skip(watcher, 1);
      return;
    }
    this.linesBytes += line.length;
    this.lines.push({ topic, text: line });
  }

  /** A tick ends: its lines are sent with its replies. */
  flush(output: LineOutput): void {
    if (this.lines.length === 0) return;
    for (const watcher of this.watchers) this.send(watcher, output);
    this.lines = [];
    this.linesBytes = 0;
  }

  resetCounters(): void {
    this.written = 0;
    this.sent = 0;
    this.skipped = 0;
  }

  private send(watcher: Watcher, output: LineOutput): void {
    const lines = this.lines.filter(({ topic }) => (watcher.topics & topic) !== 0);
    if (lines.length === 0) return;
    const missed = watcher.skipped === 0 ? '' : `skipped=${watcher.skipped}\n`;
    const bytes = ascii(missed + lines.map(({ text }) => text).join(''));
    const room = output.pendingBytes(watcher.connection) + bytes.length <= watcherBytesMax;
    if (room && output.append(watcher.connection, bytes)) {
      watcher.skipped = 0;
      this.sent += lines.length;
    } else {
      this.skip(watcher, lines.length);
    }
  }

  private skip(watcher: Watcher, lines: number): void {
    watcher.skipped += lines;
    this.skipped += lines;
  }
}
