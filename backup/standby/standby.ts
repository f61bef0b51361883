/**
 * The standby's end of the mirror: attaches to a primary, takes its geometry, and receives its batches into a region of
 * its own, over either kind of link. It executes nothing and knows no key. Its copy may be served only while `isWhole`
 * is true.
 */

import { HotspareError } from '../../src/base/errors.js';
import { controlBytesMax, leavingMs } from '../../src/base/limits.js';
import type { NativeRegion } from '../../src/native/addon.js';
import type { Wire } from '../../src/net/wire.js';
import { type MappedCopy, type MappingOptions, mapCopy } from '../../src/server/region-mapping.js';
import type { Geometry } from '../../src/store/layout.js';
import { epochOf, inspect } from '../../src/store/superblock.js';
import { Channel, type ChannelOwner } from '../channel/channel.js';
import { type FrameHeader, FrameType, protocolVersion } from '../channel/frame.js';
import {
  type Deposed,
  type MemoryRegistration,
  parse,
  redirectEpoch,
  sameVersion,
  type Welcome,
} from '../channel/hello.js';
import { firstHeartbeat } from '../lease/heartbeat-times.js';
import type { Reign } from '../lease/reign.js';
import { StandbyLease } from '../lease/standby-lease.js';
import { Fabrics } from '../link/fabrics.js';
import type { BatchReceiver } from '../link/link.js';
import { openReceiver } from '../link/receiver-setup.js';
import { advertisedLink, type MirrorSettings, seenLink } from '../mirror-settings.js';
import {
  deathFoundTooLate,
  HandshakeStage,
  isDirect,
  mayArrive,
  unwantedLink,
} from './handshake-checks.js';
import { StandbyHandshake } from './standby-handshake.js';

const namePrimary = 'name the --link-listen of a primary with --of';

export interface StandbyEvents {
  /** The primary has let us in: a copy begins. `gaveUp`: the epoch of a cache that the memory file held, or null. */
  welcomed(welcome: Welcome, gaveUp: number | null): void;
  /** The copy is whole. */
  synced(): void;
  /** The connection is gone; our copy is as it was. */
  lost(reason: string): void;
  /** No process listens there (ECONNREFUSED), or the address cannot be reached. */
  unreachable(errno: number): void;
  /**
   * The peer, or this node, refuses this mirror; with LINK_BUSY only for now. `isSure`: the peer knows the secret,
   * and knew who this node is; otherwise anybody in between may have said it, or have brought it about.
   */
  refused(error: HotspareError, isSure: boolean): void;
  /** Another node reigns. `link`: where it listens for standbys; null when it did not say. */
  outranked(epoch: number, link: string | null): void;
  /** The node whose reign has ended this node's own; empty when none has. */
  deposedBy(): string;
  /**
   * Told to a reign announcer: the node that answers reigns no more, and mirrors one that can be met at this address.
   */
  redirected?(link: string): void;
  /** The primary goes on without this standby: the copy is out of date. */
  dropped(): void;
  /**
   * Asked before our copy is given up for a copy of this primary's cache. 'keep': it is not given up, and the owner has
   * ended this connection. `ours`: the cache of our copy.
   */
  met(theirs: CacheAt, ours: CacheAt): 'mirror' | 'keep';
}

/** A reign as its node announces it, and where standbys attach to that node. */
export type Reigning = Pick<Reign, 'epoch' | 'cache' | 'changes'> & {
  readonly link: string | null;
};

/** A cache, as of this epoch. */
export type CacheAt = Pick<Reign, 'cache' | 'epoch'>;

/** The address where a standby attaches. */
export interface PrimaryAddress {
  readonly host: string;
  readonly port: number;
}

