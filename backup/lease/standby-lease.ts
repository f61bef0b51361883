/**
 * The standby's side of the lease (lease.ts): what it may still promise, and whether it may take over. The silence of
 * its primary is not measured here, but in failover/detector.ts.
 */
import { HeartbeatTimes, unknownMs } from './heartbeat-times.js';
import { leaseMsOf } from './lease.js';

export type StandbyState = 'copying' | 'whole' | 'claiming';

export class StandbyLease {
  private current: StandbyState = 'copying';
  private ackTimeoutMs = 0;
  private readonly heartbeatTimes: HeartbeatTimes;
  /** The primary's newest heartbeat of this session: our heartbeats echo it. */
  private heardHeartbeat = 0;
  /** The send time of our newest heartbeat that the primary has echoed: the primary counted on us then, or later. */
  private confirmedMs = unknownMs;

  /** `firstHeartbeat`: where the numbers of our heartbeats begin. */
  constructor(firstHeartbeat: number) {
    this.heartbeatTimes = new HeartbeatTimes(firstHeartbeat);
  }

  get state(): StandbyState {
    return this.current;
  }

  /** How long the copy may be served after we sent a heartbeat that was echoed. 0 before the first welcome. */
  get lengthMs(): number {
    return leaseMsOf(this.ackTimeoutMs);
  }

  get isConfirmed(): boolean {
    return this.confirmedMs !== unknownMs;
  }

  /** When the lease ends, by the clock of `beat`. */
  get endsMs(): number {
    return this.confirmedMs + this.lengthMs;
  }

  /** The number of the primary's heartbeat that ours echo; 0 while none was heard. */
  get echo(): number {
    return this.heardHeartbeat;
  }

  /** True while this standby keeps the promise that a heartbeat or an ack would make. */
  get mayPromise(): boolean {
    return this.current !== 'claiming';
  }

  holds(nowMs: number): boolean {
    return nowMs < this.endsMs;
  }

  /** True while the copy may be served: it is whole, and the primary does not go on without it yet. */
  mayServe(nowMs: number): boolean {
    return this.current !== 'copying' && this.holds(nowMs);
  }

  /** A new copy begins, of a primary with this `--ack-timeout`. No heartbeat of an earlier session counts. */
  begin(ackTimeoutMs: number): void {
    this.ackTimeoutMs = ackTimeoutMs;
    this.current = 'copying';
    this.confirmedMs = unknownMs;
    this.heardHeartbeat = 0;
  }

  /** The copy is whole. */
  synced(): void {
    if (this.current === 'copying') this.current = 'whole';
  }

  /** The copy is served no more: the primary goes on without it, or it is damaged, or another reign goes on. */
  spoil(): void {
    this.current = 'copying';
  }

  /** The number of our heartbeat that is sent now. Called only while `mayPromise`. */
  beat(nowMs: number): number {
    return this.heartbeatTimes.send(nowMs);
  }

  /**
   * A sign of life of the primary: the number of its heartbeat, and the newest of ours that it had heard; 0 for
   * neither.
   */
  heard(beat: number, echo: number): void {
    if (beat !== 0) this.heardHeartbeat = beat;
    this.confirm(echo);
  }

  /**
   * The primary has heard our heartbeat with this number. False when the number is none of ours, or too old to tell.
   */
  confirm(echo: number): boolean {
    const sentMs = this.heartbeatTimes.timeOf(echo);
    if (sentMs === unknownMs) return false;
    this.confirmedMs = Math.max(this.confirmedMs, sentMs);
    return true;
  }

  /**
   * Begins the takeover, and returns true, when the copy may be served at this very moment; from then on nothing is
   * promised. Otherwise the copy is given up. The caller must act on the answer with nothing in between that may block.
   */
  claim(nowMs: number): boolean {
    const may = this.mayServe(nowMs);
    this.current = may ? 'claiming' : 'copying';
    return may;
  }
}
