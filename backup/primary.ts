/**
 * The primary's end of the mirror: takes the journal at the end of each tick, sends it as a batch, and says which
 * replies must wait for it (law 3). One standby at a time; a second one is refused with a reason.
 *
 *      NONE ──standby attaches──► COPYING ──last block acked──► IN_SYNC
 *        ▲                          │                             │
 *        └────────── lost, or dropped by the degrade rule ────────┘
 *
 * From the moment SYNCED is sent every reply waits for its batch, so a standby that believes itself whole never lacks
 * something a client was told.
 */

import { monotonicMs } from '../src/clock.js';
import { HotspareError } from '../src/errors.js';
import type { Journal } from '../src/journal.js';
import { blocksInFlightMax, unackedBatchesMax, unackedBytesMax } from '../src/limits.js';
import type { Log } from '../src/log.js';
import type { Mirror } from '../src/mirror.js';
import { epochOf } from '../src/store/open.js';
import type { Region } from '../src/store/region.js';
import type { Wire } from '../src/wire.js';
import type { Channel, ChannelOwner } from './channel.js';
import { Door } from './door.js';
import { type FrameHeader, FrameType } from './frame.js';
import type { Greeting } from './greeting.js';
import { type Proof, parse, type Welcome } from './hello.js';
import type { Link } from './link.js';
import { Resync } from './resync.js';
import type { BackupSettings } from './settings.js';
import { TcpLink } from './tcp.js';

export interface PrimaryEvents {
  /** A standby is in sync. */
  synced(): void;
  /** The standby is gone: `dropped` when the degrade rule ended it. */
  detached(reason: string, dropped: boolean): void;
  /** Somebody reigns with a higher epoch; `link` is where to attach to it, if it said so. */
  deposed(epoch: number, link: string | null): void;
}

/** A longer gap than this many heartbeats is this node's own absence. */
const awakeBeats = 3;

/** An attached standby. */
interface Attached {
  readonly channel: Channel;
  readonly link: Link;
  readonly node: string;
  /** Silence after which it takes over. */
  readonly deadAfterMs: number;
  /** The copy, while it is not whole. */
  resync: Resync | null;
  /** True from when SYNCED was sent. */
  inSync: boolean;
  blocksAcked: number;
  /** Its newest heartbeat, and when a frame last came from it. */
  heardBeat: number;
  heardMs: number;
}

export class Primary implements Mirror, ChannelOwner {
  private readonly wire: Wire;
  private readonly region: Region;
  private readonly settings: BackupSettings;
  private readonly log: Log;
  private readonly events: PrimaryEvents;
  private readonly door: Door;
  private readonly heartbeat: NodeJS.Timeout;
  private standby: Attached | null = null;
  /** Of the newest batch sent, and of the newest acked. A new reign goes on counting where the old one ended. */
  private sequence: number;
  private acked: number;
  /** When each unacked batch was committed, by sequence. */
  private readonly committedMs = new Float64Array(unackedBatchesMax);
  private lastSentMs = 0;
  /** True when this node was silent for so long that its standby may reign by now. */
  private doubtful = false;
  private beats = 0;
  private lastBeatMs = 0;
  private paused = false;
  private ended = false;
  private readonly counts = { batches: 0, ranges: 0, bytes: 0, resyncs: 0, drops: 0, losses: 0 };
  private longestAckMs = 0;

  constructor(
    wire: Wire,
    region: Region,
    settings: BackupSettings,
    log: Log,
    sequence: number,
    events: PrimaryEvents,
  ) {
    this.wire = wire;
    this.region = region;
    this.settings = settings;
    this.log = log;
    this.sequence = sequence;
    this.acked = sequence;
    this.events = events;
    region.journal.onFull = () => this.send(region.journal, this.wire.nowMs);
    this.door = new Door(wire, settings.secret, log, (greeting, proof) => {
      this.admit(greeting, proof);
    });
    this.heartbeat = setInterval(() => this.beat(), settings.heartbeatMs);
  }

  get congested(): boolean {
    return this.paused;
  }

  /** Lets standbys attach; returns the port that was bound. Throws HotspareError LISTEN. */
  listen(host: string, port: number): number {
    return this.door.listen(host, port);
  }

  commit(journal: Journal, nowMs: number): number {
    const { standby } = this;
    if (standby === null) return 0;
    this.noteSilence(standby, nowMs);
    // No reply before the standby has said, with an ack, that it has not taken over: an empty batch asks.
    if (journal.count > 0 || this.doubtful) this.send(journal, nowMs);
    this.setPaused(this.isFull(standby));
    const waits = standby.inSync && this.settings.ack === 'sync' && this.acked < this.sequence;
    return waits ? this.sequence : 0;
  }

