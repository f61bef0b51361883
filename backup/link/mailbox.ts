/**
 * The page beside its region that a standby lets its primary write: native/mailbox.h draws it. A letter whose checksum
 * is wrong counts as not arrived.
 */
import type { RegionMemoryPort } from '../../src/native/ports.js';

const sequenceAt = 0;
const beatAt = 16;
const redoAt = 64;
const redoBytes = 1024;
const letterBytes = 16;
const letterSeed = 0x6c657474;

export class Mailbox {
  private readonly shared: Uint8Array;
  private readonly crc32c: RegionMemoryPort['crc32c'];
  /** The copy of a letter, as the primary may overwrite the letter itself while it is checked. */
  private readonly letter = new Uint8Array(redoBytes);
  private readonly view = new DataView(this.letter.buffer);

  constructor(buffer: ArrayBuffer, crc32c: RegionMemoryPort['crc32c']) {
    this.shared = new Uint8Array(buffer);
    this.crc32c = crc32c;
  }

  /** Sequence of the newest batch that is placed whole; null when there is none, or the letter is being written. */
  sequence(): number | null {
    return this.read(sequenceAt) ? this.wide() : null;
  }

  /**
   * The primary's newest heartbeat, the newest of ours that it had heard, and a count of its signs of life in between.
   */
  beat(): { readonly beat: number; readonly echo: number; readonly pulse: number } | null {
    if (!this.read(beatAt)) return null;
    const [beat, echo, pulse] = [0, 4, 8].map((at) => this.view.getUint32(at, true));
    return { beat: beat!, echo: echo!, pulse: pulse! };
  }

  /**
   * The records that were being placed when the writer ended. All records before them are in place, and nothing was
   * written over their bytes since, so that they may be written once more. `sequence` is that of their batch when they
   * are the whole batch, else 0. Null when there are none, or they have not arrived whole; then all records before them
   * are in place as well.
   */
  redo(): { readonly sequence: number; readonly records: Uint8Array } | null {
    this.letter.set(this.shared.subarray(redoAt, redoAt + redoBytes));
    const length = this.view.getUint32(8, true);
    if (length === 0 || length > redoBytes - letterBytes) return null;
    const check = this.crc32c(this.letter, letterBytes, length, this.check());
    if (check >>> 0 !== this.view.getUint32(letterBytes - 4, true)) return null;
    const records = this.letter.slice(letterBytes, letterBytes + length);
    return { sequence: this.wide(), records };
  }

  private read(at: number): boolean {
    this.letter.set(this.shared.subarray(at, at + letterBytes));
    return this.check() === this.view.getUint32(letterBytes - 4, true);
  }

  /** The checksum of the bytes before a letter's own checksum. */
  private check(): number {
    return this.crc32c(this.letter, 0, letterBytes - 4, letterSeed) >>> 0;
  }

  private wide(): number {
    return this.view.getUint32(0, true) + this.view.getUint32(4, true) * 4294967296;
  }
}
