/**
 * The primary's end of the mirror: takes the journal at the end of each tick, gives it to its replicas as a batch, and
 * says which replies must wait for that batch (law 3). It takes as many standbys as its settings allow, each over a
 * link of its own, and refuses any more with a reason.
 *
 * A replica (replica.ts) is one standby, attached or just lost. The quorum (quorum.ts) says which batch all standbys in
 * sync have acked; replies that saw a newer batch wait. Besides, a reply leaves only when each of these standbys has
 * promised not to take over before the moment at which its request was executed (backup/lease/lease.ts). Where a
 * promise does not reach so far, an empty batch asks for one, and the reply waits for its ack.
 */

import { HotspareError } from '../../src/base/errors.js';
import { departedMost, othersMost } from '../../src/base/limits.js';
import type { Timer } from '../../src/native/ports.js';
import type { Wire } from '../../src/net/wire.js';
import type { Log } from '../../src/process/log.js';
import type { Journal } from '../../src/store/journal.js';
import type { Mirror } from '../../src/store/mirror.js';
import type { Region } from '../../src/store/region.js';
import { epochOf, identityOf, promote } from '../../src/store/superblock.js';
import type { Channel } from '../channel/channel.js';
import { FrameType } from '../channel/frame.js';
import type { ClientAddresses, Proof } from '../channel/hello.js';
import { noRecord, type ReignRecord } from '../lease/lease.js';
import type { Reign } from '../lease/reign.js';
import { Fabrics } from '../link/fabrics.js';
import type { Batch } from '../link/link.js';
import { linkAt, type MirrorSettings, seenLink } from '../mirror-settings.js';
import { Backpressure } from './backpressure.js';
import { LinkListener } from './link-listener.js';
import {
  MirrorCounts,
  type MirrorState,
  mirrorStats,
  mirrorStatsDetailed,
} from './mirror-stats.js';
import { noHeir, type PrimaryHandshake, taken } from './primary-handshake.js';
import { ackedByAll } from './quorum.js';
import { type Loss, Replica, type ReplicaEvents, type ReplicaParts } from './replica.js';
import { UnackedBatches } from './unacked-batches.js';
import type { MirrorPhase, PrimaryVerdicts } from './verdicts.js';
import { WriteGate } from './write-gate.js';

/** Events of a primary, told to its owner. */
export interface PrimaryEvents {
  /** The standby of this node is in sync. */
  synced(node: string): void;
  /** The standby of this node is gone. `dropped`: the primary gave it up, as it acked too late. */
  detached(node: string, dropped: boolean): void;
  /**
   * Another node reigns: its epoch and random name. `link`: where to attach to that node, if it said so. `lost`: our
   * acknowledged changes that it lacks. `peer`: the address of the node that told us, as the native transport shows it.
   */
  deposed(
    reign: Pick<Reign, 'epoch' | 'node'>,
    link: string | null,
    lost: number,
    peer: string,
  ): void;
}

export interface PrimaryParts {
  readonly wire: Wire;
  readonly region: Region;
  /** The region's number in the addon. */
  readonly regionId: number;
  readonly mirrorSettings: MirrorSettings;
  readonly log: Log;
  /** Sequence of the newest batch of an earlier reign of this process. */
  readonly sequence: number;
  readonly events: PrimaryEvents;
  readonly verdicts: PrimaryVerdicts;
  /** How many changes clients have made since this node opened the region. It never falls. */
  readonly changes: () => number;
  readonly clients: () => ClientAddresses;
  /** Asked before this node goes on without a standby that was in sync; left out where there is no witness. */
  readonly record?: ReignRecord;
}

/** A standby that has proved itself, and waits until a lost one's lease is over. */
interface Waiting {
  readonly handshake: PrimaryHandshake;
  readonly proof: Proof;
}

export class Primary implements Mirror {
  readonly unacked: UnackedBatches;
  private readonly parts: PrimaryParts;
  private readonly wire: Wire;
  private readonly region: Region;
  private readonly mirrorSettings: MirrorSettings;
  private readonly log: Log;
  private readonly events: PrimaryEvents;
  private readonly linkListener: LinkListener;
  private readonly heartbeat: Timer;
  private readonly clock: () => number;
  /** The standbys that are attached, and those that were lost and may take over for a while yet. */
  private replicas: readonly Replica[] = [];
  private readonly replicaParts: ReplicaParts;
  private readonly record: ReignRecord;
  /** Replies wait for acks: `--ack sync`. */
  private readonly isSync: boolean;
  private readonly fabrics: Fabrics;
  private waiting: Waiting[] = [];
  /** How many changes each standby that is gone surely has, by node. */
  private readonly departed = new Map<string, number>();
  /** The nodes that were our standbys, by the address where they let others attach. */
  private readonly nodesAt = new Map<string, string>();
  private readonly backpressure: Backpressure;
  private readonly writeGate: WriteGate;
  private linkPort = 0;
  private ended = false;
  private readonly counts = new MirrorCounts();

