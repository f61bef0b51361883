/**
 * The standby's end of the mirror: attaches to a primary, takes its geometry, and lets its batches land in a region of
 * its own. It executes nothing and knows no key. What it holds may be served only while `isWhole` is true.
 */
import { HotspareError } from '../src/errors.js';
import { controlBytesMax, leaseShare } from '../src/limits.js';
import { mapMemory } from '../src/memory.js';
import { type NativeRegion, native } from '../src/native.js';
import { type Geometry, layoutVersion } from '../src/store/layout.js';
import { epochOf, inspect, markInconsistent } from '../src/store/open.js';
import type { Wire } from '../src/wire.js';
import { Channel, type ChannelOwner } from './channel.js';
import { type FrameHeader, FrameType, protocolVersion } from './frame.js';
import { sameVersion, wrongSecret } from './greeting.js';
import { type Deposed, nonce, parse, proofsMatch, prove, type Welcome } from './hello.js';
import { advertisedLink, type BackupSettings } from './settings.js';
import { land } from './tcp.js';

export interface StandbyEvents {
  /** The primary has let us in: a copy begins. */
  welcomed(welcome: Welcome): void;
  /** The copy is whole. */
  synced(): void;
  /** The connection is gone; what we hold is as it was. */
  lost(reason: string): void;
  /** Nobody listens there (ECONNREFUSED), or the address cannot be reached. */
  unreachable(errno: number): void;
  /** The primary, or we, will not have this mirror. */
  refused(error: HotspareError): void;
  /** The primary goes on without us: the copy is out of date. */
  dropped(): void;
}

/** Where a standby attaches. */
export interface PrimaryAddress {
  readonly host: string;
  readonly port: number;
}

/** How far the hello with the primary has come. */
const Stage = { STRANGER: 0, PROVED: 1, WELCOMED: 2 } as const;

/** Heartbeats that may pass between the last one that was confirmed and the beginning of a silence. */
const leaseSlackBeats = 3;

/** Heartbeats whose send time is remembered; a power of two. An echo comes within two or three. */
const beatsRemembered = 1024;

/** errno of a connection that was refused. */
export const connectionRefused = 111;

export class Standby implements ChannelOwner {
  /** The copy, once a primary has welcomed us. */
  memory: NativeRegion | null = null;
  geometry: Geometry | null = null;
  /** Sequence of the newest batch that landed. */
  sequence = 0;
  /** When a frame last came in, in ms of the wire's clock. */
  heardMs = 0;
  /** The epoch of the primary we mirror. */
  epoch = 0;
  /** Bytes of blocks and batches that have landed. */
  landedBytes = 0;
  private readonly wire: Wire;
  private readonly address: PrimaryAddress;
  private readonly settings: BackupSettings;
  private readonly events: StandbyEvents;
  private readonly memoryFile: string | null;
  private channel: Channel | null = null;
  private welcome: Welcome | null = null;
  private ackTimeoutMs = 0;
  private whole = false;
  private blocks = 0;
  private unacked = false;
  private beats = 0;
  private heardBeat = 0;
  /** When each of our last heartbeats was sent. */
  private readonly beatMs = new Float64Array(beatsRemembered);
  /** When the newest heartbeat was sent that the primary has echoed: it was our primary then, or later. */
  private confirmedMs = 0;
  private announced = false;
  private nonce = '';
  private stage: number = Stage.STRANGER;
  /** The epoch this node reigns with, when it only heralds it; 0 for a standby, which reigns over nobody. */
  private reign = 0;

  constructor(
    wire: Wire,
    address: PrimaryAddress,
    settings: BackupSettings,
    memoryFile: string | null,
    events: StandbyEvents,
  ) {
    this.wire = wire;
    this.address = address;
    this.settings = settings;
    this.memoryFile = memoryFile;
    this.events = events;
  }

  /**
   * True while the region surely holds everything the primary has acknowledged to anybody: it is whole, and the primary
   * was heard to be ours so lately that it cannot have gone on without us yet.
   */
  isWhole(nowMs: number): boolean {
    return this.whole && nowMs - this.confirmedMs < this.leaseMs;
  }

  /** How long after `confirmedMs` the copy may be served. 0 before the welcome. */
  get leaseMs(): number {
    return this.ackTimeoutMs * leaseShare;
  }

  /** Attaches as one who reigns with this epoch: a primary with a lower one steps down instead of welcoming us. */
  herald(epoch: number): void {
    this.reign = epoch;
    this.attach();
  }

