/**
 * `--require-standbys`: writes are refused while fewer standbys are in sync. The log says when that begins and ends,
 * and `stats` since when it is so. Reads go on.
 */
import type { Log } from '../../src/process/log.js';

export class WriteGate {
  private readonly required: number;
  private readonly log: Log;
  private inSync = 0;
  /** When writes began to be refused; null while they are taken. */
  private sinceMs: number | null;

  constructor(required: number, log: Log, nowMs: number) {
    this.required = required;
    this.log = log;
    this.sinceMs = required > 0 ? nowMs : null;
    if (required > 0) this.sayRefused();
  }

  get refuses(): boolean {
    return this.sinceMs !== null;
  }

  /** So many standbys are in sync now. */
  count(inSync: number, nowMs: number): void {
    this.inSync = inSync;
    const refuses = inSync < this.required;
    if (refuses === this.refuses) return;
    const seconds = this.seconds(nowMs);
    this.sinceMs = refuses ? nowMs : null;
    if (refuses) this.sayRefused();
    else this.log.say(`${inSync} in sync: writes are taken again, after ${seconds} s`);
  }

  /** Rows of `stats`. */
  rows(nowMs: number): [string, string | number][] {
    return [
      ['mirror_standbys_required', this.required],
      ['mirror_writes_refused', this.refuses ? 1 : 0],
      ['mirror_writes_refused_s', this.seconds(nowMs)],
    ];
  }

  /** For how long writes have been refused, in whole seconds; 0 while they are taken. */
  private seconds(nowMs: number): number {
    return this.sinceMs === null ? 0 : Math.floor((nowMs - this.sinceMs) / 1000);
  }

  private sayRefused(): void {
    const { inSync, required } = this;
    this.log.say(
      `${inSync} of ${required} required standbys in sync: writes are refused until more are`,
    );
  }
}
