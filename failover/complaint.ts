/** What keeps a node from its work, said once, and again now and then for as long as it is so. */
import type { HotspareError } from '../src/base/errors.js';
import { complaintMs } from '../src/base/limits.js';
import type { Log } from '../src/process/log.js';

export class Complaint {
  private readonly log: Log;
  private sentence = '';
  private saidMs = 0;

  constructor(log: Log) {
    this.log = log;
  }

  /** Says what is wrong, `what` the node does about it itself, and what the operator can do. */
  say({ message, remedy }: HotspareError, what: string, nowMs: number): void {
    if (message === this.sentence && nowMs - this.saidMs < complaintMs) return;
    this.sentence = message;
    this.saidMs = nowMs;
    this.log.say(`${message}; ${what} (${remedy})`);
  }

  /** The next time it is another matter, whatever its words. */
  forget(): void {
    this.sentence = '';
  }
}