export class Standby implements ChannelOwner {
  /** The copy, once a primary has welcomed us. */
  nativeRegion: NativeRegion | null = null;
  geometry: Geometry | null = null;
  /** When the primary was last heard, in ms of the clock of the ports. */
  heardMs = 0;
  /** The epoch of the mirrored primary. */
  epoch = 0;
  /** The random name of the primary whose copy this is, also when its link is lost; empty before the first copy. */
  primaryNode = '';
  private readonly wire: Wire;
  private address: PrimaryAddress;
  private readonly mirrorSettings: MirrorSettings;
  private readonly events: StandbyEvents;
  private readonly mappingOptions: MappingOptions;
  private readonly fabrics: Fabrics;
  private channel: Channel | null = null;
  /** Takes the primary's bytes into `nativeRegion`. */
  private receiver: BatchReceiver | null = null;
  /** Resolves when no thread maps or wipes memory for a copy. */
  private mapping: Promise<void> = Promise.resolve();
  private welcome: Welcome | null = null;
  /** The address at which the newest welcome came straight from the primary; null when something stands in between. */
  private directAddress: PrimaryAddress | null = null;
  /** The identity of the cache of our copy. */
  private cache = '';
  private readonly lease: StandbyLease;
  private isSyncedReported = false;
  private handshake: StandbyHandshake | null = null;
  private stage: number = HandshakeStage.UNPROVED;
  /** The reign of this node, when it only announces it; null for a standby, which reigns over nobody. */
  private reign: (() => Reigning) | null = null;
  /** Resolves once the primary has closed the connection on which we said that we leave. */
  private left: (() => void) | null = null;

  constructor(
    wire: Wire,
    address: PrimaryAddress,
    mirrorSettings: MirrorSettings,
    mappingOptions: MappingOptions,
    events: StandbyEvents,
  ) {
    this.wire = wire;
    this.address = address;
    this.mirrorSettings = mirrorSettings;
    this.mappingOptions = mappingOptions;
    this.events = events;
    this.fabrics = new Fabrics(wire.ports.network.fabric, mirrorSettings);
    this.lease = new StandbyLease(firstHeartbeat(wire.ports.random));
  }

  /** Sequence of the newest batch that was received. */
  get sequence(): number {
    return this.receiver?.sequence ?? 0;
  }

  /** Bytes of blocks and batches that were received, or null over RDMA, where this processor does not see them. */
  get receivedBytes(): number | null {
    return this.receiver?.receivedBytes ?? null;
  }

  /**
   * True while the region surely holds everything that the primary has acknowledged: the copy is whole, and the primary
   * confirmed us so lately that it cannot have gone on without us yet.
   */
  isWhole(nowMs: number): boolean {
    return this.lease.mayServe(nowMs);
  }

  /** When the copy may be served no more, unless the primary is heard again. */
  get leaseEndsMs(): number {
    return this.lease.endsMs;
  }

  /** The primary's WELCOME; null before it came. */
  get primaryWelcome(): Welcome | null {
    return this.welcome;
  }

  /**
   * True when the primary itself, and nothing that passes bytes on to it, listens at the address of our attempts, as
   * the welcome of the copy has shown. False at an address that no primary has welcomed us at.
   */
  get isDirect(): boolean {
    const { directAddress: direct, address } = this;
    return direct !== null && direct.host === address.host && direct.port === address.port;
  }

  /** The peer has proved that it knows the secret. */
  private get isProved(): boolean {
    return this.stage !== HandshakeStage.UNPROVED;
  }

  /** How long the copy may be served without a heartbeat of the primary. 0 before the welcome. */
  get leaseMs(): number {
    return this.lease.lengthMs;
  }

  /**
   * Attaches to announce a reign; `reign` is called when the proof is made. A primary there steps down instead of
   * welcoming us, or says that we must (`outranked`).
   */
  announceReign(reign: () => Reigning): void {
    this.reign = reign;
    this.attach();
  }

  /** Attempts from now on go to this address. */
  moveTo(address: PrimaryAddress): void {
    this.address = address;
  }

  /** Ends the connection, or the attempt to connect, without an event. Our copy stays as it is. */
  hangUp(): void {
    this.leave();
  }

  /** Starts to attach; one of the events follows. Our copy is kept until the primary welcomes us. */
  attach(): void {
    const { host, port } = this.address;
    this.welcome = null;
    this.stage = HandshakeStage.UNPROVED;
    const failure = this.wire.connect(host, port, 1, (connection) => {
      this.channel = new Channel(this.wire, connection, this);
      return this.channel;
    });
    if (failure === null) return;
    const sentence = `cannot connect to ${host}:${port}: ${failure.error}`;
    this.events.refused(
      new HotspareError(
        'LINK_UNREACHABLE',
        sentence,
        'check --of, and how many open files this process may have',
      ),
      false,
    );
  }

