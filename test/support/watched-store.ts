/** A store that tells which chunks were written to, reported or not. */
import type { CasId } from '../../src/store/cas.js';
import { explicitCasBytes, headerBytes } from '../../src/store/layout.js';
import { FULL, type Reservation, WAIT } from '../../src/store/reservation.js';
import { Store } from '../../src/store/store.js';

export class WatchedStore extends Store {
  onReserve: ((ref: number, bytes: number) => void) | null = null;

  override reserve(
    view: DataView,
    at: number,
    keyLength: number,
    hash: number,
    valueLength: number,
    shielded: number,
    explicit: CasId | null = null,
  ): Reservation {
    const ref = super.reserve(view, at, keyLength, hash, valueLength, shielded, explicit);
    const behind = explicit === null ? 0 : explicitCasBytes;
    if (ref === WAIT || ref === FULL) return ref;
    this.onReserve?.(ref, headerBytes + keyLength + valueLength + behind);
    return ref;
  }
}
