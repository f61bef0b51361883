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

import { HotspareError } from '../../src/base/errors.js';
import { departedMost, leaseShare } from '../../src/base/limits.js';
import type { Timer } from '../../src/native/ports.js';
import type { Wire } from '../../src/net/wire.js';
import type { Log } from '../../src/process/log.js';
import type { Journal } from '../../src/store/journal.js';
import type { Mirror } from '../../src/store/mirror.js';
import { epochOf, identityOf, promote } from '../../src/store/open.js';
import type { Region } from '../../src/store/region.js';
import type { Channel, ChannelOwner } from '../channel/channel.js';
import { type FrameHeader, FrameType } from '../channel/frame.js';
import { type Proof, parse } from '../channel/hello.js';
import { outcome, type Reign } from '../lease/reign.js';
import { Fabrics } from '../link/fabrics.js';
import type { Link, LinkEvents } from '../link/link.js';
import { Opening } from '../link/opening.js';
import { type BackupSettings, linkAt, seenLink } from '../settings.js';
import { Absence } from './absence.js';
import { type Attached, attached, overdue, type PrimaryEvents, takes } from './attached.js';
import { Brake } from './brake.js';
import { copy, progress } from './copying.js';
import { Door } from './door.js';
import { Counts, details, figures, type MirrorState, mebibytes, nameOf } from './figures.js';
import { type Greeting, noHeir, taken } from './greeting.js';
import { Hold } from './hold.js';
import { Resync } from './resync.js';
import { Unacked } from './unacked.js';

export interface PrimaryParts {
  readonly wire: Wire;
  readonly region: Region;
  /** The region's number in the addon. */
  readonly memory: number;
  readonly settings: BackupSettings;
  readonly log: Log;
  /** Of the newest batch of an earlier reign of this process. */
  readonly sequence: number;
  readonly events: PrimaryEvents;
  /** How much clients have changed since this node opened the region. It never falls. */
  readonly changes: () => number;
  /** Where clients connect, when they do by TCP; else 0. */
  readonly clientPort: () => number;
}

/** One that has proved itself, and waits until another standby's lease is over. */
interface Waiting {
  readonly greeting: Greeting;
  readonly proof: Proof;
}

export class Primary implements Mirror, ChannelOwner {
  readonly unacked: Unacked;
  private readonly parts: PrimaryParts;
  private readonly wire: Wire;
  private readonly region: Region;
  private readonly settings: BackupSettings;
  private readonly log: Log;
  private readonly events: PrimaryEvents;
  private readonly door: Door;
  private readonly heartbeat: Timer;
  private readonly clock: () => number;
  private standby: Attached | null = null;
  private readonly absence = new Absence();
  private readonly fabrics: Fabrics;
  private readonly hold = new Hold();
  private waiting: Waiting[] = [];
  /** What `changes` was when each of the standbys that are gone was lost, by node: what came later it cannot have. */
  private readonly departed = new Map<string, number>();
  private readonly brake: Brake;
  private beats = 0;
  private linkPort = 0;
  private ended = false;
  private readonly counts = new Counts();

  constructor(parts: PrimaryParts) {
    const { wire, region, settings, log, sequence, events } = parts;
    this.parts = parts;
    this.wire = wire;
    this.region = region;
    this.settings = settings;
    this.fabrics = new Fabrics(settings);
    this.brake = new Brake(wire);
    this.log = log;
    this.unacked = new Unacked(sequence);
    this.events = events;
    region.journal.onFull = () => this.send(region.journal, this.wire.nowMs);
    this.door = new Door(wire, settings, log, (greeting, proof) => {
      this.admit(greeting, proof);
    });
    const { clock, timers } = wire.ports;
    this.clock = clock;
    this.heartbeat = timers.every(settings.heartbeatMs, () => this.beat());
  }

  get congested(): boolean {
    return this.brake.isOn;
  }

