/**
 * The primary's side of the lease (lease.ts), towards one standby: what it may be told, until when its promise lets
 * replies leave, and for how long nobody is answered once it is lost.
 */
import { HeartbeatTimes, unknownMs } from './heartbeat-times.js';
import { holdMsOf, promiseMsOf } from './lease.js';

/** A longer gap between two heartbeats of ours than this many is this node's own absence. */
const awakeHeartbeats = 3;

export interface LeaseTimes {
  /** The standby's: silence after which it takes over. */
  readonly deadAfterMs: number;
  /** Ours. */
  readonly ackTimeoutMs: number;
  readonly heartbeatMs: number;
}

export type CountedState = 'copying' | 'counted' | 'held' | 'out';

export class PrimaryLease {
  private current: CountedState = 'copying';
  private readonly times: LeaseTimes;
  private readonly heartbeatTimes: HeartbeatTimes;
  private readonly promiseMs: number;
  /** Its newest heartbeat: ours echo it. */
  private heardHeartbeat = 0;
  /** When the newest thing was sent of which we know that it was heard, and how long its answer is good for. */
  private promisedMs = unknownMs;
  private lastHeartbeatMs = unknownMs;
  /** When the hold is over; only while 'held'. */
  private heldUntilMs = 0;

  /** `firstHeartbeat`: where the numbers of its heartbeats begin. */
  constructor(times: LeaseTimes, firstHeartbeat: number) {
    this.heartbeatTimes = new HeartbeatTimes(firstHeartbeat);
    this.times = times;
    this.promiseMs = promiseMsOf(times.deadAfterMs);
  }

  get state(): CountedState {
    return this.current;
  }

  /** True while replies wait for it: it may take over, or could when it was lost. */
  get isMember(): boolean {
    return this.current === 'counted' || this.current === 'held';
  }

  /** How long nobody is answered once it is lost. */
  get holdMs(): number {
    return holdMsOf(this.times.ackTimeoutMs);
  }

  /** Until when its promise covers what is executed. */
  get promisedUntilMs(): number {
    return this.promisedMs;
  }

  /** SYNCED is given to the link: from now on it may take over, and no reply leaves without it. */
  count(): void {
    if (this.current === 'copying') this.current = 'counted';
  }

  /** The number of a heartbeat that is sent now. */
  beat(nowMs: number): number {
    return this.heartbeatTimes.send(nowMs);
  }

  /** Once before each heartbeat: whether this node was there since the one before. Else acks may lie unread. */
  wasAwake(nowMs: number): boolean {
    const gapMs = nowMs - this.lastHeartbeatMs;
    this.lastHeartbeatMs = nowMs;
    return gapMs < this.times.heartbeatMs * awakeHeartbeats;
  }

  /**
   * The echo that a heartbeat carries: 0 while a batch has waited for its ack for so long that the standby may be
   * dropped before a lease that is given now would be over.
   */
  echo(waitedMs: number): number {
    return waitedMs + this.holdMs <= this.times.ackTimeoutMs ? this.heardHeartbeat : 0;
  }

  /** A heartbeat of the standby: its number, and the newest of ours it had heard; 0 for none. */
  heard(beat: number, echo: number): void {
    this.heardHeartbeat = beat;
    this.promised(this.heartbeatTimes.timeOf(echo), this.promiseMs);
  }

  /**
   * A batch that was sent then is acked. `byStandby`: its process has read it. Otherwise only its memory has, which is
   * open to us until a takeover begins: that says that none had begun when the batch was sent, and promises nothing.
   */
  acked(sentMs: number, byStandby: boolean): void {
    this.promised(sentMs, byStandby ? this.promiseMs : 0);
  }

  /**
   * Whether a reply to what was executed by now needs a batch of its own to ask whether the standby has taken over: not
   * while its promise covers this moment, nor when the ack of a batch that is under way will. `sentMs`: when the newest
   * of those was sent, or `unknownMs`; `byStandby` as in `acked`.
   */
  mustAsk(nowMs: number, sentMs: number, byStandby: boolean): boolean {
    if (nowMs <= this.promisedMs || this.current !== 'counted') return false;
    return nowMs > sentMs + (byStandby ? this.promiseMs : 0);
  }

  /**
   * A standby that was counted on is lost: it may take over for a while yet, and `isOver` says when that has passed.
   * Without `mayReign` its lease is known to be over already. It is 'held' until `end`.
   */
  lose(nowMs: number, mayReign = true): void {
    this.current = 'held';
    this.heldUntilMs = mayReign ? nowMs + this.holdMs : Number.POSITIVE_INFINITY;
  }

  /** True once: when a standby that was lost cannot take over any more, however slow its clock. */
  isOver(nowMs: number): boolean {
    if (this.current !== 'held' || nowMs < this.heldUntilMs) return false;
    this.heldUntilMs = Number.POSITIVE_INFINITY;
    return true;
  }

  /** It will not take over any more. */
  end(): void {
    this.current = 'out';
  }

  private promised(sentMs: number, lengthMs: number): void {
    this.promisedMs = Math.max(this.promisedMs, sentMs + lengthMs);
  }
}
