/**
 * The two ends of a link: `Link` carries batches from the primary, `BatchReceiver` takes them into the standby's
 * region. No other file asks which kind of link it is; every kind promises:
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

/** The changes of one tick, as each link is given them. */
export interface Batch {
  /** The records of the batch. The journal may be cleared once all links have been given the batch. */
  readonly journal: Journal;
  readonly epoch: number;
  readonly sequence: number;
  /**
   * True once a link has written a frame's header and checksum before the records; the next link sends the same bytes.
   */
  isSealed: boolean;
}

/** The primary's end of a link. */
export interface Link {
  readonly name: 'tcp' | 'rdma';
  /** The provider that carries the link, and its device: '' where the kernel decides. */
  readonly provider: string;
  readonly device: string;
  /** Whether an ack shows that the standby's process has read the batch, and not only that its memory holds it. */
  readonly ackedByProcess: boolean;
  /** Bytes that the link was given and that have not left this process. */
  readonly pendingBytes: number;
  /** True when no more should be given to the link for now. */
  readonly isFull: boolean;
  sendBatch(batch: Batch): void;
  /**
   * Sends `length` bytes of the region, which may not span two segments. The link may read these bytes until they are
   * acked.
   */
  sendBlock(offset: number, length: number, epoch: number): void;
  /** Says that the copy is whole as of `sequence`, once that batch and everything sent before it is placed. */
  sendSynced(epoch: number, sequence: number): void;
  /** Sends a heartbeat; `echo`: the newest of the standby's heartbeats that this node may confirm, 0 for none. */
  beat(epoch: number, beat: number, echo: number): void;
  /** Looks for acks that come without an event, and tells `acked`. */
  poll(): void;
  /** An ACK frame has come on the channel. False when this link expects no such frame. */
  ackReceived(header: FrameHeader): boolean;
  /** The rows of this link alone in `stats mirror`. */
  stats(): Iterable<readonly [string, string | number]>;
  close(): void;
}

/** Events of a link, open or being set up, told to the primary. */
export interface LinkEvents {
  /** The link carries from now on. */
  opened(link: Link): void;
  /** The link cannot be had, and no other kind is allowed. */
  refused(error: HotspareError): void;
  /** Batches up to `sequence`, and so many blocks, are in the standby's region. */
  acked(sequence: number, blocks: number): void;
  /** The link broke. `revoked`: the standby has closed its memory to us, so it reigns, or is about to. */
  broken(reason: string, revoked: boolean): void;
}

/** The standby's end of a link: takes batches and blocks into its region. */
export interface BatchReceiver {
  /** Sequence of the newest batch that is known to be in place; over RDMA up to a heartbeat late. */
  readonly sequence: number;
  /** Bytes that were received, or null over RDMA, where this processor does not see them. */
  readonly receivedBytes: number | null;
  /** The first batch to come follows this one; the copy holds all earlier batches. */
  begin(sequence: number): void;
  /** Takes a batch, block or heartbeat from the channel. False when it does not follow the one before. */
  receive(header: FrameHeader, bytes: Uint8Array, at: number): boolean;
  /** Acks the frames of this tick, which have all been handed over. */
  acknowledge(): void;
  /** Looks for heartbeats and batches that come without a frame. */
  poll(): void;
  /** True when no batch up to this one is missing. */
  holds(sequence: number): boolean;
  /**
   * Law 4: from now on not one more byte of the primary's is placed. All acked bytes are in place, and no word is torn.
   */
  revoke(): void;
  /** Ends the receiver; the region may be unmapped after it. */
  close(): void;
}

/** Events of a batch receiver, told to the standby. */
export interface BatchReceiverEvents {
  /**
   * The primary lives. `beat`: the number of its heartbeat, `echo`: the newest of ours that it heard; 0 for neither.
   */
  heard(beat: number, echo: number): void;
  /** Nothing more will come over this link. */
  broken(reason: string): void;
}

/** A link's name, for people. */
export function linkName({
  name,
  provider,
  device,
}: Readonly<Record<'name' | 'provider' | 'device', string>>): string {
  return device === '' ? name : `${name} (${provider}, ${device})`;
}
