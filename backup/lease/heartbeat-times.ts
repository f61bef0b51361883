/**
 * The send times of a node's last heartbeats, by number; the other side echoes the numbers. A frame carries the low 32
 * bits of a number, and 0 for none, so that one heartbeat in 2^32 cannot be echoed. Pure.
 */

/** A power of two; far more than enough, as an echo comes within two or three heartbeats. */
const heartbeatsRemembered = 1024;

/** Bytes of a number in a frame. */
export const heartbeatBytes = 4;

/** The send time of a heartbeat that is not known. */
export const unknownMs = Number.NEGATIVE_INFINITY;

export class HeartbeatTimes {
  /** The newest number. */
  private count: number;
  private readonly sentMs = new Float64Array(heartbeatsRemembered).fill(unknownMs);

  /**
   * `count`: where the numbers begin. A random beginning makes numbers outgrow 32 bits in some session, as they may in
   * any.
   */
  constructor(count: number) {
    this.count = count;
  }

  /** The number of a heartbeat that is sent now. */
  send(nowMs: number): number {
    this.count++;
    this.sentMs[this.count & (heartbeatsRemembered - 1)] = nowMs;
    return this.count;
  }

  /** The send time of the heartbeat whose number has these low 32 bits; `unknownMs` where it is forgotten, or none. */
  timeOf(echo: number): number {
    const age = (this.count - echo) >>> 0;
    if (echo === 0 || age >= heartbeatsRemembered) return unknownMs;
    return this.sentMs[(this.count - age) & (heartbeatsRemembered - 1)]!;
  }
}

/** Where the numbers of a session's heartbeats begin. */
export function firstHeartbeat(random: (bytes: number) => Buffer): number {
  return random(heartbeatBytes).readUInt32LE(0);
}