  constructor(parts: PrimaryParts) {
    const { wire, region, mirrorSettings, log, sequence, events } = parts;
    this.parts = parts;
    this.wire = wire;
    this.region = region;
    this.mirrorSettings = mirrorSettings;
    this.fabrics = new Fabrics(wire.ports.network.fabric, mirrorSettings);
    this.backpressure = new Backpressure(wire);
    this.log = log;
    this.unacked = new UnackedBatches(sequence);
    this.events = events;
    region.journal.onFull = () => this.send();
    this.linkListener = new LinkListener(wire, mirrorSettings, log, (handshake, proof) => {
      this.admit(handshake, proof);
    });
    this.record = parts.record ?? noRecord;
    this.isSync = mirrorSettings.ack === 'sync';
    const { regionId } = parts;
    const shared = { wire, region, regionId, mirrorSettings, log, unacked: this.unacked };
    this.replicaParts = { ...shared, events: this.replicaEvents(), epoch: () => this.epoch };
    const { clock, timers } = wire.ports;
    this.clock = clock;
    this.writeGate = new WriteGate(mirrorSettings.standbysRequired, log, clock());
    this.heartbeat = timers.every(mirrorSettings.heartbeatMs, () => this.beat());
  }

  get congested(): boolean {
    return this.backpressure.isOn;
  }

  get refusesWrites(): boolean {
    return this.writeGate.refuses;
  }

  /** Lets standbys attach; returns the port that was bound. Throws HotspareError LISTEN. */
  listen(host: string, port: number): number {
    this.linkPort = this.linkListener.listen(host, port);
    return this.linkPort;
  }

  commit(journal: Journal, _nowMs: number): number {
    const { replicas, unacked } = this;
    if (replicas.length === 0) return 0;
    if (journal.count > 0 || this.mustAsk()) this.send();
    for (const { link } of replicas) link?.poll();
    this.backpressure.set(this.mustWait());
    const { sequence } = unacked;
    return this.isSync && ackedByAll(sequence, this.replicas) < sequence ? sequence : 0;
  }

  stats(): Iterable<readonly [string, string | number]> {
    return mirrorStats(this.state());
  }

  details(): Iterable<readonly [string, string | number]> {
    return mirrorStatsDetailed(this.state());
  }

  /** The supervisor knows that the process of this standby has ended: the standby cannot take over any more. */
  standbyIsDead(node: string): void {
    for (const replica of this.replicas.filter((one) => one.node === node)) {
      this.gaveUp(replica, 'its process has ended');
    }
  }

  /** Sequence of the newest batch; replies of this process may wait for it. */
  get sequence(): number {
    return this.unacked.sequence;
  }

  /**
   * Ends the mirror: closes every node-to-node connection and stops listening. Replies that are waiting never leave.
   */
  end(): void {
    this.ended = true;
    this.heartbeat.cancel();
    this.linkListener.close();
    for (const { handshake } of this.waiting.splice(0)) handshake.channel.close(false);
    for (const replica of this.replicas) replica.end(false);
    this.replicas = [];
    this.fabrics.close();
    this.backpressure.set(false);
    this.region.journal.active = false;
    this.region.journal.clear();
  }

  /** The peer has proved itself: it is a standby, or a node that reigns as this one does. */
  private admit(handshake: PrimaryHandshake, proof: Proof): void {
    if (this.ended || !handshake.channel.isOpen) return;
    if (proof.epoch > 0) {
      this.meet(handshake, proof);
      return;
    }
    this.parts.verdicts.visited(proof.node, proof.deposedBy);
    // The same standby comes again: it saw the link break, and this node did not yet.
    const same = this.attached.find(({ node }) => node === proof.node);
    if (same !== undefined) this.detach(same, 'it attaches anew', 'lost');
    const { held, attached } = this;
    const before = held.find(({ node }) => node === proof.node);
    const newcomer = { isLost: before !== undefined, others: attached.length };
    const entry = this.parts.verdicts.came(newcomer);
    if (entry === 'wait') {
      // Heartbeats tell it that we live.
      this.waiting.push({ handshake, proof });
      return;
    }
    // A standby that attaches anew uses its new connection for everything it has to say.
    before?.channel.close(false);
    if (entry === 'busy') {
      handshake.refuseAndClose(taken(attached.map(({ node }) => node)));
      return;
    }
    const choice = this.fabrics.chooseLink(handshake.channel.localHost, proof);
    if (choice instanceof HotspareError) {
      handshake.refuseAndClose(choice);
      return;
    }
    handshake.channel.trusted = true;
    const replica = new Replica(this.replicaParts, handshake.channel, proof);
    handshake.owner = replica;
    const link = seenLink(proof.link, handshake.channel.peer);
    if (link !== null) {
      this.nodesAt.set(link, proof.node);
      if (this.nodesAt.size > departedMost) this.nodesAt.delete([...this.nodesAt.keys()][0]!);
    }
    this.replicas = [...this.replicas, replica];
    const { fabrics, parts } = this;
    const sequence = (): number => this.unacked.sequence;
    const clients = parts.clients();
    const others = [...this.nodesAt.keys()].filter((at) => at !== link).slice(-othersMost);
    replica.open({ ...parts, fabrics, sequence, clients, others }, choice);
  }

