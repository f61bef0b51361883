/**
 * A standby, as its primary sees it: its link, its copy, its acks, its lease, and the rule by which it is given up.
 *
 *      OPENING ─the link carries─► COPYING ─last block acked, SYNCED is sent─► COUNTED ─heartbeat echoed─► IN SYNC
 *         │                           │                                           └─────────┬───────────────┘
 *         │                           │                             dropped, or ended ◄─────┴─────► link lost
 *         └──────────lost─────────────┴───────────► OUT ◄────────────────┘                             │
 *                                                    ▲                                                 ▼
 *                                                    └──lease over, it attaches anew, or it is dead── HELD
 *
 * From COUNTED on the standby is a member of the in-sync set: every reply waits for its acks, so that a standby which
 * believes itself whole never lacks what a client was told. A HELD standby acks nothing, and may take over for as long
 * as its lease lasts, so replies wait for it, too. Its channel stays open where it can, as the
 * standby tells there if it reigns.
 */
import { copyingMs, unackedBatchesMax } from '../../src/base/limits.js';
import type { Wire } from '../../src/net/wire.js';
import type { Log } from '../../src/process/log.js';
import type { Region } from '../../src/store/region.js';
import type { Channel, ChannelOwner } from '../channel/channel.js';
import { type FrameHeader, FrameType } from '../channel/frame.js';
import { type Proof, parse, type Refusal } from '../channel/hello.js';
import { firstHeartbeat, unknownMs } from '../lease/heartbeat-times.js';
import { PrimaryLease } from '../lease/primary-lease.js';
import { type Link, linkName } from '../link/link.js';
import type { LinkChoice } from '../link/link-choice.js';
import { LinkSetup, type LinkSetupParts } from '../link/link-setup.js';
import type { MirrorSettings } from '../mirror-settings.js';
import { Latencies } from './latency.js';
import type { Member } from './quorum.js';
import { Resync } from './resync.js';
import type { UnackedBatches } from './unacked-batches.js';

export type ReplicaState = 'opening' | 'copying' | 'counted' | 'in_sync' | 'held' | 'out';

/** How a standby was lost. */
export interface Loss {
  /**
   * 'broken': the link is lost, and the channel still carries. 'dead': the standby has given up its copy, or its
   * process has ended.
   */
  readonly how: 'lost' | 'broken' | 'dropped' | 'dead';
  /** Every reply waited for this standby. */
  readonly isMember: boolean;
  /** `--ack sync`. */
  readonly isSync: boolean;
}

/** Events of a replica, told to its primary. */
export interface ReplicaEvents {
  /** A frame came from the standby, on a connection that has not been given up. */
  spoke(replica: Replica): void;
  /** The link carries: the copy has begun, and batches may be sent. */
  opened(replica: Replica): void;
  /** The standby has acked more than before. */
  acked(replica: Replica): void;
  /** SYNCED is about to be sent: every reply waits for this standby from now on. */
  counted(replica: Replica): void;
  /** The standby may take over from now on. */
  synced(replica: Replica): void;
  /** Sends the journal's records to all replicas as a batch; returns the newest sequence. */
  flush(): number;
  /** The replica is of no use any more. 'broken': its link is lost, and its channel still carries. */
  lost(replica: Replica, reason: string, how: 'lost' | 'broken'): void;
  /** The standby says that it reigns, and where standbys attach to it. */
  reigns(replica: Replica, epoch: number, link: string | null): void;
  /** The standby has ended in order, and given up its copy. */
  left(replica: Replica): void;
}

/** The parts that all replicas of a primary share. */
export interface ReplicaParts {
  readonly wire: Wire;
  readonly region: Region;
  /** The region's number in the addon. */
  readonly regionId: number;
  readonly mirrorSettings: MirrorSettings;
  readonly log: Log;
  readonly unacked: UnackedBatches;
  readonly events: ReplicaEvents;
  /** The present epoch. */
  readonly epoch: () => number;
}