  /** Starts to attach; one of the events follows. What was held before stays until the primary welcomes us. */
  attach(): void {
    const { host, port } = this.address;
    this.nonce = nonce();
    this.welcome = null;
    this.stage = Stage.STRANGER;
    const failure = this.wire.connect(host, port, 1, (connection) => {
      this.channel = new Channel(this.wire, connection, this);
      return this.channel;
    });
    if (failure !== null) this.unreachable(failure.error);
  }

  opened(): void {
    const hello = { protocol: protocolVersion, layout: layoutVersion, nonce: this.nonce };
    this.channel!.sendMessage(FrameType.HELLO, hello);
  }

  refused(errno: number): void {
    this.events.unreachable(errno);
  }

  frame(header: FrameHeader, bytes: Uint8Array, at: number): void {
    if (!mayCome(header.type, this.stage)) {
      this.refuse('LINK_REFUSED', 'that is no primary', 'name the --link-listen of a primary');
      return;
    }
    this.heardMs = this.wire.nowMs;
    switch (header.type) {
      case FrameType.BATCH:
      case FrameType.BLOCK:
        this.landFrame(header, bytes, at);
        return;
      case FrameType.HEARTBEAT:
        this.heardBeat = header.sequence;
        this.confirm(header.count);
        return;
      case FrameType.SYNCED:
        this.finish(header);
        return;
      case FrameType.DROPPED:
        this.whole = false;
        this.close();
        this.events.dropped();
        return;
      default:
        this.control(header, bytes.subarray(at, at + Math.min(header.length, controlBytesMax)));
    }
  }

  /** One ack for all that landed in this tick. */
  drained(): void {
    if (!this.unacked || this.channel === null) return;
    this.unacked = false;
    const { epoch, sequence, blocks: count } = this;
    this.channel.send({ type: FrameType.ACK, epoch, count, sequence });
  }

  foreign(version: number): void {
    const sentence = `the primary's frames have version ${version}, ours ${protocolVersion}`;
    this.refuse('LINK_VERSION', sentence, sameVersion);
  }

  lost(reason: string): void {
    this.channel = null;
    this.events.lost(reason);
  }

  /** Says that this node lives. */
  beat(nowMs: number): void {
    if (this.welcome === null) return;
    this.beats++;
    this.beatMs[this.beats & (beatsRemembered - 1)] = nowMs;
    this.channel?.send({ type: FrameType.HEARTBEAT, sequence: this.beats, count: this.heardBeat });
  }

  /** Law 4: tells the primary that another epoch reigns, if it can hear, and lets no more of its bytes land. */
  fence(epoch: number): void {
    const deposed: Deposed = { link: advertisedLink(this.settings) };
    this.channel?.sendMessage(FrameType.DEPOSED, deposed, epoch);
    this.close();
  }

  /** The primary has heard our heartbeat number `beat`. */
  private confirm(beat: number): void {
    if (beat === 0 || beat > this.beats || this.beats - beat >= beatsRemembered) return;
    this.confirmedMs = Math.max(this.confirmedMs, this.beatMs[beat & (beatsRemembered - 1)]!);
    this.announce();
  }

  /** In sync is a copy that is whole, of a primary that counts on it. */
  private announce(): void {
    if (this.announced || !this.whole || this.confirmedMs === 0) return;
    this.announced = true;
    this.events.synced();
  }

  /** Ends the connection, without an event. */
  close(): void {
    this.channel?.close(true);
    this.channel = null;
  }

  private landFrame(header: FrameHeader, bytes: Uint8Array, at: number): void {
    const inOrder = header.type === FrameType.BLOCK || header.sequence === this.sequence + 1;
    const fits = inOrder && header.epoch === this.epoch;
    if (this.memory === null || !fits || !land(this.memory.id, header, bytes, at)) {
      this.close();
      this.whole = false;
      this.events.lost(`batch ${header.sequence} of epoch ${header.epoch} does not fit`);
      return;
    }
    if (header.type === FrameType.BATCH) this.sequence = header.sequence;
    else this.blocks++;
    this.landedBytes += header.length;
    this.unacked = true;
  }

  private finish(header: FrameHeader): void {
    // The mark stays until this node takes over: a copy that is left behind goes out of date.
    const head = new Int32Array(this.memory!.head);
    const found = inspect(head);
    if (found.kind !== 'region' || header.sequence !== this.sequence) {
      this.refuse('LINK_REFUSED', 'the copy of the region is damaged', 'start the standby again');
      return;
    }
    this.whole = true;
    this.unacked = true;
    this.epoch = epochOf(head);
    this.announce();
  }

