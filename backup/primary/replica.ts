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
 * From COUNTED on it is a member of the in-sync set: every reply waits for its acks, so a standby that believes itself
 * whole never lacks what a client was told. Replies wait for it while it is HELD, too: it may take over for as long as
 * its lease lasts, and it acks nothing. The channel stays open then where it can: a standby that reigns says so there.
 */
import { copyingMs, unackedBatchesMax } from '../../src/base/limits.js';
import type { Wire } from '../../src/net/wire.js';
import type { Log } from '../../src/process/log.js';
import type { Region } from '../../src/store/region.js';
import type { Channel, ChannelOwner } from '../channel/channel.js';
import { type FrameHeader, FrameType } from '../channel/frame.js';
import { type Proof, parse } from '../channel/hello.js';
import { firstBeat, unknownMs } from '../lease/beats.js';
import { PrimaryLease } from '../lease/primary-lease.js';
import type { Choice } from '../link/choice.js';
import type { Link } from '../link/link.js';
import { Opening, type OpeningParts } from '../link/opening.js';
import type { BackupSettings } from '../settings.js';
// biome-ignore lint/suspicious/noImportCycles: the figures of a mirror show its replica, as a type.
import { mebibytes, nameOf } from './figures.js';
import type { Member } from './quorum.js';
import { Resync } from './resync.js';
import type { Unacked } from './unacked.js';

export type ReplicaState = 'opening' | 'copying' | 'counted' | 'in_sync' | 'held' | 'out';

/** A standby that is gone. */
export interface Loss {
  /** 'broken': its channel still carries. 'dead': it has given up its copy, or its process has ended. */
  readonly how: 'lost' | 'broken' | 'dropped' | 'dead';
  /** Every reply waited for it. */
  readonly isMember: boolean;
  /** `--ack sync`. */
  readonly isSync: boolean;
}

/** A replica tells its primary of these. */
export interface ReplicaEvents {
  /** A frame came from it, on a connection that has not been given up. */
  spoke(replica: Replica): void;
  /** Its link carries: the copy has begun, and batches may be sent. */
  opened(replica: Replica): void;
  /** It has acked more than before. */
  acked(replica: Replica): void;
  /** SYNCED goes to it: every reply waits for it from now on. */
  counted(replica: Replica): void;
  /** It may take over from now on. */
  synced(replica: Replica): void;
  /** Seals what the journal holds for all replicas: returns the newest sequence. */
  flush(): number;
  /** It is of no use any more. `broken`: the data have no way, and its channel still carries. */
  lost(replica: Replica, reason: string, how: 'lost' | 'broken'): void;
  /** It says that it reigns, and where standbys attach to it. */
  reigns(replica: Replica, epoch: number, link: string | null): void;
  /** It has ended in order, and given up its copy. */
  left(replica: Replica): void;
}

/** The parts that all replicas of a primary share. */
export interface ReplicaParts {
  readonly wire: Wire;
  readonly region: Region;
  /** The region's number in the addon. */
  readonly memory: number;
  readonly settings: BackupSettings;
  readonly log: Log;
  readonly unacked: Unacked;
  readonly events: ReplicaEvents;
  /** The epoch of now. */
  readonly epoch: () => number;
}

export class Replica implements ChannelOwner, Member {
  readonly node: string;
  readonly channel: Channel;
  /** Where it lets standbys attach when it reigns, or null. */
  readonly address: string | null;
  /** Newest batch that it has acked; not of a later one than it was sent. */
  acked: number;
  /** Null until it carries, and when it is lost. */
  link: Link | null = null;
  private readonly parts: ReplicaParts;
  private readonly lease: PrimaryLease;
  /** How its link comes to be, and why it is that one; it ends with it. */
  private opening: Opening | null = null;
  /** The copy, until it may take over. */
  private resync: Resync | null = null;
  private blocksAcked = 0;
  /** The batch SYNCED stands behind. */
  private syncedSequence = 0;
  /** When a frame last came from it. */
  private heardMs: number;

