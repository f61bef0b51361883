/**
 * The list of ranges that the store changed, in order: the only way in which the store reports changes.
 *
 * The bytes of a range are copied at the moment it is reported, so the journal carries each mutation as it was when it
 * was made, not as it is when the batch is sent. The journal is one staging buffer: a headroom for the frame's header,
 * then one record after another. Links send from this buffer, so records are not copied again.
 *
 *      0            headroom                                                at
 *      +------------+----------------------------------+-- - - ------------+
 *      | header     | offset u64 | length u32 | bytes, padded to 4 | ...    |
 *      +------------+----------------------------------+-- - - ------------+
 *
 * When the buffer is full in mid-tick, the owner's `onFull` takes its records as a batch of their own: law 2 allows a
 * cut after any range, and between the pieces of a range that nothing refers to yet.
 */
import { assert } from '../base/errors.js';
import { batchBytesMax } from '../base/limits.js';

/** Bytes before the first record, for the frame's header. */
export const journalHeadroom = 32;
/** Bytes of a record before its payload: offset (u64), length (u32). */
export const recordHeaderBytes = 12;
/** Up to this many bytes a word loop is faster than TypedArray.set and its subarray. */
const loopBytesMax = 256;

export class Journal {
  /** False while no mirror listens: reporting then costs one branch. */
  active = false;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  /** First free byte; a multiple of 4. */
  at = journalHeadroom;
  /** Ranges recorded since the last `clear`. */
  count = 0;
  /** Takes the records and calls `clear`. Set by the mirror. */
  onFull: () => void = () => this.clear();

  constructor(capacity: number = batchBytesMax) {
    assert(capacity % 4 === 0 && capacity >= 1024, 'the journal is made of words');
    const buffer = new ArrayBuffer(journalHeadroom + capacity);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
  }

  /** Reports one aligned word at `offset` in the region: a publish, or a field that is a word. */
  word(offset: number, value: number): void {
    if (!this.active) return;
    if (this.at + recordHeaderBytes + 4 > this.bytes.length) this.onFull();
    const index = this.header(offset, 4);
    this.words[index] = value;
    this.at += 4;
  }

  /**
   * Reports `length` bytes at `offset` in the region, which stand at `source[first]` now. The length is rounded up to
   * whole words; as chunks are made of words, the bytes added belong to the same chunk.
   */
  range(offset: number, length: number, source: Int32Array, first: number): void {
    if (!this.active) return;
    let left = (length + 3) & ~3;
    let from = first;
    let to = offset;
    while (left > 0) {
      let room = this.bytes.length - this.at - recordHeaderBytes;
      if (room < 4 || (room < left && this.count > 0)) {
        this.onFull();
        room = this.bytes.length - this.at - recordHeaderBytes;
      }
      const piece = left < room ? left : room;
      this.copy(this.header(to, piece), source, from, piece);
      this.at += piece;
      left -= piece;
      from += piece >>> 2;
      to += piece;
    }
  }

  /** Forgets the records, once they have been taken. */
  clear(): void {
    this.at = journalHeadroom;
    this.count = 0;
  }

  private header(offset: number, length: number): number {
    const index = this.at >>> 2;
    const words = this.words;
    words[index] = offset | 0;
    words[index + 1] = (offset / 4294967296) | 0;
    words[index + 2] = length;
    this.at += recordHeaderBytes;
    this.count++;
    return index + 3;
  }

  private copy(index: number, source: Int32Array, first: number, length: number): void {
    const count = length >>> 2;
    if (length > loopBytesMax) {
      this.words.set(source.subarray(first, first + count), index);
      return;
    }
    const words = this.words;
    for (let i = 0; i < count; i++) words[index + i] = source[first + i]!;
  }
}

/** Reads the records of `bytes[from, to)` in order, as a standby applies them and the crash test cuts them. */
export function* records(
  bytes: Uint8Array,
  from: number,
  to: number,
): Generator<{ readonly offset: number; readonly payload: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = from;
  while (at < to) {
    const offset = view.getUint32(at, true) + view.getUint32(at + 4, true) * 4294967296;
    const length = view.getUint32(at + 8, true);
    at += recordHeaderBytes;
    yield { offset, payload: bytes.subarray(at, at + length) };
    at += (length + 3) & ~3;
  }
}
