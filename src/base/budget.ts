/**
 * How long a tick may last. Whoever executes asks after each command whether the rest must wait for the next tick, so
 * that heartbeats, acks and other clients get their turn, whatever one client asks for. Each connection of a tick has
 * an equal share of its time (and what those before it left), and executes at least one command.
 *
 * Commands are counted, and the clock is read once for many of them; after one that may have been long, at once. So a
 * connection that comes when the time is over executes as many short commands as lie between two looks: nobody starves
 * behind one who asks for what is long.
 */
import { commandsPerLook, tickMs } from './limits.js';

export class Budget {
  private readonly clock: () => number;
  /** Cost that may be spent before the clock is looked at. */
  private left = commandsPerLook;
  private shareMs = 0;
  private endMs = 0;

  /** `clock` gives milliseconds; to ask it costs as much as half a command. */
  constructor(clock: () => number) {
    this.clock = clock;
  }

  /** A tick began at `nowMs` of the clock; so many connections are served in it. */
  begin(connections: number, nowMs: number): void {
    this.left = commandsPerLook;
    this.shareMs = tickMs / connections;
    this.endMs = nowMs;
  }

  /** The next connection is served. */
  serveNext(): void {
    this.endMs += this.shareMs;
  }

  /** Of something that a tick may do so much of: the equal share of one connection. */
  shareOf(amount: number): number {
    return (amount * this.shareMs) / tickMs;
  }

  /** The time is over: who has done this executes nothing more, and whoever comes next no more than up to one look. */
  end(): void {
    this.left = 0;
    this.endMs = Number.NEGATIVE_INFINITY;
  }

  /** Something was done that may have been long. */
  weigh(): void {
    this.left = 0;
  }

  /** To be asked after each command (or what costs about as much): true when the time is over. */
  isSpent(): boolean {
    return --this.left < 0 && this.look();
  }

  private look(): boolean {
    this.left = commandsPerLook;
    return this.clock() >= this.endMs;
  }
}
