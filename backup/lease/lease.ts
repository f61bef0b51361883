/**
 * The standby's lease: how lately the primary was surely still ours. Every heartbeat is numbered, the primary echoes
 * the number, and the time the heartbeat was sent counts, not the time the echo came (docs/decisions/lease.md). Pure.
 */
import { leaseShare } from '../../src/base/limits.js';

/** Heartbeats whose send time is remembered; a power of two. An echo comes within two or three. */
const beatsRemembered = 1024;

export class Lease {
  private ackTimeoutMs = 0;
  /** How many heartbeats were sent; the wire carries the low 32 bits of their number back. */
  private beats: number;
  /** When each of our last heartbeats was sent. */
  private readonly beatMs = new Float64Array(beatsRemembered);
  /** When the newest heartbeat was sent that the primary has echoed: it was our primary then, or later. */
  private confirmedMs = 0;

  /** `beats`: heartbeats that were sent before; a test begins where the number outgrows the wire. */
  constructor(beats = 0) {
    this.beats = beats;
  }

  /** How long after a heartbeat that was echoed the copy may be served. 0 before the first welcome. */
  get lengthMs(): number {
    return this.ackTimeoutMs * leaseShare;
  }

  get isConfirmed(): boolean {
    return this.confirmedMs !== 0;
  }

  /** When it ends, by the clock of `beat`. */
  get endsMs(): number {
    return this.confirmedMs + this.lengthMs;
  }

  holds(nowMs: number): boolean {
    return nowMs < this.endsMs;
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

  /**
   * The primary has heard our heartbeat whose number has these low 32 bits; 0 says that it has heard none. False when
   * the number is none of ours, or too old to tell.
   */
  confirm(echo: number): boolean {
    const age = (this.beats - echo) >>> 0;
    if (echo === 0 || age >= beatsRemembered || age >= this.beats) return false;
    const sentMs = this.beatMs[(this.beats - age) & (beatsRemembered - 1)]!;
    this.confirmedMs = Math.max(this.confirmedMs, sentMs);
    return true;
  }
}
