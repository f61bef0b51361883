/**
 * The primary's own absence: after one its standby may have taken over, and acks may lie unread. Told by the gap
 * between what this node said, and between its heartbeats. Pure.
 */
import type { Attached } from './attached.js';

/** A longer gap than this many heartbeats is this node's own absence. */
const awakeBeats = 3;

export class Absence {
  /** True when this node was silent for so long that its standby may reign by now. */
  doubtful = false;
  private spokeMs = 0;
  private lastBeatMs = 0;

  /** Something was sent that the standby must ack: no reply leaves before it has. */
  asked(nowMs: number): void {
    this.spokeMs = nowMs;
    this.doubtful = false;
  }

  /** A heartbeat was sent: it is answered by nothing that clears a doubt. */
  spoke(nowMs: number): void {
    this.spokeMs = nowMs;
  }

  /** Looks how long this node has said nothing. */
  note(standby: Attached, nowMs: number): void {
    if (standby.inSync && nowMs - this.spokeMs > standby.deadAfterMs) this.doubtful = true;
  }

  /** Once a heartbeat: whether this node was there since the one before. */
  wasAwake(nowMs: number, heartbeatMs: number): boolean {
    const gapMs = nowMs - this.lastBeatMs;
    this.lastBeatMs = nowMs;
    return gapMs < heartbeatMs * awakeBeats;
  }
}