  /** Lets standbys attach; returns the port that was bound. Throws HotspareError LISTEN. */
  listen(host: string, port: number): number {
    this.linkPort = this.door.listen(host, port);
    return this.linkPort;
  }

  commit(journal: Journal, nowMs: number): number {
    const { standby, unacked } = this;
    if (standby !== null) {
      // By the clock of now: this node may have stood still within the tick.
      this.absence.note(standby, this.clock());
      // No reply before the standby has said, with an ack, that it has not taken over: an empty batch asks.
      if (journal.count > 0 || this.absence.doubtful) this.send(journal, nowMs);
      standby.link?.poll();
      this.brake.set(this.standby !== null && this.isFull(standby));
    }
    if (this.hold.isOn) return unacked.sequence;
    const waits = this.standby?.inSync === true && this.settings.ack === 'sync' && !unacked.isEmpty;
    return waits ? unacked.sequence : 0;
  }

  frame(header: FrameHeader, bytes: Uint8Array, at: number): void {
    const { standby } = this;
    const payload = bytes.subarray(at, at + header.length);
    if (header.type === FrameType.DEPOSED) {
      this.replaced(header.epoch, parse('deposed', payload)?.link ?? null);
      return;
    }
    if (header.type === FrameType.LEAVING) {
      this.standbyIsDead('it has ended in order');
      return;
    }
    // One whose link broke, and who has not noticed.
    if (standby === null) return;
    // It speaks only once it was welcomed, and has given up its old copy then.
    if (this.hold.isOn) this.endHold('it attaches anew');
    standby.heardMs = this.wire.nowMs;
    if (header.type === FrameType.HEARTBEAT) standby.heardBeat = header.sequence;
    else if (header.type === FrameType.MEMORY) {
      if (standby.opening?.frame(payload) !== true)
        this.detach('its memory makes no sense', 'lost');
    } else if (!takes(standby, header)) {
      this.detach(`it sent a frame of type ${header.type}`, 'lost');
    }
  }

  drained(): void {}

  lost(reason: string): void {
    this.detach(reason, 'lost');
  }

  stats(): Iterable<readonly [string, string | number]> {
    return figures(this.state());
  }

  details(): Iterable<readonly [string, string | number]> {
    return details(this.state());
  }

  /** The standby cannot take over any more: it said so, or whoever started the nodes knows it. */
  standbyIsDead(reason = 'its process has ended'): void {
    if (this.hold.isOn) this.endHold(reason);
    else this.detach(reason, 'dead');
  }

  /** Sequence of the newest batch; replies of this process may wait for it. */
  get sequence(): number {
    return this.unacked.sequence;
  }

  /** Ends the mirror: closes every node-to-node connection and stops listening. Replies that wait never leave. */
  end(): void {
    this.ended = true;
    this.heartbeat.cancel();
    this.door.close();
    for (const { greeting } of this.waiting.splice(0)) greeting.channel.close(false);
    this.hold.end();
    this.standby?.opening?.close();
    this.standby?.channel.close(false);
    this.standby = null;
    this.fabrics.close();
    this.brake.set(false);
    this.region.journal.active = false;
    this.region.journal.clear();
  }

  /** The peer knows the secret: it is somebody's standby, or one who reigns as we do. */
  private admit(greeting: Greeting, proof: Proof): void {
    if (this.ended || !greeting.channel.isOpen) return;
    if (proof.epoch > 0) {
      this.meet(greeting, proof);
      return;
    }
    // Another node than the one that was lost waits until that one's lease is over, and hears that we live.
    if (this.hold.isOn && proof.node !== this.hold.node) {
      this.waiting.push({ greeting, proof });
      return;
    }
    this.hold.hangUp();
    // It saw the link break, and we did not yet.
    if (this.standby?.node === proof.node) this.detach('it attaches anew', 'lost');
    if (this.standby !== null) {
      greeting.turnAway(taken(this.standby.node));
      return;
    }
    const choice = this.fabrics.choose(greeting.channel.localHost, proof);
    if (choice instanceof HotspareError) {
      greeting.turnAway(choice);
      return;
    }
    greeting.channel.trusted = true;
    greeting.owner = this;
    const standby = attached(greeting.channel, proof, this.wire.nowMs);
    this.standby = standby;
    const { fabrics, sequence, parts } = this;
    const { channel } = standby;
    const events = this.eventsOf(standby);
    const clientPort = parts.clientPort();
    const opening = { ...parts, fabrics, sequence, channel, clientPort, events };
    standby.opening = new Opening(opening, choice);
    this.unacked.forget(this.clock());
    this.absence.asked(this.wire.nowMs);
    standby.opening.start();
  }