export class Replica implements ChannelOwner, Member {
  readonly node: string;
  readonly channel: Channel;
  /** Where the standby lets others attach when it reigns, or null. */
  readonly address: string | null;
  /** The newest batch that the standby has acked. */
  acked: number;
  /** How long batches waited for this standby's acks. */
  readonly latencies = new Latencies(0);
  /** Null until the link carries, and once it is lost. */
  link: Link | null = null;
  private readonly parts: ReplicaParts;
  private readonly lease: PrimaryLease;
  /** Sets the link up, and knows why it is that link; lives as long as the link. */
  private linkSetup: LinkSetup | null = null;
  /** The copy, until the standby may take over. */
  private resync: Resync | null = null;
  private blocksAcked = 0;
  /** The batch behind which SYNCED is sent. */
  private syncedSequence = 0;
  /** When a frame last came from the standby. */
  private heardMs: number;

  constructor(parts: ReplicaParts, channel: Channel, proof: Proof) {
    const { mirrorSettings, unacked, wire } = parts;
    this.parts = parts;
    this.channel = channel;
    this.node = proof.node;
    this.address = proof.link;
    this.acked = unacked.sequence;
    this.heardMs = wire.nowMs;
    const { ackTimeoutMs, heartbeatMs } = mirrorSettings;
    const leaseTimes = { deadAfterMs: proof.deadAfterMs, ackTimeoutMs, heartbeatMs };
    this.lease = new PrimaryLease(leaseTimes, firstHeartbeat(parts.wire.ports.random));
  }

  get state(): ReplicaState {
    const { state } = this.lease;
    if (state === 'counted') return this.resync === null ? 'in_sync' : 'counted';
    if (state !== 'copying') return state;
    return this.link === null ? 'opening' : 'copying';
  }

  get isMember(): boolean {
    return this.lease.isMember;
  }

  /** A member that can still ack. */
  get isCounted(): boolean {
    return this.lease.state === 'counted';
  }

  get isHeld(): boolean {
    return this.lease.state === 'held';
  }

  /** How long nobody is answered once this standby is lost. */
  get holdMs(): number {
    return this.lease.holdMs;
  }

  /** Why this link was chosen. */
  get why(): string {
    return this.linkSetup?.why ?? '';
  }

  /** The progress of the copy; null before it begins, and once it is whole. */
  get copy(): Pick<Resync, 'doneBytes' | 'totalBytes'> | null {
    return this.resync;
  }

  /** True when no more should be sent to this standby for now. */
  get isFull(): boolean {
    const { link } = this;
    if (link === null) return false;
    return link.isFull || this.parts.unacked.sequence - this.acked >= unackedBatchesMax - 1;
  }

  /** Welcomes the standby; `opened` follows. */
  open(parts: Omit<LinkSetupParts, 'channel' | 'events'>, choice: LinkChoice): void {
    const { channel } = this;
    const { events } = this.parts;
    const linkSetupParts = {
      ...parts,
      channel,
      events: {
        opened: (link: Link) => {
          if (!this.isGone) this.begin(link);
        },
        refused: ({ code, message, remedy }: { code: string; message: string; remedy: string }) => {
          // The standby's copy may still count.
          const refusal: Refusal = { code, reason: message, remedy, disowns: false };
          channel.sendMessage(FrameType.REFUSED, refusal);
          if (!this.isGone) events.lost(this, message, 'lost');
        },
        acked: (sequence: number, blocks: number) => {
          if (!this.isGone) this.ack(sequence, blocks);
        },
        broken: (reason: string, revoked: boolean) => {
          if (this.isGone) return;
          // A standby closes its memory to us right before it reigns.
          if (revoked) events.reigns(this, this.parts.epoch() + 1, this.address);
          else events.lost(this, reason, 'broken');
        },
      },
    };
    this.linkSetup = new LinkSetup(linkSetupParts, choice);
    this.linkSetup.start();
  }