  channelOpened(): void {
    this.handshake = new StandbyHandshake(
      this.channel!,
      this.mirrorSettings,
      this.wire.ports.random,
    );
    // Asks libfabric while the challenge is on its way, so that the proof need not wait for the offer.
    this.fabrics.offer(this.channel!.localHost, true);
  }

  connectRefused(errno: number): void {
    this.events.unreachable(errno);
  }

  frameReceived(header: FrameHeader, bytes: Uint8Array, at: number): void {
    const comesTwice = this.reign !== null || this.welcome !== null;
    const welcomeless = comesTwice && header.type === FrameType.WELCOME;
    if (!mayArrive(header.type, this.stage) || welcomeless) {
      this.refuse('LINK_REFUSED', 'that is no primary', namePrimary);
      return;
    }
    // What comes before the proof may be anybody's.
    if (this.isProved) this.heardMs = this.wire.nowMs;
    switch (header.type) {
      case FrameType.BEGIN:
        this.receiver?.begin(header.sequence);
        return;
      case FrameType.BATCH:
      case FrameType.BLOCK:
      case FrameType.HEARTBEAT:
        if (this.stage === HandshakeStage.PROVED) return;
        if (this.receiver?.receive(header, bytes, at) === true) return;
        this.lease.spoil();
        this.broken(`batch ${header.sequence} of epoch ${header.epoch} does not fit`);
        return;
      case FrameType.SYNCED:
        this.finish(header);
        return;
      case FrameType.DROPPED:
        this.lease.spoil();
        this.leave();
        this.events.dropped();
        return;
      case FrameType.DEPOSED:
        this.outrank(header.epoch, bytes.subarray(at, at + header.length));
        return;
      default:
        this.control(header, bytes.subarray(at, at + Math.min(header.length, controlBytesMax)));
    }
  }

  inputDrained(): void {
    this.receiver?.acknowledge();
  }

  foreignVersion(version: number): void {
    const sentence = `the primary's frames have version ${version}, ours ${protocolVersion}`;
    this.refuse('LINK_VERSION', sentence, sameVersion);
  }

  channelLost(reason: string): void {
    this.channel = null;
    if (this.left === null) this.events.lost(reason);
    else this.left();
  }

  garbageReceived(reason: string): void {
    this.channel = null;
    if (this.isProved) this.events.lost(reason);
    else this.refuse('LINK_LOST', reason, namePrimary);
  }

  /** Sends a heartbeat, and looks for the primary's. */
  beat(nowMs: number): void {
    this.receiver?.poll();
    const { lease } = this;
    if (this.welcome === null || !lease.mayPromise) return;
    const sequence = lease.beat(nowMs);
    this.channel?.send({ type: FrameType.HEARTBEAT, sequence, count: lease.echo });
  }

  /**
   * Law 4: from now on not one more byte of the primary's is placed, and all acked bytes are in place. A takeover
   * begins, so nothing is promised any more: neither an echo nor an ack leaves.
   */
  revoke(): void {
    this.lease.claim(this.wire.ports.clock());
    this.receiver?.revoke();
    if (this.nativeRegion !== null)
      this.epoch = Math.max(this.epoch, epochOf(new Int32Array(this.nativeRegion.head)));
  }

  /**
   * Tells the primary, if it can hear, that this node reigns with this epoch, and where to attach. Ends the connection.
   */
  depose(epoch: number, link: string | null): void {
    const deposed: Deposed = { node: this.mirrorSettings.node, link };
    this.channel?.sendMessage(FrameType.DEPOSED, deposed, epoch);
    this.leave();
  }

  /** Reports `synced` once the copy is whole and the primary has confirmed that it counts on this standby. */
  private reportSynced(): void {
    // Heartbeats of an RDMA link are still read when the channel is gone, and must not report a standby without a
    // primary.
    if (this.channel === null) return;
    if (this.isSyncedReported || this.lease.state !== 'whole' || !this.lease.isConfirmed) return;
    this.isSyncedReported = true;
    this.events.synced();
  }

