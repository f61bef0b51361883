/** Logs an error that keeps a node from its work once, and again once a minute for as long as it lasts. */
import type { HotspareError } from '../src/base/errors.js';
import { complaintMs } from '../src/base/limits.js';
import type { Log } from '../src/process/log.js';

/** Sentences that are remembered: a node that tries several addresses has one for each. */
const sentencesMost = 16;

export class LogThrottle {
  private readonly log: Log;
  /** When each sentence was last said, the oldest first. */
  private readonly saidMs = new Map<string, number>();

  constructor(log: Log) {
    this.log = log;
  }

  /** Logs the error, `what` the node does about it itself, and the remedy for the operator. */
  say({ message, remedy }: HotspareError, what: string, nowMs: number): void {
    const { saidMs } = this;
    const lastMs = saidMs.get(message);
    if (lastMs !== undefined && nowMs - lastMs < complaintMs) return;
    saidMs.delete(message);
    saidMs.set(message, nowMs);
    if (saidMs.size > sentencesMost) saidMs.delete([...saidMs.keys()][0]!);
    this.log.say(`${message}; ${what} (${remedy})`);
  }

  /** Logs the next error at once, even with the same words. */
  forget(): void {
    this.saidMs.clear();
  }
}
