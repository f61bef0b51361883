/** The TCP link: batches and blocks as frames on the node-to-node connection itself. Works everywhere. */
import type { Journal } from '../src/journal.js';
import { journalHeadroom, recordHeaderBytes } from '../src/journal.js';
import { native } from '../src/native.js';
import { Counter, type Wire } from '../src/wire.js';
import type { Channel } from './channel.js';
import { type FrameHeader, FrameType, frameHeaderBytes } from './frame.js';
import { blockHeadroom, type Link } from './link.js';

export class TcpLink implements Link {
  readonly name = 'tcp';
  private readonly wire: Wire;
  private readonly channel: Channel;
  private journalView: DataView | null = null;

  constructor(wire: Wire, channel: Channel) {
    this.wire = wire;
    this.channel = channel;
  }

  get pendingBytes(): number {
    return this.wire.counters[Counter.LINK_PENDING]!;
  }

  sendBatch(journal: Journal, epoch: number, sequence: number): void {
    this.journalView ??= new DataView(journal.bytes.buffer);
    const { count, bytes, at } = journal;
    const frame = { type: FrameType.BATCH, epoch, count, sequence };
    this.channel.sealed(frame, bytes, this.journalView, at - journalHeadroom);
  }

  sendBlock(staging: Uint8Array, offset: number, length: number, epoch: number): void {
    const first = blockHeadroom - recordHeaderBytes - frameHeaderBytes;
    const frame = staging.subarray(first, blockHeadroom + length);
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
    view.setUint32(frameHeaderBytes, offset >>> 0, true);
    view.setUint32(frameHeaderBytes + 4, Math.floor(offset / 4294967296), true);
    view.setUint32(frameHeaderBytes + 8, length, true);
    const sealed = { type: FrameType.BLOCK, epoch, count: 1 };
    this.channel.sealed(sealed, frame, view, recordHeaderBytes + length);
  }
}

/** Writes a batch's or a block's ranges into the standby's region. False when they are malformed. */
export function land(region: number, header: FrameHeader, bytes: Uint8Array, at: number): boolean {
  return native.regionApply(region, bytes, at, header.length) === header.count;
}