  frame(header: FrameHeader, bytes: Uint8Array, at: number): void {
    const standby = this.standby!;
    standby.heardMs = this.wire.nowMs;
    switch (header.type) {
      case FrameType.ACK:
        this.ack(standby, header);
        return;
      case FrameType.HEARTBEAT:
        standby.heardBeat = header.sequence;
        return;
      case FrameType.DEPOSED: {
        const deposed = parse('deposed', bytes.subarray(at, at + header.length));
        this.depose(header.epoch, deposed?.link ?? null);
        return;
      }
      default:
        this.detach(`it sent a frame of type ${header.type}`, false);
    }
  }

  drained(): void {}

  lost(reason: string): void {
    this.detach(reason, false);
  }

  stats(): Iterable<readonly [string, string | number]> {
    const { standby, counts, region, settings } = this;
    const state = standby === null ? 'none' : standby.inSync ? 'in_sync' : 'resync';
    return [
      ['mirror_state', state],
      ['mirror_link', standby?.link.name ?? 'none'],
      ['mirror_ack', settings.ack],
      ['mirror_epoch', epochOf(region.head)],
      ['mirror_sequence', this.sequence],
      ['mirror_acked', this.acked],
      ['mirror_batches', counts.batches],
      ['mirror_ranges', counts.ranges],
      ['mirror_bytes', counts.bytes],
      ['mirror_pending_bytes', standby?.link.pendingBytes ?? 0],
      ['mirror_ack_ms_max', this.longestAckMs.toFixed(3)],
      ['mirror_resyncs', counts.resyncs],
      ['mirror_resync_bytes_done', standby?.resync?.doneBytes ?? 0],
      ['mirror_resync_bytes_total', standby?.resync?.totalBytes ?? 0],
      ['mirror_drops', counts.drops],
      ['mirror_losses', counts.losses],
    ];
  }

  /** Ends the mirror: closes every node-to-node connection and stops listening. Replies that wait never leave. */
  end(): void {
    this.ended = true;
    clearInterval(this.heartbeat);
    this.door.close();
    this.standby?.channel.close(false);
    this.standby = null;
    this.region.journal.active = false;
    this.region.journal.clear();
  }

  /** The peer knows the secret: it is somebody's standby, or the one who reigns instead of us. */
  private admit(greeting: Greeting, proof: Proof): void {
    if (proof.epoch > epochOf(this.region.head)) {
      greeting.channel.close(true);
      this.depose(proof.epoch, proof.link);
      return;
    }
    if (this.standby !== null) {
      const taken = `the primary already has a standby (${this.standby.node})`;
      greeting.refuse(new HotspareError('LINK_REFUSED', taken, 'stop that standby first'));
      return;
    }
    greeting.owner = this;
    this.attach(greeting.channel, proof);
  }

  private attach(channel: Channel, proof: Proof): void {
    const { region, settings, log } = this;
    const welcome: Welcome = {
      node: settings.node,
      epoch: epochOf(region.head),
      sequence: this.sequence,
      geometry: region.geometry,
      ackTimeoutMs: settings.ackTimeoutMs,
      heartbeatMs: settings.heartbeatMs,
    };
    channel.sendMessage(FrameType.WELCOME, welcome, welcome.epoch);
    const resync = new Resync(region);
    this.standby = {
      channel,
      link: new TcpLink(this.wire, channel),
      node: proof.node,
      deadAfterMs: proof.deadAfterMs,
      resync,
      inSync: false,
      blocksAcked: 0,
      heardBeat: 0,
      heardMs: this.wire.nowMs,
    };
    this.acked = this.sequence;
    this.lastSentMs = this.wire.nowMs;
    this.doubtful = false;
    region.journal.clear();
    region.journal.active = true;
    this.counts.resyncs++;
    log.say(`standby ${proof.node} attached; resync of ${mebibytes(resync.totalBytes)} MiB begins`);
    this.copy(this.standby);
  }

  /** Keeps a few blocks on their way; says SYNCED behind the last. */
  private copy(standby: Attached): void {
    const { resync } = standby;
    if (resync === null || standby.inSync) return;
    const epoch = epochOf(this.region.head);
    while (resync.blocksSent - standby.blocksAcked < blocksInFlightMax) {
      if (resync.sendNext(standby.link, epoch)) continue;
      // What this tick has changed so far must come before SYNCED, as the blocks may hold it already.
      if (this.region.journal.count > 0) this.send(this.region.journal, this.wire.nowMs);
      standby.channel.send({ type: FrameType.SYNCED, epoch, sequence: this.sequence });
      standby.inSync = true;
      return;
    }
  }

  private ack(standby: Attached, header: FrameHeader): void {
    const now = this.wire.nowMs;
    if (header.sequence > this.sequence || header.sequence < this.acked) {
      this.detach(`it acked batch ${header.sequence}, which was not sent`, false);
      return;
    }
    if (header.sequence > this.acked) {
      const oldest = this.committedMs[(this.acked + 1) & (unackedBatchesMax - 1)]!;
      this.longestAckMs = Math.max(this.longestAckMs, now - oldest);
      this.acked = header.sequence;
      this.wire.transport.release(this.acked);
    }
    standby.blocksAcked = header.count;
    this.setPaused(this.isFull(standby));
    this.progress(standby);
    this.copy(standby);
  }

