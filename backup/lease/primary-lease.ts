/**
 * The primary's side of the lease (lease.ts), towards one standby: which echo that standby may be sent, until when its
 * promise lets replies leave, and for how long nobody is answered once it is lost.
 */
import { HeartbeatTimes, unknownMs } from './heartbeat-times.js';
import { holdMsOf, promiseMsOf } from './lease.js';

/** A gap of more than this many heartbeat intervals between two of our heartbeats is this node's own absence. */
const awakeHeartbeats = 3;

export interface LeaseTimes {
  /** The standby's `--dead-after`: silence after which it takes over. */
  readonly deadAfterMs: number;
  /** The primary's `--ack-timeout` and `--heartbeat`. */
  readonly ackTimeoutMs: number;
  readonly heartbeatMs: number;
}

export type CountedState = 'copying' | 'counted' | 'held' | 'out';

export class PrimaryLease {
  private current: CountedState = 'copying';
  private readonly times: LeaseTimes;
  private readonly heartbeatTimes: HeartbeatTimes;
  private readonly promiseMs: number;
  /** The standby's newest heartbeat, which our heartbeats echo. */
  private heardHeartbeat = 0;
  /** Until when the standby's promises cover what is executed: the send time of what it answered, and its promise. */
  private promisedMs = unknownMs;
  private lastHeartbeatMs = unknownMs;
  /** When the hold is over; valid only while 'held'. */
  private heldUntilMs = 0;

  /** `firstHeartbeat`: where the numbers of our heartbeats begin. */
  constructor(times: LeaseTimes, firstHeartbeat: number) {
    this.heartbeatTimes = new HeartbeatTimes(firstHeartbeat);
    this.times = times;
    this.promiseMs = promiseMsOf(times.deadAfterMs);
  }

  get state(): CountedState {
    return this.current;
  }

  /** True while replies wait for the standby: it may take over, or could when it was lost. */
  get isMember(): boolean {
    return this.current === 'counted' || this.current === 'held';
  }

  /** How long nobody is answered once the standby is lost. */
  get holdMs(): number {
    return holdMsOf(this.times.ackTimeoutMs);
  }

  /** Until when the standby's promise covers the requests that are executed. */
  get promisedUntilMs(): number {
    return this.promisedMs;
  }

  /** SYNCED is given to the link: from now on the standby may take over, and no reply leaves without it. */
  count(): void {
    if (this.current === 'copying') this.current = 'counted';
  }

  /** The number of our heartbeat that is sent now. */
  beat(nowMs: number): number {
    return this.heartbeatTimes.send(nowMs);
  }

  /**
   * Called once before each heartbeat: whether this node ran since the last one. After an absence acks may lie unread.
   */
  wasAwake(nowMs: number): boolean {
    const gapMs = nowMs - this.lastHeartbeatMs;
    this.lastHeartbeatMs = nowMs;
    return gapMs < this.times.heartbeatMs * awakeHeartbeats;
  }

  /**
   * The echo that our heartbeat carries. An echo renews the standby's lease, so it is 0 while a batch has waited so
   * long for its ack that the standby may be dropped before a renewed lease would be over.
   */
  echo(waitedMs: number): number {
    return waitedMs + this.holdMs <= this.times.ackTimeoutMs ? this.heardHeartbeat : 0;
  }

  /** A heartbeat of the standby has come: its number, and the newest of ours that it had heard; 0 for none. */
  heard(beat: number, echo: number): void {
    this.heardHeartbeat = beat;
    this.promised(this.heartbeatTimes.timeOf(echo), this.promiseMs);
  }

  /**
   * A batch that was sent at `sentMs` is acked. `byStandby`: the standby's process has read it. Otherwise a network
   * card has placed it in the standby's memory, which is open to us until a takeover begins. Such an ack shows that
   * no takeover had begun when the batch was sent, and promises nothing.
   */
  acked(sentMs: number, byStandby: boolean): void {
    this.promised(sentMs, byStandby ? this.promiseMs : 0);
  }

  /**
   * Whether a reply to a request executed by now needs a batch of its own, which asks whether the standby has taken
   * over. No batch is needed while the standby's promise covers this moment, nor when the ack of a batch under way will
   * cover it. `sentMs`: when the newest batch under way was sent, or `unknownMs`; `byStandby` as in `acked`.
   */
  mustAsk(nowMs: number, sentMs: number, byStandby: boolean): boolean {
    if (nowMs <= this.promisedMs || this.current !== 'counted') return false;
    return nowMs > sentMs + (byStandby ? this.promiseMs : 0);
  }

  /**
   * A standby that was counted is lost. Until its lease is over it may take over; `isOver` says when that time has
   * passed. Without `mayReign` its lease is known to be over already. The state is 'held' until `end`.
   */
  lose(nowMs: number, mayReign = true): void {
    this.current = 'held';
    this.heldUntilMs = mayReign ? nowMs + this.holdMs : Number.POSITIVE_INFINITY;
  }

  /** True once: when a lost standby cannot take over any more, however slow its clock. */
  isOver(nowMs: number): boolean {
    if (this.current !== 'held' || nowMs < this.heldUntilMs) return false;
    this.heldUntilMs = Number.POSITIVE_INFINITY;
    return true;
  }

  /** The standby will not take over any more. */
  end(): void {
    this.current = 'out';
  }

  private promised(sentMs: number, lengthMs: number): void {
    this.promisedMs = Math.max(this.promisedMs, sentMs + lengthMs);
  }
}
