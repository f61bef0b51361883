/**
 * The standby's side of the lease (lease.ts): what it may still say, and whether it may take over. How it learns of a
 * silence is not decided here: failover/detector.ts counts that from when something was heard.
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
  /** When the newest heartbeat was sent that the primary has echoed: it counted on us then, or later. */
  private confirmedMs = unknownMs;

  /** `firstHeartbeat`: where the numbers of its heartbeats begin. */
  constructor(firstHeartbeat: number) {
    this.heartbeatTimes = new HeartbeatTimes(firstHeartbeat);
  }

  get state(): StandbyState {
    return this.current;
  }

  /** How long after a heartbeat that was echoed the copy may be served. 0 before the first welcome. */
  get lengthMs(): number {
    return leaseMsOf(this.ackTimeoutMs);
  }

  get isConfirmed(): boolean {
    return this.confirmedMs !== unknownMs;
  }

  /** When it ends, by the clock of `beat`. */
  get endsMs(): number {
    return this.confirmedMs + this.lengthMs;
  }

  /** The number that our heartbeats echo; 0 while nothing was heard. */
  get echo(): number {
    return this.heardHeartbeat;
  }

  /** True while what it says would be a promise that it keeps. */
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

  /** A new copy begins, of a primary with these terms. Nothing that an earlier one said counts. */
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

  /** The primary goes on without this copy, or it is damaged, or another reign goes on: it is served no more. */
  spoil(): void {
    this.current = 'copying';
  }

  /** The number of a heartbeat that is sent now. Only while `mayPromise`. */
  beat(nowMs: number): number {
    return this.heartbeatTimes.send(nowMs);
  }

  /** A sign of life of the primary: the number of its heartbeat, and the newest of ours it had heard; 0 for neither. */
  heard(beat: number, echo: number): void {
    if (beat !== 0) this.heardHeartbeat = beat;
    this.confirm(echo);
  }

  /** The primary has heard our heartbeat with this number. False when it is none of ours, or too old to tell. */
  confirm(echo: number): boolean {
    const sentMs = this.heartbeatTimes.timeOf(echo);
    if (sentMs === unknownMs) return false;
    this.confirmedMs = Math.max(this.confirmedMs, sentMs);
    return true;
  }

  /**
   * The takeover begins, unless the copy may not be served at this very moment: returns which. From now on nothing is
   * promised, or else nothing is left of the copy. Whoever calls this acts with nothing in between that may block.
   */
  claim(nowMs: number): boolean {
    const may = this.mayServe(nowMs);
    this.current = may ? 'claiming' : 'copying';
    return may;
  }
}
