/**
 * The primary's end of the mirror: takes the journal at the end of each tick, sends it as a batch, and says which
 * replies must wait for it (law 3). One standby at a time; a second one is refused with a reason.
 *
 *      NONE ──standby attaches──► COPYING ──last block acked──► IN_SYNC
 *        ▲                          │                             ├── dropped by the degrade rule ──► NONE
 *        └───────────lost───────────┘                             └── lost ──► HOLDING ──lease over──► NONE
 *
 * HOLDING: the link broke, and the standby may still be there, holding a copy that it may serve for the length of its
 * lease if it finds us dead. Until that is over no reply leaves, or it could be a reply that such a takeover loses.
 *
 * From the moment SYNCED is sent every reply waits for its batch, so a standby that believes itself whole never lacks
 * something a client was told.
 */
import { monotonicMs } from '../src/clock.js';
import type { Journal } from '../src/journal.js';
import { blocksInFlightMax, leaseShare, unackedBytesMax } from '../src/limits.js';
import type { Log } from '../src/log.js';
import type { Mirror } from '../src/mirror.js';
import { epochOf, identityOf } from '../src/store/open.js';
import type { Region } from '../src/store/region.js';
import type { Wire } from '../src/wire.js';
import { type Attached, overdue, type PrimaryEvents } from './attached.js';
import type { Channel, ChannelOwner } from './channel.js';
import { Door } from './door.js';
import { Counts, figures, mebibytes } from './figures.js';
import { type FrameHeader, FrameType } from './frame.js';
import { type Greeting, noHeir, taken } from './greeting.js';
import { type Proof, parse, type Welcome } from './hello.js';
import { Resync } from './resync.js';
import { type BackupSettings, seenLink } from './settings.js';
import { TcpLink } from './tcp.js';
import { Unacked } from './unacked.js';

