/**
 * Bounds how long a tick may last. The executing code asks after each command whether the rest must wait for the next
 * tick, so that heartbeats, acks and other clients get their turn, however much one client asks for. Each connection of
 * a tick has an equal share of its time (and the time that earlier connections left over), and executes at least one
 * command.
 *
 * Reading the clock is dear, so commands are counted, and the clock is read once for many of them; after a command that
 * may have been long, it is read at once. A connection that comes when the time is over therefore still executes the
 * short commands that lie between two looks: nobody starves behind a client whose commands are long.
 */
import { commandsPerLook, tickMs } from './limits.js';

export class Budget {
  private readonly clock: () => number;
  /** Cost that may be spent before the clock is looked at. */
  private left = commandsPerLook;
  private shareMs = 0;
  private endMs = 0;

  /** `clock` gives milliseconds; asking it costs as much as half a command. */
  constructor(clock: () => number) {
    this.clock = clock;
  }

  /** A tick began at `nowMs` of the clock; `connections` are served in it. */
  begin(connections: number, nowMs: number): void {
    this.left = commandsPerLook;
    this.shareMs = tickMs / connections;
    this.endMs = nowMs;
  }

  /** The next connection is served. */
  serveNext(): void {
    this.endMs += this.shareMs;
  }

  /** The share of one connection in an amount that a whole tick may use up. */
  shareOf(amount: number): number {
    return (amount * this.shareMs) / tickMs;
  }

  /**
   * The time is over: the caller executes nothing more, and each later connection at most as much as fits before a
   * look.
   */
  end(): void {
    this.left = 0;
    this.endMs = Number.NEGATIVE_INFINITY;
  }

  /** The caller has done something that may have been long: the next question reads the clock. */
  weigh(): void {
    this.left = 0;
  }

  /** True when the time is over. The caller asks after each command, or other work that costs about as much. */
  isSpent(): boolean {
    return --this.left < 0 && this.look();
  }

  private look(): boolean {
    this.left = commandsPerLook;
    return this.clock() >= this.endMs;
  }
}