  constructor(parts: ReplicaParts, channel: Channel, proof: Proof) {
    const { settings, unacked, wire } = parts;
    this.parts = parts;
    this.channel = channel;
    this.node = proof.node;
    this.address = proof.link;
    this.acked = unacked.sequence;
    this.heardMs = wire.nowMs;
    const { ackTimeoutMs, heartbeatMs } = settings;
    const terms = { deadAfterMs: proof.deadAfterMs, ackTimeoutMs, heartbeatMs };
    this.lease = new PrimaryLease(terms, firstBeat(parts.wire.ports.random));
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

  /** How long nobody is answered once it is lost. */
  get holdMs(): number {
    return this.lease.holdMs;
  }

  /** Why its link is what it is. */
  get why(): string {
    return this.opening?.why ?? '';
  }

  /** How far the copy is; null before it begins, and once it is whole. */
  get copy(): Pick<Resync, 'doneBytes' | 'totalBytes'> | null {
    return this.resync;
  }

  /** True when no more should be sent to it for now. */
  get isFull(): boolean {
    const { link } = this;
    if (link === null) return false;
    return link.isFull || this.parts.unacked.sequence - this.acked >= unackedBatchesMax - 1;
  }

  /** Lets it in; `opened` follows. */
  open(parts: Omit<OpeningParts, 'channel' | 'events'>, choice: Choice): void {
    const { channel } = this;
    const { events } = this.parts;
    const opening = {
      ...parts,
      channel,
      events: {
        opened: (link: Link) => {
          if (!this.isGone) this.begin(link);
        },
        refused: ({ code, message, remedy }: { code: string; message: string; remedy: string }) => {
          channel.sendMessage(FrameType.REFUSED, { code, reason: message, remedy });
          if (!this.isGone) events.lost(this, message, 'lost');
        },
        acked: (sequence: number, blocks: number) => {
          if (!this.isGone) this.ack(sequence, blocks);
        },
        broken: (reason: string, revoked: boolean) => {
          if (this.isGone) return;
          // It closed its memory to us: that is what it does before it reigns.
          if (revoked) events.reigns(this, this.parts.epoch() + 1, this.address);
          else events.lost(this, reason, 'broken');
        },
      },
    };
    this.opening = new Opening(opening, choice);
    this.opening.start();
  }

  frame(header: FrameHeader, bytes: Uint8Array, at: number): void {
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
    // Its link broke, and it has not noticed yet.
    if (this.isGone) return;
    events.spoke(this);
    this.heardMs = wire.nowMs;
    if (header.type === FrameType.HEARTBEAT) {
      this.lease.heard(header.sequence, header.count);
    } else if (header.type === FrameType.MEMORY) {
      if (this.opening?.frame(payload) === true) return;
      events.lost(this, 'its memory makes no sense', 'lost');
    } else if (!this.takes(header)) {
      events.lost(this, `it sent a frame of type ${header.type}`, 'lost');
    }
  }

  drained(): void {}

  lost(reason: string): void {
    if (!this.isGone) this.parts.events.lost(this, reason, 'lost');
  }

  /** Whether a reply to what was executed by now needs a batch of its own, to ask if this standby has taken over. */
  mustAsk(nowMs: number): boolean {
    if (nowMs <= this.lease.promisedUntilMs || this.link === null) return false;
    const { sequence } = this.parts.unacked;
    const isIdle = this.acked === sequence;
    const sentMs = isIdle ? unknownMs : this.parts.unacked.committedAt(sequence);
    return this.lease.mustAsk(nowMs, sentMs, this.link.ackedByProcess);
  }

  /** Keeps a few blocks on their way, and says SYNCED behind the last. */
  proceed(): void {
    const { resync, link, parts } = this;
    if (resync === null || link === null || this.isCounted || resync.waitsForTurn) return;
    const epoch = parts.epoch();
    if (resync.proceed(link, epoch, this.blocksAcked)) {
      // More is looked at when clients and heartbeats have had their turn.
      resync.waitsForTurn = true;
      parts.wire.ports.timers.soon(() => {
        resync.waitsForTurn = false;
        if (!this.isGone) this.proceed();
      });
    }
    if (!resync.isSent || this.blocksAcked < resync.blocksSent) return;
    // A block may be read late, and hold bytes of any batch up to the newest one.
    this.syncedSequence = parts.events.flush();
    this.lease.count();
    parts.events.counted(this);
    link.sendSynced(epoch, this.syncedSequence);
  }

  /** Every heartbeat. Returns why it is to be dropped, by the degrade rule; null when it is not. */
  overdue(nowMs: number): string | null {
    // After an absence of our own the acks that came meanwhile must be read before anybody is judged by them.
    if (!this.lease.wasAwake(nowMs)) return null;
    const waitedMs = this.waitedMs(nowMs);
    const silentMs = nowMs - this.heardMs;
    // While it copies nobody waits for it, and mapping its memory may take long.
    const { ackTimeoutMs } = this.parts.settings;
    const limitMs = this.isCounted ? ackTimeoutMs : copyingMs;
    if (waitedMs <= limitMs && silentMs <= limitMs) return null;
    const what = waitedMs > limitMs ? 'no ack' : 'nothing heard';
    const ms = Math.round(Math.max(waitedMs, silentMs));
    return `${what} for ${ms} ms (${this.isCounted ? `--ack-timeout ${limitMs}` : `${limitMs} ms`})`;
  }

  /** Says that the data path lives, and what was heard. */
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
   * A member is given up: it counts until `end`. With `mayReign` it may take over for a while yet; the others have no
   * lease any more.
   */
  hold(nowMs: number, mayReign: boolean, how: Loss['how']): void {
    this.lease.lose(nowMs, mayReign);
    this.closeLink();
    // A standby that took over says so on the channel: there it is heard for as long as it may.
    if (how === 'lost' || !mayReign) this.channel.close(how !== 'lost');
  }

  /** True once, when it was lost and cannot take over any more. */
  isOver(nowMs: number): boolean {
    return this.lease.isOver(nowMs);
  }

  /** It does not count any more. With `flush`, what it was told last still leaves. */
  end(flush: boolean): void {
    this.lease.end();
    this.closeLink();
    this.channel.close(flush);
  }

  /** True when no word of it matters any more, except that it reigns. */
  private get isGone(): boolean {
    return this.isHeld || this.lease.state === 'out';
  }

  private begin(link: Link): void {
    const { region, log, memory, wire, events } = this.parts;
    const resync = new Resync(region, memory, wire.ports);
    this.link = link;
    this.resync = resync;
    events.opened(this);
    const size = mebibytes(resync.totalBytes);
    const over = nameOf(link);
    log.say(`standby ${this.node} attached over ${over}; resync of ${size} MiB begins`);
    log.detail(`the link is ${over}: ${this.why}`);
    this.proceed();
  }

  /** A frame that is the link's, or from which one comes to be. False when it is neither. */
  private takes(header: FrameHeader): boolean {
    const { link, opening } = this;
    return link === null ? opening?.ready(header.type) === true : link.frame(header);
  }

  private ack(sequence: number, blocks: number): void {
    const { unacked, events } = this.parts;
    if (sequence > unacked.sequence || sequence < this.acked) {
      events.lost(this, `it acked batch ${sequence}, which was not sent`, 'lost');
      return;
    }
    if (sequence > this.acked) {
      this.lease.acked(unacked.committedAt(sequence), this.link?.ackedByProcess === true);
    }
    this.acked = sequence;
    this.blocksAcked = blocks;
    events.acked(this);
    this.tellProgress();
    this.proceed();
  }

  private waitedMs(nowMs: number): number {
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

  /** A heartbeat of its own was echoed behind SYNCED: it may take over now. */
  private confirm(): void {
    const { resync, node } = this;
    if (resync === null) return;
    this.resync = null;
    this.parts.log.say(`standby ${node} is in sync (${mebibytes(resync.doneBytes)} MiB copied)`);
    this.parts.events.synced(this);
  }

  private closeLink(): void {
    this.opening?.close();
    this.link = null;
    this.resync = null;
  }
}
