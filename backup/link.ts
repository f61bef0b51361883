/**
 * What carries batches to a standby. Whoever commits does not ask which link it is; every link promises:
 *
 * - a batch arrives whole, or what arrived of it is a prefix of its ranges, which law 2 allows;
 * - batches and blocks are placed in the order they were sent;
 * - `acked` is told once all bytes of a batch are in the standby's region, in order;
 * - loss is an event of the channel, not an error of a call;
 * - the standby can revoke it: after that not one more byte is placed.
 */
import type { Journal } from '../src/journal.js';

export interface Link {
  readonly name: 'tcp' | 'rdma';
  /** Bytes that were given to the link and have not left this process. */
  readonly pendingBytes: number;
  /** Sends the journal's records as batch `sequence`. The journal may be cleared when this returns. */
  sendBatch(journal: Journal, epoch: number, sequence: number): void;
  /** Sends `length` bytes for `offset` of the region; they stand at `blockHeadroom` in `staging`. */
  sendBlock(staging: Uint8Array, offset: number, length: number, epoch: number): void;
}

/** Bytes a block's staging buffer leaves free before the block. */
export const blockHeadroom = 64;
