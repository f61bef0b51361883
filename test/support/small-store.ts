/** A store used without commands, for tests that set the scene by hand: keys are texts, values are lengths or texts. */

import type { CasId } from '../../src/store/cas.js';
import { Journal } from '../../src/store/journal.js';
import { type Geometry, headerBytes } from '../../src/store/layout.js';
import { Region, type RegionMemory } from '../../src/store/region.js';
import { FULL, type Reservation, WAIT } from '../../src/store/reservation.js';
import { Store } from '../../src/store/store.js';
import { RegionReader } from './check-store.js';
import { formattedMemory } from './region.js';

export interface Choice {
  readonly geometry: Geometry;
  readonly memory?: RegionMemory;
  readonly evict?: boolean;
  readonly casStep?: number;
  readonly now?: number;
  readonly patient?: boolean;
}

export class SmallStore {
  readonly memory: RegionMemory;
  readonly journal = new Journal(2 ** 20);
  readonly region: Region;
  readonly store: Store;
  readonly reader: RegionReader;
  private readonly bytes = Buffer.alloc(512);
  private readonly view = new DataView(this.bytes.buffer, this.bytes.byteOffset, 512);

  constructor(choice: Choice) {
    const { geometry, evict = true, casStep = 1000, now = 1000, patient = false } = choice;
    this.memory = choice.memory ?? formattedMemory(geometry, [1, 2]);
    this.region = new Region(this.memory, geometry, this.journal);
    this.store = new Store(this.region, { evict, casStep, patient }, now);
    this.reader = new RegionReader(this.memory, geometry);
  }

  /** The same memory, opened again. */
  again(choice: Omit<Choice, 'geometry' | 'memory'> = {}): SmallStore {
    return new SmallStore({ ...choice, geometry: this.region.geometry, memory: this.memory });
  }

  find(key: string): number {
    const [length, hash] = this.key(key);
    return this.store.find(this.view, 0, length, hash);
  }

  /** A chunk with its key and value, not linked; FULL when memory is full. */
  reserve(
    key: string,
    value: string | number,
    shielded = 0,
    explicit: CasId | null = null,
  ): number {
    const ref = this.tryReserve(key, value, shielded, explicit);
    if (ref === WAIT) throw new Error('the store lets a value wait');
    return ref;
  }

  /** Sets a key; FULL when memory is full. */
  set(key: string, value: string | number, exptime = 0, flags = 0): number {
    const ref = this.trySet(key, value, exptime, flags);
    if (ref === WAIT) throw new Error('the store lets a value wait');
    return ref;
  }

  /** As `set`, with a store that may answer WAIT. */
  trySet(key: string, value: string | number, exptime = 0, flags = 0): Reservation {
    const ref = this.tryReserve(key, value, 0, null);
    if (ref === WAIT || ref === FULL) return ref;
    this.store.commit(ref, this.store.findLike(ref), flags, exptime);
    return ref;
  }

  private tryReserve(
    key: string,
    value: string | number,
    shielded: number,
    explicit: CasId | null,
  ): Reservation {
    const [length, hash] = this.key(key);
    const bytes =
      typeof value === 'string' ? Buffer.from(value, 'latin1') : Buffer.alloc(value, key);
    const { store, view } = this;
    const ref = store.reserve(view, 0, length, hash, bytes.length, shielded, explicit);
    if (ref === WAIT || ref === FULL) return ref;
    this.at(ref, headerBytes + length, bytes.length).set(bytes);
    return ref;
  }

  delete(key: string): void {
    this.store.unlink(this.find(key));
  }

  /** A key's value, or null. */
  get(key: string): string | null {
    if (this.find(key) === 0) return null;
    return Buffer.from(this.reader.items().get(key)!.value).toString('latin1');
  }

  cas(key: string): number {
    return this.reader.items().get(key)!.cas;
  }

  /** Bytes of a chunk, in place. */
  at(ref: number, from: number, length: number): Uint8Array {
    const { region } = this;
    const at = region.indexOf(ref) * 4 + from;
    return region.bytes[(ref - 1) >>> region.segmentShift]!.subarray(at, at + length);
  }

  private key(key: string): [number, number] {
    const length = this.bytes.write(key, 0, 'latin1');
    return [length, this.store.hash(this.view, 0, length)];
  }
}