  frameReceived(header: FrameHeader, bytes: Uint8Array, at: number): void {
    const { events, wire } = this.parts;
    const payload = bytes.subarray(at, at + header.length);
    switch (header.type) {
      case FrameType.DEPOSED:
        events.reigns(this, header.epoch, parse('deposed', payload)?.link ?? null);
        return;
      case FrameType.LEAVING:
        events.left(this);
        return;
      default:
    }
    // A frame of a standby whose link broke, and which has not noticed yet, is passed over.
    if (this.isGone) return;
    events.spoke(this);
    this.heardMs = wire.nowMs;
    if (header.type === FrameType.HEARTBEAT) {
      this.lease.heard(header.sequence, header.count);
    } else if (header.type === FrameType.MEMORY) {
      if (this.linkSetup?.registrationReceived(payload) === true) return;
      events.lost(this, 'its memory makes no sense', 'lost');
    } else if (!this.takes(header)) {
      events.lost(this, `it sent a frame of type ${header.type}`, 'lost');
    }
  }

  inputDrained(): void {}

  channelLost(reason: string): void {
    if (!this.isGone) this.parts.events.lost(this, reason, 'lost');
  }

  /** Whether a reply to a request executed by now needs an empty batch, to ask if this standby has taken over. */
  mustAsk(nowMs: number): boolean {
    if (nowMs <= this.lease.promisedUntilMs || this.link === null) return false;
    const { sequence } = this.parts.unacked;
    const isIdle = this.acked === sequence;
    const sentMs = isIdle ? unknownMs : this.parts.unacked.committedAt(sequence);
    return this.lease.mustAsk(nowMs, sentMs, this.link.ackedByProcess);
  }

  /** Keeps a few blocks on their way, and sends SYNCED behind the last. */
  proceed(): void {
    const { resync, link, parts } = this;
    if (resync === null || link === null || this.isCounted || resync.waitsForTurn) return;
    const epoch = parts.epoch();
    if (resync.proceed(link, epoch, this.blocksAcked)) {
      // The copy goes on once clients and heartbeats have had their turn.
      resync.waitsForTurn = true;
      parts.wire.ports.timers.soon(() => {
        resync.waitsForTurn = false;
        if (!this.isGone) this.proceed();
      });
    }
    if (!resync.isSent || this.blocksAcked < resync.blocksSent) return;
    // A block may be read late, and hold bytes of any batch up to the newest, so the copy is whole only behind that
    // batch.
    this.syncedSequence = parts.events.flush();
    this.lease.count();
    parts.events.counted(this);
    link.sendSynced(epoch, this.syncedSequence);
  }

  /** Called every heartbeat. Returns why the standby is to be dropped, as it acks too late; null when it is not. */
  overdue(nowMs: number): string | null {
    // After an absence of our own, acks that came meanwhile are read before the standby is judged by them.
    if (!this.lease.wasAwake(nowMs)) return null;
    const waitedMs = this.waitedMs(nowMs);
    const silentMs = nowMs - this.heardMs;
    // No reply waits for a standby that copies, and mapping its memory may take long.
    const { ackTimeoutMs } = this.parts.mirrorSettings;
    const limitMs = this.isCounted ? ackTimeoutMs : copyingMs;
    if (waitedMs <= limitMs && silentMs <= limitMs) return null;
    const what = waitedMs > limitMs ? 'no ack' : 'nothing heard';
    const ms = Math.round(Math.max(waitedMs, silentMs));
    return `${what} for ${ms} ms (${this.isCounted ? `--ack-timeout ${limitMs}` : `${limitMs} ms`})`;
  }

