/** The batches that are on their way: which is the newest, which all have acked, and how long the oldest has waited. */
import { unackedBatchesMax } from '../../src/base/limits.js';
import { Latencies } from './latency.js';

export class UnackedBatches {
  /** Of the newest batch that was committed. */
  sequence: number;
  /** Of the newest batch that every replica in sync has acked, or that nobody waits for any more. */
  acked: number;
  /** The longest that a batch has waited for its ack, or for that nobody would wait any more, in ms. */
  longestMs = 0;
  readonly latencies = new Latencies();
  /** When each batch was committed, by sequence. */
  private readonly committedMs = new Float64Array(unackedBatchesMax);

  /** How much clients had changed when each batch was committed, by sequence. */
  private readonly changes = new Float64Array(unackedBatchesMax);

  /** Goes on counting where an earlier reign ended. */
  constructor(sequence: number) {
    this.sequence = sequence;
    this.acked = sequence;
  }

  get isEmpty(): boolean {
    return this.acked === this.sequence;
  }

  /** No more batches can be remembered. */
  get isFull(): boolean {
    return this.sequence - this.acked >= unackedBatchesMax - 1;
  }

  /** When the batch with this sequence was committed, which is one of the last `unackedBatchesMax`. */
  committedAt(sequence: number): number {
    return this.committedMs[sequence & (unackedBatchesMax - 1)]!;
  }

  /** A batch is committed: its sequence. `changes`: how much clients have changed by now. */
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

  /** What a standby has that has acked this batch; one of the last `unackedBatchesMax`. */
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

  /** Nobody waits for what was committed: there is no standby any more. */
  forget(nowMs: number): void {
    this.longestMs = Math.max(this.longestMs, this.waitedMs(nowMs));
    this.acked = this.sequence;
  }
}