  private replicaEvents(): ReplicaEvents {
    return {
      spoke: (replica) => {
        // Every ack comes by here, so the usual case is left at once.
        if (this.replicas.length === 1) return;
        // A standby speaks only once it was welcomed, and has given up its old copy by then.
        const old = this.replicas.find(({ isHeld, node }) => isHeld && node === replica.node);
        if (old !== undefined) this.gaveUp(old, 'it attaches anew');
      },
      opened: () => {
        const { journal } = this.region;
        // Changes from before the link are in the region, and the copy takes them from there.
        if (!journal.active) journal.clear();
        journal.active = true;
        this.counts.resyncs++;
      },
      acked: () => {
        this.settle();
        this.backpressure.set(this.mustWait());
      },
      counted: () => this.parts.verdicts.counted(),
      synced: ({ node }) => {
        this.countInSync();
        this.events.synced(node);
      },
      flush: () => {
        if (this.region.journal.count > 0) this.send();
        this.unacked.note(this.parts.changes());
        return this.unacked.sequence;
      },
      lost: (replica, reason, how) => this.detach(replica, reason, how),
      reigns: (replica, epoch, link) => this.replaced(replica, epoch, link),
      left: (replica) => this.gaveUp(replica, 'it has ended in order'),
    };
  }

  private get epoch(): number {
    return epochOf(this.region.head);
  }

  /** The standbys that are attached. */
  private get attached(): readonly Replica[] {
    return this.replicas.filter(({ isHeld }) => !isHeld);
  }

  /** The standbys that were lost, and may take over for a while yet; meanwhile no reply leaves. */
  private get held(): readonly Replica[] {
    return this.replicas.filter(({ isHeld }) => isHeld);
  }

  /** The phase of the mirror without this replica. */
  private phaseWithout(replica: Replica): MirrorPhase {
    const others = this.replicas.filter((one) => one !== replica);
    if (others.some(({ isHeld }) => isHeld)) return 'held';
    return others.some(({ isCounted }) => isCounted) ? 'mirrored' : 'alone';
  }

  /**
   * True when clients must wait until a standby has taken what was sent to it. A standby that copies is given up
   * instead, as long as another one is in sync: it must delay nobody, but without it there is nobody to fail over to.
   */
  private mustWait(): boolean {
    for (const replica of this.replicas) {
      if (!replica.isFull) continue;
      if (replica.isCounted || !this.isMirrored) return true;
      this.detach(replica, 'it takes its copy more slowly than clients write', 'lost');
    }
    return false;
  }

  /** True while a standby is attached whose acks replies wait for. */
  private get isMirrored(): boolean {
    return this.replicas.some(({ isCounted }) => isCounted);
  }

  /** True while there is a link to send batches over. */
  private get carries(): boolean {
    for (const { link } of this.replicas) if (link !== null) return true;
    return false;
  }

  private countInSync(): void {
    const inSync = this.replicas.filter(({ state }) => state === 'in_sync');
    this.writeGate.count(inSync.length, this.clock());
  }

  private state(): MirrorState {
    const { attached: replicas, unacked, counts, mirrorSettings, backpressure } = this;
    return {
      replicas,
      unacked,
      counts,
      ack: mirrorSettings.ack,
      epoch: this.epoch,
      stalls: backpressure.stalls,
      writeGate: this.writeGate,
      nowMs: this.clock(),
    };
  }

  /** Whether the replies of this tick need an empty batch that asks a standby for its promise. */
  private mustAsk(): boolean {
    if (!this.isSync || !this.wire.hasReplies) return false;
    // The clock is read anew, as this node may have stood still within the tick.
    const now = this.clock();
    for (const replica of this.replicas) if (replica.mustAsk(now)) return true;
    return false;
  }