  private eventsOf(standby: Attached): LinkEvents {
    const current = (): boolean => this.standby === standby;
    return {
      opened: (link) => {
        if (current()) this.begin(standby, link);
      },
      refused: ({ code, message, remedy }) => {
        standby.channel.sendMessage(FrameType.REFUSED, { code, reason: message, remedy });
        if (current()) this.detach(message, 'lost');
      },
      acked: (sequence, blocks) => {
        if (current()) this.ack(standby, sequence, blocks);
      },
      broken: (reason, revoked) => {
        if (!current()) return;
        // It closed its memory to us: that is what it does before it reigns.
        if (revoked) this.replaced(this.epoch + 1, standby.address);
        else this.detach(reason, 'broken');
      },
    };
  }

  /** The link carries: the copy begins. */
  private begin(standby: Attached, link: Link): void {
    const { region, log } = this;
    const resync = new Resync(region, this.parts.memory, this.wire.ports);
    standby.link = link;
    standby.resync = resync;
    region.journal.clear();
    region.journal.active = true;
    this.counts.resyncs++;
    const size = mebibytes(resync.totalBytes);
    const over = nameOf(link);
    log.say(`standby ${standby.node} attached over ${over}; resync of ${size} MiB begins`);
    log.detail(`the link is ${over}: ${standby.opening!.why}`);
    this.copy(standby);
  }

  private get epoch(): number {
    return epochOf(this.region.head);
  }

  private copy(standby: Attached): void {
    if (this.standby !== standby) return;
    const flush = (): number => {
      if (this.region.journal.count > 0) this.send(this.region.journal, this.wire.nowMs);
      return this.unacked.sequence;
    };
    const { timers } = this.wire.ports;
    copy(standby, this.epoch, flush, timers, () => this.copy(standby));
  }

  private ack(standby: Attached, sequence: number, blocks: number): void {
    if (!this.unacked.ack(sequence, this.clock())) {
      this.detach(`it acked batch ${sequence}, which was not sent`, 'lost');
      return;
    }
    this.wire.transport.release(sequence);
    standby.blocksAcked = blocks;
    this.brake.set(this.isFull(standby));
    if (progress(standby, this.log)) this.events.synced();
    this.copy(standby);
  }

  private state(): MirrorState {
    const { standby, unacked, counts, settings, brake } = this;
    return { standby, unacked, counts, ack: settings.ack, epoch: this.epoch, stalls: brake.stalls };
  }

  /** Seals the journal as the next batch and gives it to the link. */
  private send(journal: Journal, nowMs: number): void {
    const { standby } = this;
    // Before the link is open a batch would be counted, and never come.
    if (standby?.link != null) {
      const sequence = this.unacked.commit(this.clock());
      this.absence.asked(nowMs);
      this.counts.add(journal);
      standby.link.sendBatch(journal, this.epoch, sequence);
      if (this.isFull(standby)) this.brake.isOn = true;
    }
    journal.clear();
  }

  private isFull(standby: Attached): boolean {
    return standby.link?.isFull === true || this.unacked.isFull;
  }

