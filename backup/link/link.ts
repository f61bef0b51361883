/**
 * What carries batches to a standby, and what lets them land there. Whoever commits, and whoever takes over, does not
 * ask which link it is; every link promises:
 *
 * - a batch arrives whole, or what arrived of it is a prefix of its ranges, which law 2 allows;
 * - batches and blocks are placed in the order they were sent;
 * - `acked` is told once all bytes of a batch are in the standby's memory: in the region, in order, or where `revoke`
 *   takes them from;
 * - loss is an event, not an error of a call;
 * - the standby can revoke it: after that not one more byte is placed.
 */
import type { HotspareError } from '../../src/base/errors.js';
import type { Journal } from '../../src/store/journal.js';
import type { FrameHeader } from '../channel/frame.js';

/** The changes of a tick, as each link is given them. */
export interface Batch {
  /** Its records. It may be cleared once all links have been given the batch. */
  readonly journal: Journal;
  readonly epoch: number;
  readonly sequence: number;
  /** True once a link has written a frame's header and checksum before the records: the next one sends them as well. */
  isSealed: boolean;
}

/** The primary's end. */
export interface Link {
  readonly name: 'tcp' | 'rdma';
  /** Who carries it, and over which device: '' where the kernel decides. */
  readonly provider: string;
  readonly device: string;
  /** Whether an ack says that the standby's process has heard of the batch, not only that its memory holds it. */
  readonly ackedByProcess: boolean;
  /** Bytes that were given to the link and have not left this process. */
  readonly pendingBytes: number;
  /** True when no more should be given to it for now. */
  readonly isFull: boolean;
  sendBatch(batch: Batch): void;
  /** Sends `length` bytes of the region, which may not span two segments. They may be read until they are acked. */
  sendBlock(offset: number, length: number, epoch: number): void;
  /** Says that the copy is whole as of `sequence`: once that batch, and all that was sent before it, is placed. */
  sendSynced(epoch: number, sequence: number): void;
  /** Says that this node lives, and which of the standby's heartbeats it heard. */
  beat(epoch: number, beat: number, echo: number): void;
  /** Tells `acked` what has come without an event. */
  poll(): void;
  /** A frame of the channel that is the link's own. False when it is none. */
  ackReceived(header: FrameHeader): boolean;
  /** Figures of this link alone, for `stats mirror`. */
  stats(): Iterable<readonly [string, string | number]>;
  close(): void;
}

/** What a link, open or opening, tells the primary. */
export interface LinkEvents {
  /** It carries from now on. */
  opened(link: Link): void;
  /** It cannot be had, and nothing else will do. */
  refused(error: HotspareError): void;
  /** Batches up to `sequence`, and so many blocks, are in the standby's region. */
  acked(sequence: number, blocks: number): void;
  /** It broke. `revoked`: the standby has closed its memory to us, so it reigns, or is about to. */
  broken(reason: string, revoked: boolean): void;
}

/** The standby's end: how bytes get into its region. */
export interface BatchReceiver {
  /** Sequence of the newest batch that is known to have landed; over rdma a heartbeat late. */
  readonly sequence: number;
  /** Bytes that have landed, or null where this processor has not seen them. */
  readonly receivedBytes: number | null;
  /** A batch, block or heartbeat from the channel. False when it does not fit. */
  receive(header: FrameHeader, bytes: Uint8Array, at: number): boolean;
  /** All frames of this tick have been handed over. */
  acknowledge(): void;
  /** Looks for what comes without a frame. */
  poll(): void;
  /** True when nothing up to this batch is missing. */
  holds(sequence: number): boolean;
  /** Law 4: from now on not one byte of the primary's lands. What was acked is in its place, and no word is torn. */
  revoke(): void;
  /** Ends it; the region may be unmapped. */
  close(): void;
}

/** What a batch receiver tells the standby. */
export interface BatchReceiverEvents {
  /** The primary lives. `beat` counts its heartbeats, `echo` is the newest of ours it heard; 0 for neither. */
  heard(beat: number, echo: number): void;
  /** Nothing more will come. */
  broken(reason: string): void;
}
