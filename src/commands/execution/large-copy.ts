/**
 * New chunks whose value is made of an item's value (append, prepend, md with I). A large value is copied in slices, so
 * that nobody waits for it: the command is executed again in later ticks until its copy is whole. Meanwhile the old
 * item's bytes are pinned, so the same ref means the same item; when another item has taken its place the copy begins
 * anew.
 */

import { copyBytesPerTick, effortBytesLeast } from '../../base/limits.js';
import { copyBytes } from '../../protocol/reply.js';
import type { CasId } from '../../store/cas.js';
import { VALUE_LENGTH } from '../../store/layout.js';
import type { Region } from '../../store/region.js';
import { FULL, type Reservation, WAIT } from '../../store/reservation.js';
import type { Store } from '../../store/store.js';

/** Bytes that become a part of the value. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly at: number;
  readonly length: number;
}

interface Copy {
  readonly old: number;
  readonly ref: number;
  readonly length: number;
  /** Bytes of the value that are in place. */
  done: number;
}

export class LargeCopies {
  /** The connection whose command is executed. */
  connection: () => number = () => 0;
  /** Bytes that this connection may copy in this tick. */
  share: () => number = () => copyBytesPerTick;
  private readonly store: Store;
  private readonly copies = new Map<number, Copy>();

  constructor(store: Store) {
    this.store = store;
  }

  /**
   * A chunk with the key of `old` and a value made of these pieces. FULL: memory is full; WAIT: the command must be
   * executed again in a later tick.
   */
  make(old: number, pieces: readonly Piece[], explicit: CasId | null): Reservation {
    const { store } = this;
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const connection = this.connection();
    let copy = this.copies.get(connection);
    if (copy !== undefined && (copy.old !== old || copy.length !== length)) {
      this.drop(connection);
      copy = undefined;
    }
    if (copy === undefined) {
      const ref = store.reserveLike(old, length, explicit);
      if (ref === WAIT || ref === FULL) return ref;
      copy = { old, ref, length, done: 0 };
      if (length <= this.shareBytes()) {
        this.work(copy, pieces);
        if (length >= effortBytesLeast) store.onEffort();
        return ref;
      }
      store.slabs.pin(old);
      this.copies.set(connection, copy);
    }
    this.work(copy, pieces);
    store.announce(copy.ref, copy.done);
    store.onEffort();
    if (copy.done < length) return WAIT;
    this.copies.delete(connection);
    store.slabs.unpin(old);
    return copy.ref;
  }

  /** Drops the copy of a connection that is gone, or whose command ended otherwise. */
  drop(connection: number): void {
    const copy = this.copies.get(connection);
    if (copy === undefined) return;
    this.copies.delete(connection);
    const { store } = this;
    store.cancel(copy.ref);
    store.slabs.unpin(copy.old);
  }

  private shareBytes(): number {
    return Math.max(effortBytesLeast, Math.floor(this.share()));
  }

  /** Copies the next bytes, at most as many as make no long tick. */
  private work(copy: Copy, pieces: readonly Piece[]): void {
    const { region } = this.store;
    const segment = (copy.ref - 1) >>> region.segmentShift;
    const to = region.valueOffset(copy.ref);
    const end = Math.min(copy.length, copy.done + this.shareBytes());
    let begin = 0;
    for (const { bytes, view, at, length } of pieces) {
      const from = Math.max(begin, copy.done);
      const until = Math.min(begin + length, end);
      if (from < until) {
        copyBytes(
          region.bytes[segment]!,
          region.views[segment]!,
          to + from,
          bytes,
          view,
          at + from - begin,
          until - from,
        );
      }
      begin += length;
    }
    copy.done = end;
  }
}

/** The value of an item, where it stands. */
export function pieceOf(region: Region, ref: number): Piece {
  const segment = (ref - 1) >>> region.segmentShift;
  return {
    bytes: region.bytes[segment]!,
    view: region.views[segment]!,
    at: region.valueOffset(ref),
    length: region.itemWord(ref, VALUE_LENGTH),
  };
}
