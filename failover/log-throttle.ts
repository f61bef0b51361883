/**
 * Logs what keeps a node from its work, and what it tries again and again, once, and then once a minute for as long as
 * it lasts.
 */
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
    if (this.isDue(message, nowMs)) this.log.say(`${message}; ${what} (${remedy})`);
  }

  /** Logs a line of `-v`. */
  detail(line: string, nowMs: number): void {
    if (this.isDue(line, nowMs)) this.log.detail(line);
  }

  /** Logs the next line at once, even with the same words. */
  forget(): void {
    this.saidMs.clear();
  }

  private isDue(sentence: string, nowMs: number): boolean {
    const { saidMs } = this;
    const lastMs = saidMs.get(sentence);
    if (lastMs !== undefined && nowMs - lastMs < complaintMs) return false;
    saidMs.delete(sentence);
    saidMs.set(sentence, nowMs);
    if (saidMs.size > sentencesMost) saidMs.delete([...saidMs.keys()][0]!);
    return true;
  }
}