  /** Every heartbeat: says that the data path lives, and applies the degrade rule. */
  private beat(): void {
    const { standby } = this;
    const now = this.clock();
    if (this.hold.isOn && this.hold.leftMs(now) <= 0) this.endHold('its lease is over');
    this.reassure();
    if (standby === null) return;
    this.absence.note(standby, now);
    // After an absence of our own the acks that came meanwhile must be read before anybody is judged by them.
    if (this.absence.wasAwake(now, this.settings.heartbeatMs)) this.checkAcks(standby, now);
    if (this.standby === null) return;
    this.absence.spoke(now);
    this.beats++;
    const echo = this.mayConfirm(standby, now) ? standby.heardBeat : 0;
    if (standby.link !== null) standby.link.beat(this.epoch, this.beats, echo);
    else standby.channel.send({ type: FrameType.HEARTBEAT, epoch: this.epoch });
    standby.link?.poll();
    if (this.standby === null) return;
    const synced = standby.inSync && this.unacked.acked >= standby.syncedSequence;
    if (synced && standby.heardBeat > 0) standby.confirmed = true;
    if (progress(standby, this.log)) this.events.synced();
  }

  /** A lease that would outlast the ack timeout is not given: the standby could be dropped before it ends. */
  private mayConfirm(standby: Attached, nowMs: number): boolean {
    return this.unacked.waitedMs(nowMs) <= this.leaseMs && standby.heardBeat > 0;
  }

  private get leaseMs(): number {
    return this.settings.ackTimeoutMs * leaseShare;
  }

  /** The degrade rule: a batch without an ack, or a standby that says nothing, for longer than the ack timeout. */
  private checkAcks(standby: Attached, nowMs: number): void {
    const waitedMs = this.unacked.waitedMs(nowMs);
    const reason = overdue(standby, waitedMs, nowMs - standby.heardMs, this.settings.ackTimeoutMs);
    if (reason === null) return;
    standby.channel.send({ type: FrameType.DROPPED, epoch: this.epoch });
    this.detach(reason, 'dropped');
  }

  /** The standby is gone, or no longer worth waiting for: the primary goes on alone, now or when its lease is over. */
  private detach(reason: string, how: 'lost' | 'broken' | 'dropped' | 'dead'): void {
    const { standby } = this;
    if (standby === null || this.ended) return;
    const dropped = how === 'dropped';
    // The lease of a dropped standby has run out: it is half the ack timeout. A dead standby cannot use its lease.
    const mayReign = standby.inSync && (how === 'lost' || how === 'broken');
    const holds = mayReign && this.settings.ack === 'sync';
    this.standby = null;
    this.departed.delete(standby.node);
    this.departed.set(standby.node, this.parts.changes());
    if (this.departed.size > departedMost) this.departed.delete([...this.departed.keys()][0]!);
    standby.opening?.close();
    // A standby that took over says so on the channel: there it is heard for as long as it may.
    if (!holds || how === 'lost') standby.channel.close(how !== 'lost');
    this.region.journal.active = false;
    this.region.journal.clear();
    this.counts[dropped ? 'drops' : 'losses']++;
    this.brake.set(false);
    if (holds) this.startHold(standby);
    else this.letGo();
    const now = holds
      ? `it may take over for ${this.leaseMs} ms yet, no reply leaves before`
      : 'its copy is out of date, serving alone';
    this.log.say(`standby ${standby.node} ${dropped ? 'dropped' : 'lost'}: ${reason}; ${now}`);
    this.events.detached(reason, dropped);
  }

  /** No reply leaves while a lost standby may take over. */
  private startHold(standby: Attached): void {
    const now = this.clock();
    this.hold.start(standby, now + this.leaseMs);
    this.unacked.commit(now);
  }

  /** The standby that was lost will not take over any more. */
  private endHold(why: string): void {
    this.hold.end();
    this.log.say(`standby ${this.hold.node} cannot take over any more (${why}): serving alone`);
    this.letGo();
  }

  private letGo(): void {
    this.unacked.forget(this.clock());
    this.wire.transport.release(this.unacked.sequence);
    for (const { greeting, proof } of this.waiting.splice(0)) this.admit(greeting, proof);
  }