/** A longer gap than this many heartbeats is this node's own absence. */
const awakeBeats = 3;
export class Primary implements Mirror, ChannelOwner {
  private readonly wire: Wire;
  private readonly region: Region;
  private readonly settings: BackupSettings;
  private readonly log: Log;
  private readonly events: PrimaryEvents;
  private readonly door: Door;
  private readonly heartbeat: NodeJS.Timeout;
  private standby: Attached | null = null;
  private readonly unacked: Unacked;
  private lastSentMs = 0;
  /** Until when no reply leaves, because a standby that was lost may still take over; 0 = no such standby. */
  private holdUntilMs = 0;
  /** The node that was lost. */
  private heldFor = '';
  /** True when this node was silent for so long that its standby may reign by now. */
  private doubtful = false;
  private beats = 0;
  private lastBeatMs = 0;
  private paused = false;
  /** True while clients must not be executed; `paused` follows at the end of the tick. */
  private full = false;
  private ended = false;
  private readonly counts = new Counts();

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
    this.unacked = new Unacked(sequence);
    this.events = events;
    region.journal.onFull = () => this.send(region.journal, this.wire.nowMs);
    this.door = new Door(wire, settings.secret, log, (greeting, proof) => {
      this.admit(greeting, proof);
    });
    this.heartbeat = setInterval(() => this.beat(), settings.heartbeatMs);
  }

  get congested(): boolean {
    return this.full;
  }

  /** Lets standbys attach; returns the port that was bound. Throws HotspareError LISTEN. */
  listen(host: string, port: number): number {
    return this.door.listen(host, port);
  }

  commit(journal: Journal, nowMs: number): number {
    const { standby, unacked } = this;
    if (standby !== null) {
      // By the clock of now: this node may have stood still within the tick.
      this.noteSilence(standby, monotonicMs());
      // No reply before the standby has said, with an ack, that it has not taken over: an empty batch asks.
      if (journal.count > 0 || this.doubtful) this.send(journal, nowMs);
      this.setPaused(this.isFull(standby));
    }
    if (this.isHolding) return unacked.sequence;
    const waits = standby?.inSync === true && this.settings.ack === 'sync' && !unacked.isEmpty;
    return waits ? unacked.sequence : 0;
  }

  frame(header: FrameHeader, bytes: Uint8Array, at: number): void {
    const standby = this.standby!;
    // It speaks only once it was welcomed, and has given up its old copy then.
    if (this.isHolding) this.endHold('it attaches anew');
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
        this.depose(header.epoch, seenLink(deposed?.link ?? null, standby.channel.peer));
        return;
      }
      default:
        this.detach(`it sent a frame of type ${header.type}`, 'lost');
    }
  }

  drained(): void {}

  lost(reason: string): void {
    this.detach(reason, 'lost');
  }

  stats(): Iterable<readonly [string, string | number]> {
    const { standby, unacked, counts, settings } = this;
    return figures({
      standby,
      unacked,
      counts,
      ack: settings.ack,
      epoch: epochOf(this.region.head),
    });
  }

  /** Whoever started the nodes knows that the standby's process has ended. */
  standbyIsDead(): void {
    if (this.isHolding) this.endHold('its process has ended');
    else this.detach('its process has ended', 'dead');
  }

  /** Sequence of the newest batch; replies of this process may wait for it. */
  get sequence(): number {
    return this.unacked.sequence;
  }

  /** Ends the mirror: closes every node-to-node connection and stops listening. Replies that wait never leave. */
  end(): void {
    this.ended = true;
    clearInterval(this.heartbeat);
    this.door.close();
    this.standby?.channel.close(false);
    this.standby = null;
    this.setPaused(false);
    this.region.journal.active = false;
    this.region.journal.clear();
  }

  /** The peer knows the secret: it is somebody's standby, or the one who reigns instead of us. */
  private admit(greeting: Greeting, proof: Proof): void {
    const epoch = epochOf(this.region.head);
    if (proof.epoch > epoch) {
      const link = seenLink(proof.link, greeting.channel.peer);
      greeting.channel.close(true);
      this.depose(proof.epoch, link);
      return;
    }
    if (proof.epoch > 0) {
      greeting.turnAway(noHeir(epoch, proof.epoch));
      return;
    }
    // Another node than the one that was lost waits until that one's lease is over.
    if (this.isHolding && proof.node !== this.heldFor) {
      setTimeout(() => this.admit(greeting, proof), this.holdUntilMs - monotonicMs() + 1);
      return;
    }
    if (this.ended || !greeting.channel.isOpen) return;
    // It saw the link break, and we did not yet.
    if (this.standby?.node === proof.node) this.detach('it attaches anew', 'lost');
    if (this.standby !== null) {
      greeting.turnAway(taken(this.standby.node));
      return;
    }
    greeting.channel.trusted = true;
    greeting.owner = this;
    this.attach(greeting.channel, proof);
  }

  private attach(channel: Channel, proof: Proof): void {
    const { region, settings, log } = this;
    const welcome: Welcome = {
      node: settings.node,
      cache: identityOf(region.head),
      epoch: epochOf(region.head),
      sequence: this.unacked.sequence,
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
      confirmed: false,
      blocksAcked: 0,
      heardBeat: 0,
      heardMs: this.wire.nowMs,
    };
    this.unacked.forget();
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
      standby.channel.send({ type: FrameType.SYNCED, epoch, sequence: this.unacked.sequence });
      standby.inSync = true;
      return;
    }
  }

  private ack(standby: Attached, header: FrameHeader): void {
    if (!this.unacked.ack(header.sequence, this.wire.nowMs)) {
      this.detach(`it acked batch ${header.sequence}, which was not sent`, 'lost');
      return;
    }
    this.wire.transport.release(header.sequence);
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
    if (!standby.confirmed || standby.blocksAcked < resync.blocksSent) return;
    standby.resync = null;
    this.log.say(`standby ${standby.node} is in sync (${mebibytes(resync.doneBytes)} MiB copied)`);
    this.events.synced();
  }

  /** Seals the journal as the next batch and gives it to the link. */
  private send(journal: Journal, nowMs: number): void {
    const { standby, counts } = this;
    if (standby !== null) {
      const sequence = this.unacked.commit(nowMs);
      this.lastSentMs = nowMs;
      this.doubtful = false;
      counts.batches++;
      counts.ranges += journal.count;
      counts.bytes += journal.at;
      standby.link.sendBatch(journal, epochOf(this.region.head), sequence);
      // A journal that fills within a tick makes batches within it: the mark is checked between commands, too.
      if (this.isFull(standby)) this.full = true;
    }
    journal.clear();
  }

  private isFull(standby: Attached): boolean {
    return standby.link.pendingBytes > unackedBytesMax || this.unacked.isFull;
  }

  private setPaused(paused: boolean): void {
    this.full = paused;
    if (paused === this.paused) return;
    this.paused = paused;
    this.wire.transport.pause(paused);
  }

  /** Every heartbeat: says that the data path lives, and applies the degrade rule. */
  private beat(): void {
    const { standby } = this;
    const now = monotonicMs();
    if (this.isHolding && now >= this.holdUntilMs) this.endHold('its lease is over');
    if (standby === null) return;
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
      count: this.mayConfirm(standby, now) ? standby.heardBeat : 0,
    });
    if (standby.inSync && standby.heardBeat > 0) standby.confirmed = true;
    this.progress(standby);
  }

  /** A lease that would outlast the ack timeout is not given: the standby could be dropped before it ends. */
  private mayConfirm(standby: Attached, nowMs: number): boolean {
    return this.unacked.waitedMs(nowMs) <= this.leaseMs && standby.heardBeat > 0;
  }

  private get leaseMs(): number {
    return this.settings.ackTimeoutMs * leaseShare;
  }

  private get isHolding(): boolean {
    return this.holdUntilMs > 0;
  }

  private noteSilence(standby: Attached, nowMs: number): void {
    if (standby.inSync && nowMs - this.lastSentMs > standby.deadAfterMs) this.doubtful = true;
  }

  /** The degrade rule: a batch without an ack, or a standby that says nothing, for longer than the ack timeout. */
  private checkAcks(standby: Attached, nowMs: number): void {
    const waitedMs = this.unacked.waitedMs(nowMs);
    const reason = overdue(standby, waitedMs, nowMs - standby.heardMs, this.settings.ackTimeoutMs);
    if (reason === null) return;
    standby.channel.send({ type: FrameType.DROPPED, epoch: epochOf(this.region.head) });
    this.detach(reason, 'dropped');
  }

  /** The standby is gone, or no longer worth waiting for: the primary goes on alone, now or when its lease is over. */
  private detach(reason: string, how: 'lost' | 'dropped' | 'dead'): void {
    const { standby } = this;
    if (standby === null || this.ended) return;
    const dropped = how === 'dropped';
    standby.channel.close(dropped);
    this.standby = null;
    this.region.journal.active = false;
    this.region.journal.clear();
    this.counts[dropped ? 'drops' : 'losses']++;
    this.setPaused(false);
    // Of one that is dropped the lease is over already.
    if (standby.inSync && how === 'lost' && this.settings.ack === 'sync') this.hold(standby.node);
    else this.letGo();
    this.log.say(
      `standby ${standby.node} ${dropped ? 'dropped' : 'lost'}: ${reason}; its copy is out of date, serving alone`,
    );
    this.events.detached(reason, dropped);
  }

  /** No reply leaves while a lost standby may take over. */
  private hold(node: string): void {
    this.heldFor = node;
    this.holdUntilMs = monotonicMs() + this.leaseMs;
    this.unacked.commit(monotonicMs());
  }

  /** The standby that was lost will not take over any more. */
  private endHold(why: string): void {
    this.holdUntilMs = 0;
    this.log.say(`standby ${this.heldFor} cannot take over any more (${why}): answering again`);
    this.letGo();
  }

  private letGo(): void {
    this.unacked.forget();
    this.wire.transport.release(this.unacked.sequence);
  }

  private depose(epoch: number, link: string | null): void {
    if (epoch <= epochOf(this.region.head)) {
      this.detach(`it claims to reign with epoch ${epoch}, which is not newer`, 'lost');
      return;
    }
    this.log.say(`deposed: epoch ${epoch} reigns now, ours was ${epochOf(this.region.head)}`);
    this.events.deposed(epoch, link);
  }
}
