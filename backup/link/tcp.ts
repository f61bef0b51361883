/** The TCP link: batches and blocks as frames on the node-to-node connection itself. Works everywhere. */

import { blockBytes, unackedBytesMax } from '../../src/base/limits.js';
import type { RegionMemoryPort } from '../../src/native/ports.js';
import { Counter, type Wire } from '../../src/net/wire.js';
import { journalHeadroom, recordHeaderBytes } from '../../src/store/journal.js';
import type { Region } from '../../src/store/region.js';
import type { Channel } from '../channel/channel.js';
import { type FrameHeader, FrameType, frameHeaderBytes } from '../channel/frame.js';
import type { Batch, BatchReceiver, BatchReceiverEvents, Link, LinkEvents } from './link.js';

/** Bytes before a block: the headers of its frame and its record, which leave the block aligned to words. */
const blockHeadroom = frameHeaderBytes + recordHeaderBytes;

export class TcpLink implements Link {
  readonly name = 'tcp';
  readonly ackedByProcess = true;
  readonly provider = 'kernel';
  readonly device = '';
  private readonly wire: Wire;
  private readonly channel: Channel;
  private readonly region: Region;
  private readonly events: LinkEvents;
  private readonly staging = new Uint8Array(blockHeadroom + blockBytes);
  private readonly stagingView = new DataView(this.staging.buffer);
  private readonly stagingWords = new Int32Array(this.staging.buffer);
  private journalView: DataView | null = null;

  constructor(wire: Wire, channel: Channel, region: Region, events: LinkEvents) {
    this.wire = wire;
    this.channel = channel;
    this.region = region;
    this.events = events;
  }

  get pendingBytes(): number {
    return this.wire.transport.describe(this.channel.connection)?.pendingBytes ?? 0;
  }

  get isFull(): boolean {
    // Every tick comes by here, and as a rule all links together have less than one may have.
    return (
      this.wire.counters[Counter.LINK_PENDING]! > unackedBytesMax &&
      this.pendingBytes > unackedBytesMax
    );
  }

  sendBatch(batch: Batch): void {
    const { journal, epoch, sequence } = batch;
    this.journalView ??= new DataView(journal.bytes.buffer);
    const { count, bytes, at } = journal;
    const frame = { type: FrameType.BATCH, epoch, count, sequence };
    const length = at - journalHeadroom;
    batch.isSealed = this.channel.sealed(frame, bytes, this.journalView, length, batch.isSealed);
  }

  sendBlock(offset: number, length: number, epoch: number): void {
    const { staging, stagingView } = this;
    this.stagingWords.set(this.region.wordsAt(offset, length), blockHeadroom >>> 2);
    stagingView.setUint32(frameHeaderBytes, offset >>> 0, true);
    stagingView.setUint32(frameHeaderBytes + 4, Math.floor(offset / 4294967296), true);
    stagingView.setUint32(frameHeaderBytes + 8, length, true);
    const sealed = { type: FrameType.BLOCK, epoch, count: 1 };
    this.channel.sealed(sealed, staging, stagingView, recordHeaderBytes + length);
  }

  sendSynced(epoch: number, sequence: number): void {
    this.channel.send({ type: FrameType.SYNCED, epoch, sequence });
  }

  beat(epoch: number, beat: number, echo: number): void {
    this.channel.send({ type: FrameType.HEARTBEAT, epoch, sequence: beat, count: echo });
  }

  poll(): void {}

  ackReceived(header: FrameHeader): boolean {
    if (header.type !== FrameType.ACK) return false;
    this.events.acked(header.sequence, header.count);
    return true;
  }

  stats(): Iterable<readonly [string, string | number]> {
    return [];
  }

  close(): void {}
}

/** Checks frames, copies their ranges, and acks once a tick. */
export class TcpReceiver implements BatchReceiver {
  sequence = 0;
  receivedBytes = 0;
  private readonly regionId: number;
  private readonly regionMemory: Pick<RegionMemoryPort, 'regionApply'>;
  /** The primary's epoch. A primary may raise it while it reigns, never lower it. */
  private epoch: number;
  private readonly channel: Channel;
  private readonly events: BatchReceiverEvents;
  private blocks = 0;
  /** True while an ack is due. The first ack tells the primary that memory is mapped, before any batch. */
  private unacked = true;
  private revoked = false;

  /** `regionId`: the region's number in `regionMemory`. */
  constructor(
    regionMemory: Pick<RegionMemoryPort, 'regionApply'>,
    regionId: number,
    epoch: number,
    channel: Channel,
    events: BatchReceiverEvents,
  ) {
    this.regionMemory = regionMemory;
    this.regionId = regionId;
    this.epoch = epoch;
    this.channel = channel;
    this.events = events;
  }

  begin(sequence: number): void {
    this.sequence = sequence;
  }

  receive(header: FrameHeader, bytes: Uint8Array, at: number): boolean {
    if (header.type === FrameType.HEARTBEAT) {
      this.events.heard(header.sequence, header.count);
      return true;
    }
    const inOrder = header.type === FrameType.BLOCK || header.sequence === this.sequence + 1;
    if (!inOrder || header.epoch < this.epoch || this.revoked) return false;
    const placed = this.regionMemory.regionApply(this.regionId, bytes, at, header.length);
    if (placed !== header.count) return false;
    this.epoch = header.epoch;
    if (header.type === FrameType.BATCH) this.sequence = header.sequence;
    else this.blocks++;
    this.receivedBytes += header.length;
    this.unacked = true;
    return true;
  }

  acknowledge(): void {
    // An ack is a promise not to take over (lease.ts), so none leaves once a takeover has begun.
    if (!this.unacked || this.revoked) return;
    this.unacked = false;
    const { epoch, sequence, blocks: count } = this;
    this.channel.send({ type: FrameType.ACK, epoch, count, sequence });
  }

  poll(): void {}

  holds(sequence: number): boolean {
    return sequence === this.sequence;
  }

  revoke(): void {
    this.revoked = true;
  }

  close(): void {
    this.revoked = true;
  }
}
