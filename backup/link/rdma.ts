/**
 * The RDMA link, primary's end: every range is written straight into the standby's region, in order. The completion of
 * the last write is the ack. A small batch is first written into the standby's mailbox, from where a takeover would
 * place it, and the completion of that one write is its ack. The standby's processor does nothing for a batch. The
 * sequence of the newest batch is written into the mailbox with each heartbeat only, for nobody needs it sooner.
 */
import { assert } from '../../src/base/errors.js';
import { stagingBytes } from '../../src/base/limits.js';
import {
  FabricCell,
  type FabricProvider,
  FabricRefusal,
  type NativeFabric,
} from '../../src/native/fabric.js';
import { journalHeadroom } from '../../src/store/journal.js';
import type { Channel } from '../channel/channel.js';
import { FrameType } from '../channel/frame.js';
import type { Batch, Link, LinkEvents } from './link.js';

export class RdmaLink implements Link {
  readonly name = 'rdma';
  readonly ackedByProcess = false;
  readonly provider: FabricProvider;
  readonly device: string;
  private readonly fabric: NativeFabric;
  private readonly channel: Channel;
  private readonly events: LinkEvents;
  /** The newest batch that the standby need not be sent: its copy begins behind it. */
  private readonly first: number;
  /** The newest batch that was given to the fabric. */
  private sent: number;
  /** The newest batch that is acked. */
  private acked: number;
  private blocks = 0;
  /** The SYNCED frame to send once the standby can read that this batch is placed. */
  private synced: { readonly epoch: number; readonly sequence: number } | null = null;

  constructor(
    fabric: NativeFabric,
    provider: FabricProvider,
    channel: Channel,
    sequence: number,
    events: LinkEvents,
  ) {
    this.fabric = fabric;
    this.provider = provider;
    this.device = fabric.found.device;
    this.channel = channel;
    this.first = sequence;
    this.sent = sequence;
    this.acked = sequence;
    this.events = events;
  }

  get pendingBytes(): number {
    return this.cell(FabricCell.STAGED_BYTES);
  }

  get isFull(): boolean {
    return this.pendingBytes > stagingBytes / 2;
  }

  sendBatch({ journal, sequence }: Batch): void {
    assert(sequence === this.sent + 1, 'no batch is left out');
    this.sent = sequence;
    const length = journal.at - journalHeadroom;
    const { bytes, count } = journal;
    const posted = this.fabric.post(bytes, journalHeadroom, length, sequence);
    assert(posted !== FabricRefusal.UNCONNECTED, 'a link is open once its connection carries');
    assert(posted === count, 'every range of the journal is one that the standby mirrors');
  }

  sendBlock(offset: number, length: number): void {
    assert(this.fabric.block(offset, length), 'every block is one that the standby mirrors');
  }

  sendSynced(epoch: number, sequence: number): void {
    this.synced = { epoch, sequence };
    assert(this.fabric.tell(), 'SYNCED is sent over a link that carries');
    this.announce();
  }

  beat(_epoch: number, beat: number, echo: number): void {
    assert(this.fabric.beat(beat >>> 0, echo >>> 0), 'a link that carries has a heartbeat');
  }

  poll(): void {
    this.announce();
    const sequence = Math.max(this.acked, this.cell(FabricCell.ACKED_SEQUENCE));
    assert(sequence <= this.sent, 'no batch is acked that was not sent');
    const blocks = this.cell(FabricCell.ACKED_BLOCKS);
    if (sequence === this.acked && blocks === this.blocks) return;
    this.acked = sequence;
    this.blocks = blocks;
    this.events.acked(sequence, blocks);
  }

  ackReceived(): boolean {
    return false;
  }

  *stats(): Iterable<readonly [string, string | number]> {
    const writes = this.cell(FabricCell.WRITES);
    const inlined = this.cell(FabricCell.INLINE_WRITES);
    yield ['fabric_writes', writes];
    yield ['fabric_inline_writes', inlined];
    yield ['fabric_inline_share', (writes === 0 ? 0 : inlined / writes).toFixed(3)];
    yield ['fabric_bytes', this.cell(FabricCell.WRITTEN_BYTES)];
    yield ['fabric_completions', this.cell(FabricCell.COMPLETIONS)];
    yield ['fabric_merged_ranges', this.cell(FabricCell.MERGED_RANGES)];
    yield ['fabric_redo_batches', this.cell(FabricCell.REDO_BATCHES)];
    yield ['stalls_queue_full', this.cell(FabricCell.QUEUE_STALLS)];
    yield ['stalls_staging_full', this.cell(FabricCell.STAGING_STALLS)];
  }

  close(): void {
    this.fabric.disconnect();
  }

  /**
   * SYNCED goes over the channel, and could overtake the batches: it waits until the mailbox says that they are placed.
   */
  private announce(): void {
    const { synced } = this;
    if (synced === null) return;
    // Up to `first` the standby knows from the WELCOME that no batch is missing.
    const told = Math.max(this.first, this.cell(FabricCell.TOLD_SEQUENCE));
    if (told < synced.sequence) return;
    this.synced = null;
    this.channel.send({ type: FrameType.SYNCED, ...synced });
  }

  /** Without a connection there are no cells, and every count reads 0. */
  private cell(cell: number): number {
    return this.fabric.cells[cell] ?? 0;
  }
}
