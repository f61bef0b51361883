/**
 * The page beside its region that a standby lets its primary write: native/mailbox.h draws it. A letter is valid when
 * its checksum is; until then it is as if it had not come.
 */
import { native } from '../src/native.js';

const sequenceAt = 0;
const beatAt = 16;
const intentAt = 32;
const letterBytes = 16;
const letterSeed = 0x6c657474;

export class Mailbox {
  private readonly shared: Uint8Array;
  /** A letter is copied before it is checked: it may change at any time. */
  private readonly letter = new Uint8Array(letterBytes);
  private readonly view = new DataView(this.letter.buffer);

  constructor(buffer: ArrayBuffer) {
    this.shared = new Uint8Array(buffer);
  }

  /** The newest batch that is placed whole, or null when none has been, or it is being written. */
  sequence(): number | null {
    return this.read(sequenceAt) ? this.wide() : null;
  }

  /** The primary's newest heartbeat, and the newest of ours it had heard. */
  beat(): { readonly beat: number; readonly echo: number } | null {
    if (!this.read(beatAt)) return null;
    return { beat: this.view.getUint32(0, true), echo: this.view.getUint32(4, true) };
  }

  /**
   * The word that was being published when the writer ended, where words may arrive in two halves. All that had to be
   * in place before it is, so that it may be published again.
   */
  intent(): { readonly offset: number; readonly word: number } | null {
    return this.read(intentAt) ? { offset: this.wide(), word: this.view.getInt32(8, true) } : null;
  }

  private read(at: number): boolean {
    this.letter.set(this.shared.subarray(at, at + letterBytes));
    const check = native.crc32c(this.letter, 0, letterBytes - 4, letterSeed) >>> 0;
    return check === this.view.getUint32(letterBytes - 4, true);
  }

  private wide(): number {
    return this.view.getUint32(0, true) + this.view.getUint32(4, true) * 4294967296;
  }
}