  /** Ends the connection and the receiver, without an event. */
  close(): void {
    this.leave();
    this.receiver?.close();
  }

  /** Ends the connection and the receiver, and gives the copy up. Resolves once its memory file may be mapped again. */
  async giveUp(): Promise<void> {
    this.close();
    this.forget();
    await this.mapping;
  }

  /**
   * Ends the connection and the receiver in order: the primary is told that this copy is given up, and need not wait
   * for it. Resolves once the primary has closed the connection, and so shows that it has heard, or after `leavingMs`.
   * This end does not close first: frames may be on their way here, and a close would then reset the connection before
   * LEAVING is read.
   */
  async depart(): Promise<void> {
    const { channel } = this;
    if (channel !== null && this.welcome !== null) {
      channel.send({ type: FrameType.LEAVING, epoch: this.epoch });
      channel.muted = true;
      await new Promise<void>((resolve) => {
        this.left = resolve;
        this.wire.ports.timers.after(leavingMs, resolve);
      });
    }
    this.close();
  }

  /** Ends the connection, without an event. Our copy stays as it is. */
  private leave(): void {
    this.channel?.close(true);
    this.channel = null;
  }

  /** No more batches can come, and without them the connection is of no use. */
  private broken(reason: string): void {
    if (this.channel === null || this.left !== null) return;
    this.leave();
    this.events.lost(reason);
  }

  private finish(header: FrameHeader): void {
    // The mark of an inconsistent region stays until this node takes over, as a copy goes out of date without notice.
    const head = new Int32Array(this.nativeRegion!.head);
    const found = inspect(head);
    if (found.kind !== 'region' || this.receiver?.holds(header.sequence) !== true) {
      this.refuse('LINK_REFUSED', 'the copy of the region is damaged', 'start the standby again');
      return;
    }
    this.lease.synced();
    this.epoch = epochOf(head);
    this.reportSynced();
  }

  /** The peer says that another node reigns: our copy is not of the reign that goes on. */
  private outrank(epoch: number, payload: Uint8Array): void {
    const peer = this.channel?.peer ?? '';
    const link = seenLink(parse('deposed', payload)?.link ?? null, peer);
    this.lease.spoil();
    this.leave();
    if (epoch === redirectEpoch && this.reign !== null) this.events.redirected?.(link ?? '');
    else this.events.outranked(epoch, link);
  }

  private control(header: FrameHeader, payload: Uint8Array): void {
    if (header.type === FrameType.REFUSED) {
      const refusal = parse('refusal', payload);
      const told = (['LINK_VERSION', 'LINK_BUSY'] as const).find((one) => one === refusal?.code);
      const code = told ?? 'LINK_REFUSED';
      const reason = refusal?.reason ?? 'no reason was given';
      const remedy = refusal?.remedy ?? sameVersion;
      // A peer that did not take our proof may have got another one, changed by whoever brought the refusal about.
      this.refuse(code, reason, remedy, this.isProved && refusal?.disowns === true);
    } else if (header.type === FrameType.CHALLENGE) {
      this.prove(payload);
    } else {
      this.enter(payload);
    }
  }

  private prove(payload: Uint8Array): void {
    const { node, deadAfterMs } = this.mirrorSettings;
    const { linkPreference, providers, lacks } = this.fabrics.offer(this.channel!.localHost, true);
    const failure = this.handshake!.prove(payload, {
      node,
      ...(this.reign?.() ?? this.claims()),
      deposedBy: this.events.deposedBy(),
      deadAfterMs,
      transport: linkPreference,
      providers: providers.join(','),
      lacks,
    });
    if (failure === null) {
      this.stage = HandshakeStage.PROVED;
      this.heardMs = this.wire.nowMs;
    } else {
      this.refuse(failure.code, failure.message, failure.remedy);
    }
  }

  /** The claims of a standby: no reign, and the cache of which it holds a whole copy. */
  private claims(): Reigning {
    const holds = this.isWhole(this.wire.ports.clock());
    return {
      epoch: 0,
      cache: holds ? this.cache : '',
      changes: 0,
      link: advertisedLink(this.mirrorSettings),
    };
  }