  /** Sends a heartbeat, with the echo of the standby's newest. */
  beat(nowMs: number): void {
    const { link, lease } = this;
    const epoch = this.parts.epoch();
    if (link === null) {
      this.channel.send({ type: FrameType.HEARTBEAT, epoch });
      return;
    }
    const echo = lease.echo(this.waitedMs(nowMs));
    link.beat(epoch, lease.beat(nowMs), echo);
    link.poll();
    if (this.isCounted && echo !== 0 && this.acked >= this.syncedSequence) this.confirm();
    else this.tellProgress();
  }

  /**
   * A member is lost: it stays a member until `end`. With `mayReign` it may take over for a while yet; without, its
   * lease is over.
   */
  hold(nowMs: number, mayReign: boolean, how: Loss['how']): void {
    this.lease.lose(nowMs, mayReign);
    this.closeLink();
    // A standby that took over says so on the channel, which therefore stays open while it may take over.
    if (how === 'lost' || !mayReign) this.channel.close(how !== 'lost');
  }

  /** True once: when this lost standby cannot take over any more. */
  isOver(nowMs: number): boolean {
    return this.lease.isOver(nowMs);
  }

  /** The replica is no member any more. With `flush` the frames sent before still leave. */
  end(flush: boolean): void {
    this.lease.end();
    this.closeLink();
    this.channel.close(flush);
  }

  /** True when no frame of the standby matters any more, except that it reigns. */
  private get isGone(): boolean {
    return this.isHeld || this.lease.state === 'out';
  }

  private begin(link: Link): void {
    const { region, log, regionId, wire, events } = this.parts;
    const resync = new Resync(region, regionId, wire.ports);
    this.link = link;
    this.acked = this.parts.unacked.sequence;
    this.resync = resync;
    events.opened(this);
    const size = mebibytes(resync.totalBytes);
    const over = linkName(link);
    log.say(`standby ${this.node} attached over ${over}; resync of ${size} MiB begins`);
    log.detail(`the link is ${over}: ${this.why}`);
    this.proceed();
  }

  /** A frame for the link, or for the link that is being set up. False when it is for neither. */
  private takes(header: FrameHeader): boolean {
    const { link, linkSetup } = this;
    return link === null
      ? linkSetup?.firstAckReceived(header.type) === true
      : link.ackReceived(header);
  }

  private ack(sequence: number, blocks: number): void {
    const { unacked, events } = this.parts;
    if (sequence > unacked.sequence || sequence < this.acked) {
      events.lost(this, `it acked batch ${sequence}, which was not sent`, 'lost');
      return;
    }
    if (sequence > this.acked) {
      const now = this.parts.wire.nowMs;
      for (let one = this.acked + 1; one <= sequence; one++)
        this.latencies.add(now - unacked.committedAt(one));
      this.lease.acked(unacked.committedAt(sequence), this.link?.ackedByProcess === true);
    }
    this.acked = sequence;
    this.blocksAcked = blocks;
    events.acked(this);
    this.tellProgress();
    this.proceed();
  }

  /** How long the oldest batch that this standby has not acked has waited for its ack, in ms. */
  waitedMs(nowMs: number): number {
    const { unacked } = this.parts;
    return this.acked === unacked.sequence ? 0 : nowMs - unacked.committedAt(this.acked + 1);
  }

  private tellProgress(): void {
    const { resync, node } = this;
    const quarter = resync?.passedQuarter() ?? null;
    if (resync === null || quarter === null) return;
    const total = mebibytes(resync.totalBytes);
    this.parts.log.say(`resync of ${node}: ${quarter} % of ${total} MiB`);
  }

  /** A heartbeat of the standby was echoed behind SYNCED: it may take over now. */
  private confirm(): void {
    const { resync, node } = this;
    if (resync === null) return;
    this.resync = null;
    this.parts.log.say(`standby ${node} is in sync (${mebibytes(resync.doneBytes)} MiB copied)`);
    this.parts.events.synced(this);
  }

  private closeLink(): void {
    this.linkSetup?.close();
    this.link = null;
    this.resync = null;
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