  /** Seals the journal as the next batch and gives it to each link. */
  private send(): void {
    const { replicas, unacked } = this;
    const { journal } = this.region;
    // A batch that no link carries would be counted, and never be acked.
    if (this.carries) {
      const sequence = unacked.commit(this.clock(), this.parts.changes());
      this.counts.add(journal);
      const batch: Batch = { journal, epoch: this.epoch, sequence, isSealed: false };
      for (const { link } of replicas) link?.sendBatch(batch);
      if (this.mustWait()) this.backpressure.isOn = true;
    }
    journal.clear();
  }

  /** Lets replies leave that saw only batches which all standbys in sync have acked. */
  private settle(): void {
    const { unacked, replicas } = this;
    const acked = ackedByAll(unacked.sequence, replicas);
    if (acked <= unacked.acked) return;
    unacked.ack(acked, this.clock());
    this.wire.transport.release(acked);
  }

  /** Called every heartbeat: sends heartbeats from the thread that serves, and drops a standby that acks too late. */
  private beat(): void {
    const now = this.clock();
    this.reassure();
    for (const replica of this.replicas) {
      if (replica.isOver(now)) {
        this.askToGoOn(replica, () => this.sayOver(replica, 'its lease is over'));
      }
      if (replica.isHeld || !this.replicas.includes(replica)) continue;
      const overdue = replica.overdue(now);
      if (overdue !== null) this.detach(replica, overdue, 'dropped');
      else replica.beat(now);
    }
  }

  /** The standby is gone, or acks too late. The primary goes on alone, at once or when that standby's lease is over. */
  private detach(replica: Replica, reason: string, how: Loss['how']): void {
    if (this.ended || replica.isHeld || !this.replicas.includes(replica)) return;
    const { node, isCounted } = replica;
    const dropped = how === 'dropped';
    const others = this.phaseWithout(replica);
    const verdict = this.parts.verdicts.gone(
      { how, isMember: isCounted, isSync: this.isSync },
      others,
    );
    const holds = verdict === 'hold';
    this.remember(replica);
    if (dropped) replica.channel.send({ type: FrameType.DROPPED, epoch: this.epoch });
    if (verdict === 'forget') replica.end(how !== 'lost');
    else replica.hold(this.clock(), holds, how);
    this.withdraw(replica);
    this.countInSync();
    this.counts[dropped ? 'drops' : 'losses']++;
    if (verdict === 'forget') this.letGo(replica);
    else if (verdict === 'release') this.askToGoOn(replica);
    const now = holds
      ? `it may take over for ${Math.round(replica.holdMs)} ms yet, no reply leaves before`
      : `its copy is out of date, ${goingOn(others)}`;
    this.log.say(`standby ${node} ${dropped ? 'dropped' : 'lost'}: ${reason}; ${now}`);
    this.events.detached(node, dropped);
  }

  /** Notes which changes a lost node surely has: those of the batches that it acked, and none that follow. */
  private remember({ node, acked }: Replica): void {
    this.departed.delete(node);
    this.departed.set(node, this.unacked.changesAt(acked));
    if (this.departed.size > departedMost) this.departed.delete([...this.departed.keys()][0]!);
  }

  /** Nothing more is sent to this replica. While it is held, a batch that it will never ack keeps all replies back. */
  private withdraw(replica: Replica): void {
    const { journal } = this.region;
    if (!this.carries) {
      journal.active = false;
      journal.clear();
      if (replica.isHeld) this.unacked.commit(this.clock(), this.parts.changes());
    } else if (replica.isHeld) {
      this.send();
    }
    this.backpressure.set(this.mustWait());
  }

  /** Asks the record whether this node may go on without a standby that was in sync. The hold lasts until it agrees. */
  private askToGoOn(replica: Replica, said = (): void => {}): void {
    this.record.release(replica.node, (granted) => {
      if (!granted || this.ended || !replica.isHeld) return;
      said();
      this.letGo(replica);
    });
  }

  /**
   * A standby that has given up its copy, or ended, cannot take over any more, so that the record need not be asked.
   */
  private gaveUp(replica: Replica, why: string): void {
    if (!replica.isHeld) {
      this.detach(replica, why, 'dead');
      return;
    }
    this.sayOver(replica, why);
    this.letGo(replica);
  }

  private sayOver(replica: Replica, why: string): void {
    const now = goingOn(this.phaseWithout(replica));
    this.log.say(`standby ${replica.node} cannot take over any more (${why}): ${now}`);
  }

