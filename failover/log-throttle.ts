/** What keeps a node from its work, said once, and again now and then for as long as it is so. */
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

  /** Says what is wrong, `what` the node does about it itself, and what the operator can do. */
  say({ message, remedy }: HotspareError, what: string, nowMs: number): void {
    const { saidMs } = this;
    const lastMs = saidMs.get(message);
    if (lastMs !== undefined && nowMs - lastMs < complaintMs) return;
    saidMs.delete(message);
    saidMs.set(message, nowMs);
    if (saidMs.size > sentencesMost) saidMs.delete([...saidMs.keys()][0]!);
    this.log.say(`${message}; ${what} (${remedy})`);
  }

  /** The next time it is another matter, whatever its words. */
  forget(): void {
    this.saidMs.clear();
  }
}