  /** Tells how far the copy is. When the last block and SYNCED are acked, the standby is worth something. */
  private progress(standby: Attached): void {
    const { resync } = standby;
    if (resync === null) return;
    const quarter = resync.passedQuarter();
    if (quarter !== null) {
      const total = mebibytes(resync.totalBytes);
      this.log.say(`resync of ${standby.node}: ${quarter} % of ${total} MiB`);
    }
    if (!standby.inSync || standby.blocksAcked < resync.blocksSent) return;
    standby.resync = null;
    this.log.say(`standby ${standby.node} is in sync (${mebibytes(resync.doneBytes)} MiB copied)`);
    this.events.synced();
  }

  /** Seals the journal as the next batch and gives it to the link. */
  private send(journal: Journal, nowMs: number): void {
    const { standby, counts } = this;
    if (standby !== null) {
      this.sequence++;
      this.committedMs[this.sequence & (unackedBatchesMax - 1)] = nowMs;
      this.lastSentMs = nowMs;
      this.doubtful = false;
      counts.batches++;
      counts.ranges += journal.count;
      counts.bytes += journal.at;
      standby.link.sendBatch(journal, epochOf(this.region.head), this.sequence);
      // A journal that fills within a tick makes batches within it: the mark is checked between commands, too.
      if (this.isFull(standby)) this.paused = true;
    }
    journal.clear();
  }

  private isFull(standby: Attached): boolean {
    return (
      standby.link.pendingBytes > unackedBytesMax ||
      this.sequence - this.acked >= unackedBatchesMax - 1
    );
  }

  private setPaused(paused: boolean): void {
    if (paused === this.paused) return;
    this.paused = paused;
    this.wire.transport.pause(paused);
  }

  /** Every heartbeat: says that the data path lives, and applies the degrade rule. */
  private beat(): void {
    const { standby } = this;
    if (standby === null) return;
    const now = monotonicMs();
    this.noteSilence(standby, now);
    // After an absence of our own the acks that came meanwhile must be read before anybody is judged by them.
    if (now - this.lastBeatMs < this.settings.heartbeatMs * awakeBeats)
      this.checkAcks(standby, now);
    this.lastBeatMs = now;
    if (this.standby === null) return;
    this.lastSentMs = now;
    this.beats++;
    standby.channel.send({
      type: FrameType.HEARTBEAT,
      epoch: epochOf(this.region.head),
      sequence: this.beats,
      count: standby.heardBeat,
    });
  }

  private noteSilence(standby: Attached, nowMs: number): void {
    if (standby.inSync && nowMs - this.lastSentMs > standby.deadAfterMs) this.doubtful = true;
  }

  /** The degrade rule: a batch without an ack, or a standby that says nothing, for longer than the ack timeout. */
  private checkAcks(standby: Attached, nowMs: number): void {
    const oldest = this.committedMs[(this.acked + 1) & (unackedBatchesMax - 1)]!;
    const waited = this.acked === this.sequence ? 0 : nowMs - oldest;
    const silent = nowMs - standby.heardMs;
    const { ackTimeoutMs } = this.settings;
    if (waited <= ackTimeoutMs && silent <= ackTimeoutMs) return;
    standby.channel.send({ type: FrameType.DROPPED, epoch: epochOf(this.region.head) });
    const what = waited > ackTimeoutMs ? 'no ack' : 'nothing heard';
    const ms = Math.round(Math.max(waited, silent));
    this.detach(`${what} for ${ms} ms (--ack-timeout ${ackTimeoutMs})`, true);
  }

  /** The standby is gone, or no longer worth waiting for: replies leave, and the primary goes on alone. */
  private detach(reason: string, dropped: boolean): void {
    const { standby } = this;
    if (standby === null || this.ended) return;
    standby.channel.close(dropped);
    this.standby = null;
    this.region.journal.active = false;
    this.region.journal.clear();
    this.counts[dropped ? 'drops' : 'losses']++;
    this.acked = this.sequence;
    this.wire.transport.release(this.sequence);
    this.setPaused(false);
    this.log.say(
      `standby ${standby.node} ${dropped ? 'dropped' : 'lost'}: ${reason}; its copy is out of date, serving alone`,
    );
    this.events.detached(reason, dropped);
  }

  private depose(epoch: number, link: string | null): void {
    if (epoch <= epochOf(this.region.head)) {
      this.detach(`it claims to reign with epoch ${epoch}, which is not newer`, false);
      return;
    }
    this.log.say(`deposed: epoch ${epoch} reigns now, ours was ${epochOf(this.region.head)}`);
    this.events.deposed(epoch, link);
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
