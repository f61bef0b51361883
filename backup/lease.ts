/**
 * The standby's lease: how lately the primary was surely still ours. Every heartbeat is numbered, the primary echoes
 * the number, and the time the heartbeat was sent counts, not the time the echo came (docs/decisions/lease.md). Pure.
 */
import { leaseShare } from '../src/limits.js';

/** Heartbeats whose send time is remembered; a power of two. An echo comes within two or three. */
const beatsRemembered = 1024;

export class Lease {
  private ackTimeoutMs = 0;
  private beats = 0;
  /** When each of our last heartbeats was sent. */
  private readonly beatMs = new Float64Array(beatsRemembered);
  /** When the newest heartbeat was sent that the primary has echoed: it was our primary then, or later. */
  private confirmedMs = 0;

  /** How long after a heartbeat that was echoed the copy may be served. 0 before the first welcome. */
  get lengthMs(): number {
    return this.ackTimeoutMs * leaseShare;
  }

  get isConfirmed(): boolean {
    return this.confirmedMs !== 0;
  }

  holds(nowMs: number): boolean {
    return nowMs - this.confirmedMs < this.lengthMs;
  }

  /** A new copy begins, and nothing is confirmed of it. */
  forget(): void {
    this.confirmedMs = 0;
  }

  /** The terms of the primary that has welcomed us. */
  agree(ackTimeoutMs: number): void {
    this.ackTimeoutMs = ackTimeoutMs;
  }

  /** The number of a heartbeat that is sent now. */
  beat(nowMs: number): number {
    this.beats++;
    this.beatMs[this.beats & (beatsRemembered - 1)] = nowMs;
    return this.beats;
  }

  /** The primary has heard our heartbeat number `beat`. False when that is none of ours, or too old to tell. */
  confirm(beat: number): boolean {
    if (beat === 0 || beat > this.beats || this.beats - beat >= beatsRemembered) return false;
    this.confirmedMs = Math.max(this.confirmedMs, this.beatMs[beat & (beatsRemembered - 1)]!);
    return true;
  }
}
