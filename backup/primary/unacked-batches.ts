/**
 * The batches that are on their way: the newest, the newest that all standbys have acked, and how long the oldest has
 * waited.
 */
import { unackedBatchesMax } from '../../src/base/limits.js';
import { Latencies } from './latency.js';

export class UnackedBatches {
  /** Sequence of the newest batch that was committed. */
  sequence: number;
  /** Sequence of the newest batch that every replica in sync has acked, or that no reply waits for any more. */
  acked: number;
  /** The longest that a batch has waited, in ms: for its ack, or until no reply waited for it any more. */
  longestMs = 0;
  readonly latencies = new Latencies();
  /** The time at which each batch was committed, by sequence. */
  private readonly committedMs = new Float64Array(unackedBatchesMax);

  /** How many changes clients had made when each batch was committed, by sequence. */
  private readonly changes = new Float64Array(unackedBatchesMax);

  /** Goes on counting from the sequence at which an earlier reign ended. */
  constructor(sequence: number) {
    this.sequence = sequence;
    this.acked = sequence;
  }

  get isEmpty(): boolean {
    return this.acked === this.sequence;
  }

  /** True when no more batches can be remembered. */
  get isFull(): boolean {
    return this.sequence - this.acked >= unackedBatchesMax - 1;
  }

  /** The time at which this batch was committed; one of the last `unackedBatchesMax`. */
  committedAt(sequence: number): number {
    return this.committedMs[sequence & (unackedBatchesMax - 1)]!;
  }

  /** A batch is committed; returns its sequence. `changes`: how many changes clients have made by now. */
  commit(nowMs: number, changes: number): number {
    this.sequence++;
    this.committedMs[this.sequence & (unackedBatchesMax - 1)] = nowMs;
    this.note(changes);
    return this.sequence;
  }

  /** A copy that is whole as of the newest batch has these changes, though no batch carried them. */
  note(changes: number): void {
    this.changes[this.sequence & (unackedBatchesMax - 1)] = changes;
  }

  /** How many changes a standby has that has acked this batch, one of the last `unackedBatchesMax`. */
  changesAt(sequence: number): number {
    return this.changes[sequence & (unackedBatchesMax - 1)]!;
  }

  /** All batches up to `sequence` are acked. False when that cannot be. */
  ack(sequence: number, nowMs: number): boolean {
    if (sequence > this.sequence || sequence < this.acked) return false;
    this.longestMs = Math.max(this.longestMs, this.waitedMs(nowMs));
    while (this.acked < sequence) {
      this.acked++;
      this.latencies.add(nowMs - this.committedAt(this.acked));
    }
    return true;
  }

  /** How long the oldest batch without an ack has waited for it. */
  waitedMs(nowMs: number): number {
    if (this.isEmpty) return 0;
    return nowMs - this.committedAt(this.acked + 1);
  }

  /** There is no standby any more, so no reply waits for a batch. */
  forget(nowMs: number): void {
    this.longestMs = Math.max(this.longestMs, this.waitedMs(nowMs));
    this.acked = this.sequence;
  }
}