  /** Those that wait for the end of a lease hear that we live; those that have gone are forgotten. */
  private reassure(): void {
    this.waiting = this.waiting.filter(({ greeting }) => greeting.channel.isOpen);
    for (const { greeting } of this.waiting) {
      greeting.channel.send({ type: FrameType.HEARTBEAT, epoch: this.epoch });
    }
  }

  /** Our own standby reigns in our place: it found us silent while it could still count on its copy. */
  private replaced(epoch: number, link: string | null): void {
    const { standby, hold } = this;
    // A standby that we no longer count on has a copy that is out of date: its word deposes nobody.
    if (!hold.isOn && standby?.inSync !== true) {
      this.detach('it claims to reign with a copy that is not whole', 'lost');
    } else if (epoch <= this.epoch) {
      this.detach(`it claims to reign with epoch ${epoch}, which is not newer`, 'lost');
    } else {
      const node = standby?.node ?? hold.node;
      const peer = standby?.channel.peer ?? hold.peer;
      this.depose({ epoch, node, cache: '', changes: 0 }, seenLink(link, peer), 0);
    }
  }

  /** Another node that reigns: exactly one of us goes on (reign.ts). */
  private meet(greeting: Greeting, theirs: Proof): void {
    const { channel } = greeting;
    const changes = this.changesWithout(theirs.node);
    const { node } = this.settings;
    // A herald that was led to its own node.
    if (theirs.node === node) {
      channel.close(true);
      return;
    }
    const ours = { epoch: this.epoch, node, cache: identityOf(this.region.head), changes };
    switch (outcome(ours, theirs)) {
      case 'theirs': {
        const link = seenLink(theirs.link, channel.peer);
        channel.close(true);
        this.depose(theirs, link, changes);
        return;
      }
      case 'ours':
        // Whoever compares epochs from now on finds ours above.
        if (theirs.epoch >= ours.epoch) promote(this.region, theirs.epoch);
        this.log.say(
          `node ${theirs.node} reigns with epoch ${theirs.epoch}, and must give way: ` +
            `we have acknowledged ${changes} changes without it, and reign with epoch ${this.epoch}`,
        );
        this.tell(channel, this.epoch, node, linkAt(this.settings, this.linkPort));
        return;
      case 'apart':
        greeting.turnAway(noHeir(this.epoch, theirs.epoch));
    }
  }

  /** Changes that were acknowledged and that this node, once our standby, cannot have. */
  private changesWithout(node: string): number {
    if (this.standby?.node === node) return 0;
    // What was executed while replies are held back is not acknowledged.
    const held = this.hold.isOn ? this.departed.get(this.hold.node) : undefined;
    const acknowledged = held ?? this.parts.changes();
    return Math.max(0, acknowledged - (this.departed.get(node) ?? 0));
  }

  /** The last word on a connection: who reigns, and where. */
  private tell(channel: Channel, epoch: number, node: string, link: string | null): void {
    channel.sendMessage(FrameType.DEPOSED, { node, link }, epoch);
    channel.close(true);
  }

  /** Law 4: we answer nobody any more. Our own standby is told who reigns, or it would take us for dead. */
  private depose({ epoch, node }: Reign, link: string | null, lost: number): void {
    const { standby } = this;
    const gone = lost === 0 ? '' : `; ${lost} changes acknowledged without it are lost`;
    this.log.say(`deposed: epoch ${epoch} reigns now, ours was ${this.epoch}${gone}`);
    if (standby !== null && standby.node !== node) this.tell(standby.channel, epoch, node, link);
    for (const { greeting } of this.waiting) this.tell(greeting.channel, epoch, node, link);
    const { hold } = this;
    if (hold.line !== null && hold.node !== node) this.tell(hold.line, epoch, node, link);
    this.events.deposed(epoch, link, lost);
  }
}
