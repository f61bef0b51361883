/**
 * Which TLS handshakes begin, and which connections are ended for others. Anybody may connect, and say half a hello or
 * nothing; a handshake that has begun takes much memory, and processor time as well. So a connection waits, at little
 * cost, until its hello is whole, and only so many handshakes are under way at once. Clients that all come at the same
 * time wait for their turn; addresses take turns, and whoever has most connections loses one first. Pure.
 */
import { tlsGraceMs, tlsHandshakeMs, tlsHandshakesMost, tlsSilentMost } from '../base/limits.js';

/** The keys of one state, by address. */
class Crowd<Key> {
  readonly addresses = new Map<string, Set<Key>>();
  size = 0;

  add(address: string, key: Key): void {
    const same = this.addresses.get(address) ?? new Set();
    this.addresses.set(address, same.add(key));
    this.size++;
  }

  remove(address: string, key: Key): void {
    const same = this.addresses.get(address);
    if (same?.delete(key) !== true) return;
    this.size--;
    if (same.size === 0) this.addresses.delete(address);
  }

  count(address: string): number {
    return this.addresses.get(address)?.size ?? 0;
  }

  /** The oldest of this address. */
  oldestOf(address: string): Key | null {
    const [oldest = null] = this.addresses.get(address) ?? [];
    return oldest;
  }

  /** The oldest of the address that has most. */
  oldest(): Key | null {
    let most = new Set<Key>();
    for (const same of this.addresses.values()) if (same.size > most.size) most = same;
    const [oldest = null] = most;
    return oldest;
  }
}

interface Place<Key> {
  readonly address: string;
  /** When the connection came, or when its handshake began. */
  sinceMs: number;
  crowd: Crowd<Key>;
}

export class TlsQueue<Key> {
  private readonly places = new Map<Key, Place<Key>>();
  private readonly silent = new Crowd<Key>();
  private readonly ready = new Crowd<Key>();
  private readonly begun = new Crowd<Key>();

  /** True while any connection waits for its hello or its turn. */
  get isWaiting(): boolean {
    return this.silent.size + this.ready.size > 0;
  }

  /** Adds a connection. Returns the one to end for it, when there `isNoRoom`; null for none. */
  add(key: Key, address: string, nowMs: number, isNoRoom: boolean): Key | null {
    const leaves = isNoRoom ? this.crowding() : null;
    if (leaves !== null) this.remove(leaves);
    this.places.set(key, { address, sinceMs: nowMs, crowd: this.silent });
    this.silent.add(address, key);
    return leaves;
  }

  /** The hello of a connection is whole. */
  greet(key: Key): void {
    this.move(key, this.ready);
  }

  /** A connection has no part in this any more: it is gone, or its handshake is done. */
  remove(key: Key): void {
    const place = this.places.get(key);
    if (place === undefined) return;
    place.crowd.remove(place.address, key);
    this.places.delete(key);
  }

  /** The next handshake to begin, and the one to end for it. Null: nobody waits, or none may begin now. */
  next(nowMs: number): { readonly begins: Key; readonly leaves: Key | null } | null {
    const begins = this.first();
    if (begins === null) return null;
    const leaves = this.begun.size < tlsHandshakesMost ? null : this.begun.oldest()!;
    if (leaves !== null) {
      const { address, sinceMs } = this.places.get(leaves)!;
      const ours = this.begun.count(this.places.get(begins)!.address);
      // A handshake in its time is not given up for another, unless its address has more than its share.
      if (nowMs - sinceMs <= tlsGraceMs && this.begun.count(address) <= ours + 1) return null;
      this.remove(leaves);
    }
    this.move(begins, this.begun);
    this.places.get(begins)!.sinceMs = nowMs;
    return { begins, leaves };
  }

  /** A connection that has waited for too long, which is removed; null when there is none. */
  late(nowMs: number): Key | null {
    const crowding = this.silent.size > tlsSilentMost ? this.silent.oldest() : null;
    if (crowding !== null && nowMs - this.places.get(crowding)!.sinceMs > tlsGraceMs) {
      this.remove(crowding);
      return crowding;
    }
    for (const [key, { sinceMs, crowd }] of this.places) {
      if (crowd === this.begun) continue;
      if (nowMs - sinceMs <= tlsHandshakeMs) return null;
      this.remove(key);
      return key;
    }
    return null;
  }

  /**
   * Of the address that has most connections that wait: the oldest that is silent, or the oldest whose hello is whole,
   * whichever came first.
   */
  private crowding(): Key | null {
    let most = 0;
    let leaves: Key | null = null;
    for (const { addresses } of [this.silent, this.ready]) {
      for (const address of addresses.keys()) {
        const count = this.silent.count(address) + this.ready.count(address);
        if (count <= most) continue;
        most = count;
        leaves = this.older(this.silent.oldestOf(address), this.ready.oldestOf(address));
      }
    }
    return leaves;
  }

  private older(one: Key | null, other: Key | null): Key | null {
    if (one === null || other === null) return one ?? other;
    const { sinceMs } = this.places.get(one)!;
    return sinceMs <= this.places.get(other)!.sinceMs ? one : other;
  }

  /** The oldest that is ready, of the address with the fewest handshakes. */
  private first(): Key | null {
    let fewest = Number.POSITIVE_INFINITY;
    let first: Key | null = null;
    for (const [address, [oldest]] of this.ready.addresses) {
      const count = this.begun.count(address);
      if (count >= fewest) continue;
      fewest = count;
      first = oldest!;
    }
    return first;
  }

  private move(key: Key, to: Crowd<Key>): void {
    const place = this.places.get(key);
    if (place === undefined) return;
    place.crowd.remove(place.address, key);
    place.crowd = to;
    to.add(place.address, key);
  }
}