  private control(header: FrameHeader, payload: Uint8Array): void {
    if (header.type === FrameType.REFUSED) {
      const refusal = parse('refusal', payload);
      const code = refusal?.code === 'LINK_VERSION' ? 'LINK_VERSION' : 'LINK_REFUSED';
      const reason = refusal?.reason ?? 'no reason was given';
      this.refuse(code, reason, refusal?.remedy ?? 'see the log of the primary');
    } else if (header.type === FrameType.CHALLENGE) {
      this.prove(payload);
    } else {
      this.enter(payload);
    }
  }

  private prove(payload: Uint8Array): void {
    const challenge = parse('challenge', payload);
    const { secret, node, deadAfterMs } = this.settings;
    const expected = prove(secret, 'primary', this.nonce, challenge?.nonce ?? '');
    if (challenge === null || !proofsMatch(challenge.proof, expected)) {
      const { code, message, remedy } = wrongSecret('the primary');
      this.refuse(code, message, remedy);
      return;
    }
    this.stage = Stage.PROVED;
    this.channel!.trusted = true;
    const link = advertisedLink(this.settings);
    const proof = prove(secret, 'standby', this.nonce, challenge.nonce);
    this.channel!.sendMessage(FrameType.PROOF, {
      proof,
      node,
      epoch: this.reign,
      link,
      deadAfterMs,
    });
  }

  private enter(payload: Uint8Array): void {
    const welcome = parse('welcome', payload);
    if (welcome === null) {
      this.refuse(
        'LINK_REFUSED',
        'the welcome makes no sense',
        'run the same version on both nodes',
      );
      return;
    }
    const late = tooLate(this.settings, welcome);
    if (late !== null) {
      this.refuse(
        'LINK_REFUSED',
        late,
        'raise --ack-timeout on the primary, or lower --dead-after here',
      );
      return;
    }
    this.forget();
    try {
      this.memory = mapMemory(welcome.geometry, { file: this.memoryFile });
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      this.refuse(error.code, error.message, error.remedy);
      return;
    }
    // The copy is told only what is not zero. What a memory file held before is of no use to a standby.
    if (!this.memory.created) wipe(this.memory);
    markInconsistent(new Int32Array(this.memory.head), true);
    this.geometry = welcome.geometry;
    this.welcome = welcome;
    this.stage = Stage.WELCOMED;
    this.ackTimeoutMs = welcome.ackTimeoutMs;
    this.epoch = welcome.epoch;
    this.sequence = welcome.sequence;
    this.events.welcomed(welcome);
  }

  /** Gives up what was held: a new copy begins. */
  private forget(): void {
    if (this.memory !== null) native.regionClose(this.memory.id);
    this.memory = null;
    this.whole = false;
    this.confirmedMs = 0;
    this.announced = false;
    this.blocks = 0;
  }

  private refuse(code: HotspareError['code'], reason: string, remedy: string): void {
    this.close();
    this.events.refused(new HotspareError(code, reason, remedy));
  }

  private unreachable(error: string): void {
    const { host, port } = this.address;
    const sentence = `cannot connect to ${host}:${port}: ${error}`;
    this.events.refused(new HotspareError('LINK_UNREACHABLE', sentence, 'check --of'));
  }
}

function wipe(memory: NativeRegion): void {
  for (const buffer of [memory.head, ...memory.segments]) new Uint8Array(buffer).fill(0);
}

/** What a peer may send before and after it has proved itself and let us in. */
function mayCome(type: number, stage: number): boolean {
  if (type === FrameType.REFUSED) return true;
  if (stage === Stage.STRANGER) return type === FrameType.CHALLENGE;
  if (stage === Stage.PROVED) return type === FrameType.WELCOME;
  switch (type) {
    case FrameType.BATCH:
    case FrameType.BLOCK:
    case FrameType.SYNCED:
    case FrameType.HEARTBEAT:
    case FrameType.DROPPED:
      return true;
    default:
      return false;
  }
}

/** A death that is found only after the lease has ended could never lead to a takeover: says so, or null. */
function tooLate({ deadAfterMs, heartbeatMs }: BackupSettings, welcome: Welcome): string | null {
  if (deadAfterMs < leaseSlackBeats * welcome.heartbeatMs) {
    return `--dead-after ${deadAfterMs} is less than three of the primary's heartbeats (${welcome.heartbeatMs} ms)`;
  }
  const foundMs = deadAfterMs + leaseSlackBeats * Math.max(heartbeatMs, welcome.heartbeatMs);
  const leaseMs = welcome.ackTimeoutMs * leaseShare;
  if (foundMs <= leaseMs) return null;
  return (
    `--dead-after ${deadAfterMs} is too long for the primary's --ack-timeout ${welcome.ackTimeoutMs}: ` +
    `a silent primary is found after up to ${foundMs} ms, when this copy may be out of date already`
  );
}