  private enter(payload: Uint8Array): void {
    const welcome = parse('welcome', payload);
    if (welcome === null) {
      this.refuse('LINK_REFUSED', 'the welcome makes no sense', sameVersion);
      return;
    }
    const unwanted = unwantedLink(this.fabrics.offer(this.channel!.localHost, true), welcome);
    if (unwanted !== null) {
      this.refuse('LINK_REFUSED', unwanted, 'run hotspare doctor on both nodes');
      return;
    }
    const held: CacheAt = { cache: this.cache, epoch: this.epoch };
    if (this.events.met(welcome, held) === 'keep') return;
    const late = deathFoundTooLate(this.mirrorSettings, welcome);
    if (late !== null) {
      this.refuse(late.code, late.message, late.remedy);
      return;
    }
    this.forget();
    this.welcome = welcome;
    this.cache = welcome.cache;
    this.epoch = welcome.epoch;
    this.primaryNode = welcome.node;
    this.directAddress = isDirect(this.channel!, welcome) ? this.address : null;
    this.lease.begin(welcome.ackTimeoutMs);
    this.map(welcome);
  }

  /** Maps memory for the copy while heartbeats go on. Mappings follow each other, as each uses the same memory file. */
  private map(welcome: Welcome): void {
    const { channel } = this;
    const regionMemory = this.wire.ports.memory;
    const begin = (): Promise<MappedCopy> =>
      mapCopy(welcome.geometry, this.mappingOptions, regionMemory);
    this.mapping = this.mapping.then(begin).then(
      (copy) => {
        if (this.channel === channel && channel !== null) this.mapped(welcome, copy);
        else regionMemory.regionClose(copy.nativeRegion.id);
      },
      (error: unknown) => {
        if (!(error instanceof HotspareError)) throw error;
        if (this.channel === channel) this.refuse(error.code, error.message, error.remedy);
      },
    );
  }

  private mapped(welcome: Welcome, { nativeRegion, gaveUp }: MappedCopy): void {
    this.nativeRegion = nativeRegion;
    this.geometry = welcome.geometry;
    this.stage = HandshakeStage.WELCOMED;
    const { channel } = this;
    this.receiveInto(welcome, nativeRegion);
    // An RDMA link may fail at once, and this mirror is refused then.
    if (this.channel === channel) this.events.welcomed(welcome, gaveUp);
  }

  private receiveInto(welcome: Welcome, nativeRegion: NativeRegion): void {
    const channel = this.channel!;
    const isCurrent = (): boolean => this.channel === channel;
    openReceiver({
      welcome,
      nativeRegion,
      channel,
      ports: this.wire.ports,
      host: this.address.host,
      isCurrent,
      opened: (receiver) => {
        this.receiver = receiver;
      },
      decided: (registration) => this.decided(registration),
      heard: (beat, echo) => {
        this.heardMs = this.wire.ports.clock();
        this.lease.heard(beat, echo);
        this.reportSynced();
      },
      broken: (reason) => {
        if (isCurrent()) this.broken(reason);
      },
    });
  }

  /** The RDMA link is ready for the primary's writes; or it failed, and the TCP link may take its place. */
  private decided(registration: MemoryRegistration): void {
    const must = registration.failure !== '' && this.mirrorSettings.linkPreference === 'rdma';
    if (!must) this.channel!.sendMessage(FrameType.MEMORY, registration, this.epoch);
    else this.refuse('FABRIC', `--transport rdma: ${registration.failure}`, 'run hotspare doctor');
  }

  /** Gives our copy up: a new one begins. */
  private forget(): void {
    this.receiver?.close();
    this.receiver = null;
    if (this.nativeRegion !== null) this.wire.ports.memory.regionClose(this.nativeRegion.id);
    this.nativeRegion = null;
    this.isSyncedReported = false;
  }

  private refuse(
    code: HotspareError['code'],
    reason: string,
    remedy: string,
    isSure = this.isProved,
  ): void {
    this.leave();
    this.events.refused(new HotspareError(code, reason, remedy), isSure);
  }
}