  /** Replies do not wait for this replica any more. */
  private letGo(replica: Replica): void {
    if (replica.isHeld) this.parts.verdicts.holdOver(this.phaseWithout(replica));
    replica.end(false);
    this.replicas = this.replicas.filter((one) => one !== replica);
    if (this.replicas.some(({ isMember }) => isMember)) this.settle();
    else {
      this.unacked.forget(this.clock());
      this.wire.transport.release(this.unacked.sequence);
    }
    for (const { handshake, proof } of this.waiting.splice(0)) this.admit(handshake, proof);
  }

  /** Sends a heartbeat to each standby that waits for the end of a lease; forgets those that have gone. */
  private reassure(): void {
    this.waiting = this.waiting.filter(({ handshake }) => handshake.channel.isOpen);
    for (const { handshake } of this.waiting) {
      handshake.channel.send({ type: FrameType.HEARTBEAT, epoch: this.epoch });
    }
  }

  /** Our own standby says that it reigns in our place: it found us silent while its lease held. */
  private replaced(replica: Replica, epoch: number, link: string | null): void {
    const { node, channel, isMember } = replica;
    if (this.parts.verdicts.claimed({ isMember, epoch, oursEpoch: this.epoch }) === 'theirs') {
      this.depose({ epoch, node }, seenLink(link, channel.peer), 0, channel.peer);
      return;
    }
    const why = isMember
      ? `with epoch ${epoch}, which is not newer`
      : 'with a copy that is not whole';
    this.detach(replica, `it claims to reign ${why}`, 'lost');
  }

  /** Another node that reigns has come: exactly one of the two reigns goes on (reign.ts). */
  private meet(handshake: PrimaryHandshake, theirs: Proof): void {
    const { channel } = handshake;
    const changes = this.changesWithout(theirs.node);
    const { node } = this.mirrorSettings;
    // A reign announcer was redirected to its own node.
    if (theirs.node === node) {
      channel.close(true);
      return;
    }
    const ours = { epoch: this.epoch, node, cache: identityOf(this.region.head), changes };
    switch (this.parts.verdicts.met(ours, theirs)) {
      case 'theirs': {
        const { peer } = channel;
        channel.close(true);
        this.depose(theirs, seenLink(theirs.link, peer), changes, peer);
        return;
      }
      case 'ours':
        // From now on a node that compares the two epochs finds ours above.
        if (theirs.epoch >= ours.epoch) promote(this.region, theirs.epoch);
        this.log.say(
          `node ${theirs.node} reigns with epoch ${theirs.epoch}, and must give way: ` +
            `we have acknowledged ${changes} changes without it, and reign with epoch ${this.epoch}`,
        );
        this.tell(channel, this.epoch, node, linkAt(this.mirrorSettings, this.linkPort));
        return;
      case 'apart':
        handshake.refuseAndClose(noHeir(this.epoch, theirs.epoch));
    }
  }

  /** Acknowledged changes that the node which listens at `link`, once our standby, cannot have. */
  changesWithoutAt(link: string): number {
    return this.changesWithout(this.nodesAt.get(link) ?? '');
  }

  private changesWithout(node: string): number {
    if (this.attached.some((replica) => replica.node === node)) return 0;
    // While replies are held back, the changes that are executed are not acknowledged.
    const before = this.held.map((replica) => this.departed.get(replica.node) ?? Infinity);
    const acknowledged = Math.min(this.parts.changes(), ...before);
    return Math.max(0, acknowledged - (this.departed.get(node) ?? 0));
  }

  /** The last word on a connection: which node reigns, and where it listens. */
  private tell(channel: Channel, epoch: number, node: string, link: string | null): void {
    channel.sendMessage(FrameType.DEPOSED, { node, link }, epoch);
    channel.close(true);
  }

  /** Law 4: this node answers nobody any more. The standby is told which node reigns, lest it take us for dead. */
  private depose(
    { epoch, node }: Pick<Reign, 'epoch' | 'node'>,
    link: string | null,
    lost: number,
    peer: string,
  ): void {
    const gone = lost === 0 ? '' : `; ${lost} changes acknowledged without it are lost`;
    this.log.say(`deposed: epoch ${epoch} reigns now, ours was ${this.epoch}${gone}`);
    for (const replica of this.replicas) {
      if (replica.node !== node) this.tell(replica.channel, epoch, node, link);
    }
    for (const { handshake } of this.waiting) this.tell(handshake.channel, epoch, node, link);
    this.events.deposed({ epoch, node }, link, lost, peer);
  }
}

/** How a primary goes on without a standby, in words. */
function goingOn(others: MirrorPhase): string {
  return others === 'alone' ? 'serving alone' : 'the other standbys go on';
}
