/**
 * The cache in a region: find, set, delete, touch, flush, evict. It holds no command and no reply; it changes the
 * region through publishes only (law 2), and reports them to the journal. Its time is the one that `tick` was last
 * given.
 *
 * To set: `reserve` a chunk (this may evict), write the value into it, `find` the old item, `commit` the chunk in its
 * place. Between `find` and `commit` nothing else may change the store.
 */
import { Buckets } from './buckets.js';
import { type CasId, putExplicitCas } from './cas.js';
import { type AllocatorHooks, type AllocatorOptions, ChunkAllocator } from './chunk-allocator.js';
import { type Eviction, Fifos } from './eviction.js';
import {
  CAS_HIGH,
  CAS_LOW,
  EXPTIME,
  explicitCasBytes,
  FLAGS,
  HASH,
  headerBytes,
  headerWords,
  ItemBit,
  KEY_AND_BITS,
  keyLengthMask,
  NEXT,
  VALUE_LENGTH,
} from './layout.js';
import { type Items, PageMover } from './page-mover.js';
import type { Region } from './region.js';
import { FULL, type Reservation, WAIT } from './reservation.js';
import type { SlabClass } from './slab-class.js';
import { accessShift, ChunkState, Slabs } from './slabs.js';
import { readRecord, type SuperRecord, writeRecord } from './superblock.js';

/** The reason why `find` found nothing. */
export const Miss = { ABSENT: 0, EXPIRED: 1, FLUSHED: 2 } as const;

/** The bits of a state word that hold the second of the last access. */
const accessMask = -1 << accessShift;

export interface StoreOptions extends AllocatorOptions {
  /** CAS ids are given out from a ceiling raised in steps of this many. */
  readonly casStep: number;
}

export class Store implements Items, AllocatorHooks {
  readonly region: Region;
  readonly slabs: Slabs;
  /** Unix seconds, as of the last `tick`. */
  now = 0;
  /** The reason why the last `find` found nothing. */
  miss: number = Miss.ABSENT;
  /** Items ever linked by this process. */
  totalItems = 0;
  /** Dead items that commands met; as in memcached they do not count as reclaimed for another. */
  metExpired = 0;
  metFlushed = 0;
  evictions = 0;
  reclaimed = 0;
  expiredUnfetched = 0;
  evictedUnfetched = 0;
  /** Dead items that the crawler unlinked. */
  crawlerReclaimed = 0;
  /** Times that all items died. */
  flushes = 0;
  readonly mover: PageMover;
  readonly allocator: ChunkAllocator;
  /** Called when nothing could be evicted, as all chunks are being filled or sent. True: some may soon be free. */
  onStarved: () => boolean = () => false;
  /** Called when a command has cost more than others do, so that the tick may have to end. */
  onEffort: () => void = () => {};
  /** Called before an item that is alive is evicted. */
  onEvicted: (ref: number, idleSeconds: number, fetched: boolean) => void = () => {};
  readonly buckets: Buckets;
  readonly eviction: Eviction;
  /** Reserved chunks the beginning of whose values is reported, with the byte of the chunk up to which it is. */
  private readonly announced = new Map<number, number>();
  private readonly options: StoreOptions;
  private readonly record: SuperRecord;
  /** The newest CAS id that was given out. */
  casLast: number;
  /** Unix second at which access times begin to count. */
  private readonly accessEpoch: number;

  /** Opens a formatted region with any content. `nowSeconds` is Unix time. */
  constructor(region: Region, options: StoreOptions, nowSeconds: number) {
    this.region = region;
    this.options = options;
    this.buckets = new Buckets(region);
    this.slabs = new Slabs(region, this.buckets);
    this.eviction = new Fifos(this.slabs);
    const { slabs, eviction } = this;
    this.mover = new PageMover(slabs, eviction, options.evict, this);
    this.allocator = new ChunkAllocator(slabs, eviction, this.mover, options, this);
    this.record = readRecord(region.head);
    this.casLast = this.record.casCeiling;
    this.accessEpoch = nowSeconds;
    this.tick(nowSeconds);
  }

  /** Sets the time, and lets a delayed flush happen before any command of this time is executed. */
  tick(nowSeconds: number): void {
    this.now = nowSeconds;
    if (this.record.flushAt !== 0 && nowSeconds >= this.record.flushAt) this.flushNow();
  }

  hash(view: DataView, at: number, length: number): number {
    return this.buckets.hash(view, at, length);
  }

  /** The live item with this key; or 0, and the reason in `miss`. A dead item is unlinked. */
  find(view: DataView, at: number, length: number, hash: number): number {
    const ref = this.buckets.find(view, at, length, hash);
    if (ref === 0) {
      this.miss = Miss.ABSENT;
      return 0;
    }
    const dead = this.deadness(ref);
    if (dead === Miss.ABSENT) return ref;
    this.miss = dead;
    if (dead === Miss.EXPIRED) this.metExpired++;
    else this.metFlushed++;
    this.unlink(ref);
    return 0;
  }

  /** Reads the memory that a look-up of these hashes will need, to bring it into the processor's cache. */
  prefetch(hashes: Int32Array, count: number): void {
    this.buckets.prefetch(hashes, count);
  }

  /** The live item with the key of a reserved chunk, or 0. */
  findLike(ref: number): number {
    const words = this.region.wordsOf(ref);
    const index = this.region.indexOf(ref);
    const length = words[index + KEY_AND_BITS]! & keyLengthMask;
    return this.find(
      this.buckets.viewOf(ref),
      this.buckets.keyAt(ref),
      length,
      words[index + HASH]!,
    );
  }

  /** Notes that an item was read. */
  hit(ref: number): void {
    const page = this.region.pageOf(ref);
    const states = this.slabs.chunkStates[page]!;
    if (states.length === 0) return; // Not adopted yet.
    const chunk = this.slabs.chunkOf(ref, this.slabs.classOf(ref));
    const low = this.eviction.hit(states[chunk]! & ((1 << accessShift) - 1));
    states[chunk] = low | this.accessTime();
  }

  /**
   * A chunk for an item with this key and room for `valueLength` bytes, filled except for the value; FULL when memory
   * is full, WAIT when the caller must ask again in a later tick. `shielded` is an item that must not be evicted for it
   * (0: none), `explicit` the CAS id that a client chose.
   */
  reserve(
    view: DataView,
    at: number,
    keyLength: number,
    hash: number,
    valueLength: number,
    shielded: number,
    explicit: CasId | null = null,
  ): Reservation {
    const behind = explicit === null ? 0 : explicitCasBytes;
    const number = this.slabs.classFor(headerBytes + keyLength + valueLength + behind);
    if (number === 0) return FULL;
    const slabClass = this.slabs.classes[number]!;
    let ref = this.slabs.take(slabClass);
    if (ref === 0) {
      const made = this.allocator.allocate(slabClass, shielded);
      if (made === WAIT) return WAIT;
      if (made === FULL) {
        slabClass.outOfMemory++;
        return FULL;
      }
      ref = made;
    }
    const words = this.region.wordsOf(ref);
    const index = this.region.indexOf(ref);
    words[index + HASH] = hash;
    words[index + VALUE_LENGTH] = valueLength;
    words[index + KEY_AND_BITS] = keyLength;
    for (let word = 0; word * 4 < keyLength; word++) {
      words[index + headerWords + word] = view.getInt32(at + word * 4, true);
    }
    if (explicit !== null) {
      words[index + KEY_AND_BITS] = keyLength | ItemBit.EXPLICIT;
      putExplicitCas(this.region, ref, explicit);
    }
    return ref;
  }

  /** A chunk with an item's key and room for another value; the item is not evicted for it. Answers as `reserve`. */
  reserveLike(ref: number, valueLength: number, explicit: CasId | null = null): Reservation {
    const words = this.region.wordsOf(ref);
    const index = this.region.indexOf(ref);
    const keyLength = words[index + KEY_AND_BITS]! & keyLengthMask;
    const hash = words[index + HASH]!;
    const { buckets } = this;
    const view = buckets.viewOf(ref);
    return this.reserve(view, buckets.keyAt(ref), keyLength, hash, valueLength, ref, explicit);
  }

  /** Links a reserved chunk in the place of `old`, as `find` has just returned it (0: there is none). */
  commit(
    ref: number,
    old: number,
    flags: number,
    exptime: number,
    bits = 0,
    recency = this.accessTime(),
  ): void {
    const words = this.region.wordsOf(ref);
    const index = this.region.indexOf(ref);
    const hash = words[index + HASH]!;
    const cas = this.nextCas();
    words[index + NEXT] = this.buckets.successor(hash, old);
    words[index + CAS_LOW] = cas | 0;
    words[index + CAS_HIGH] = (cas / 4294967296) | 0;
    words[index + EXPTIME] = exptime;
    words[index + FLAGS] = flags;
    words[index + KEY_AND_BITS] |= bits;
    if (this.announced.size === 0) this.region.reportChunk(ref, this.slabs.itemBytes(ref));
    else this.reportRest(ref);
    this.buckets.publish(ref, hash, old);
    if (old !== 0) this.slabs.markUnlinked(old);
    const slabClass = this.slabs.classOf(ref);
    const standing = old === 0 ? this.eviction.admit(ref, hash, slabClass) : 0;
    this.slabs.markLive(ref, slabClass, recency | standing);
    this.totalItems++;
  }

  /** Links as `commit` does, for changes that memcached makes in place: the item is no new one. */
  amend(
    ref: number,
    old: number,
    flags: number,
    exptime: number,
    bits: number,
    recency: number,
  ): void {
    this.commit(ref, old, flags, exptime, bits, recency);
    this.totalItems--;
  }

  /**
   * The first `valueBytes` of a reserved chunk's value are in place. They are reported now, so that `commit` need not
   * report a large value at once; nothing refers to them yet, so they may travel at any time (law 2).
   */
  announce(ref: number, valueBytes: number): void {
    const begin = this.valueWordsBegin(ref);
    const from = this.announced.get(ref) ?? begin;
    const keyLength =
      this.region.wordsOf(ref)[this.region.indexOf(ref) + KEY_AND_BITS]! & keyLengthMask;
    const until = (headerBytes + keyLength + valueBytes) & ~3;
    if (until <= from) return;
    this.region.reportPart(ref, from, until - from);
    this.announced.set(ref, until);
  }

  /** Gives back a reserved chunk. */
  cancel(ref: number): void {
    if (this.announced.size > 0) this.announced.delete(ref);
    this.slabs.release(ref);
  }

  /** Unlinks an item; its chunk is free at once, or once no reply sends its bytes any more. */
  unlink(ref: number): void {
    this.buckets.unlink(ref);
    this.slabs.markUnlinked(ref);
  }

  /** Changes an item's expiry (absolute Unix seconds, 0 = never). */
  touch(ref: number, exptime: number): void {
    this.region.publishItemWord(ref, EXPTIME, exptime);
  }

  /** Sets item bits. */
  mark(ref: number, bits: number): void {
    const word = this.region.wordsOf(ref)[this.region.indexOf(ref) + KEY_AND_BITS]!;
    this.region.publishItemWord(ref, KEY_AND_BITS, word | bits);
  }

  /**
   * The recency that `commit` is given for a chunk that takes over an item's hits; `accessed`: this is an access to it.
   */
  recencyOf(ref: number, accessed: boolean): number {
    const state = this.chunkStateOf(ref);
    const access = accessed ? this.accessTime() : state & accessMask;
    return (state & (ChunkState.FETCHED | ChunkState.HITS)) | access;
  }

  /** True when an item was read since it was stored, as far as this process knows. */
  wasFetched(ref: number): boolean {
    return (this.chunkStateOf(ref) & ChunkState.FETCHED) !== 0;
  }

  /** Seconds since an item was last read or written, as far as this process knows. */
  secondsIdle(ref: number): number {
    return this.idleSeconds(this.chunkStateOf(ref));
  }

  /** Lets all items die: now, or at `at` (Unix seconds) if that is later. */
  flush(at: number): void {
    if (at <= this.now) {
      this.flushNow();
      return;
    }
    this.record.flushAt = at;
    writeRecord(this.region, this.record);
  }

  /** `stats reset`: the counters begin again at zero. */
  resetCounters(): void {
    this.totalItems = 0;
    this.metExpired = 0;
    this.metFlushed = 0;
    this.evictions = 0;
    this.reclaimed = 0;
    this.expiredUnfetched = 0;
    this.evictedUnfetched = 0;
    this.crawlerReclaimed = 0;
    this.mover.resetCounters();
    for (const slabClass of this.slabs.classes) slabClass.resetCounters();
  }

  /**
   * Seconds since an item was last read or written, as far as this process knows. The second has 24 bits, so this is
   * right for items that were idle for less than 194 days, however long the process runs.
   */
  idleSeconds(state: number): number {
    return (this.now - this.accessEpoch - (state >>> accessShift)) & (0xffffffff >>> accessShift);
  }

  /** Moves an item into a chunk of its class that was taken for it; clients see no change. */
  relocate(ref: number, fresh: number): void {
    const { region, slabs } = this;
    const slabClass = slabs.classOf(ref);
    const bytes = slabs.itemBytes(ref);
    const state = slabs.chunkStates[region.pageOf(ref)]![slabs.chunkOf(ref, slabClass)]!;
    const from = region.indexOf(ref);
    const words = region.wordsOf(ref).subarray(from, from + ((bytes + 3) >>> 2));
    region.wordsOf(fresh).set(words, region.indexOf(fresh));
    region.reportChunk(fresh, bytes);
    this.buckets.replace(fresh, ref);
    slabs.markUnlinked(ref);
    slabs.markLive(fresh, slabClass, state & ~ChunkState.PROBATION);
  }

  /** False with -M. */
  get mayEvict(): boolean {
    return this.options.evict;
  }

  /** True when the item is expired or flushed. */
  isDead(ref: number): boolean {
    return this.deadness(ref) !== Miss.ABSENT;
  }

  /** Unlinks a dead item that the crawler has found. */
  crawled(ref: number): void {
    const slabClass = this.slabs.classOf(ref);
    this.countUnfetched(ref, slabClass);
    this.crawlerReclaimed++;
    slabClass.crawlerReclaimed++;
    this.unlink(ref);
  }

  /** The state word of an item; 0 when its page is not adopted yet. */
  chunkStateOf(ref: number): number {
    const states = this.slabs.chunkStates[this.region.pageOf(ref)]!;
    return states.length === 0 ? 0 : states[this.slabs.chunkOf(ref, this.slabs.classOf(ref))]!;
  }

  /** Reports the part of a chunk that `announce` has not reported; the chunk is being linked. */
  private reportRest(ref: number): void {
    const { region } = this;
    const bytes = this.slabs.itemBytes(ref);
    const until = this.announced.get(ref);
    if (until === undefined) {
      region.reportChunk(ref, bytes);
      return;
    }
    this.announced.delete(ref);
    region.reportPart(ref, 0, this.valueWordsBegin(ref));
    if (bytes > until) region.reportPart(ref, until, bytes - until);
  }

  /** The first word of a chunk that holds only its value. */
  private valueWordsBegin(ref: number): number {
    const words = this.region.wordsOf(ref);
    const keyLength = words[this.region.indexOf(ref) + KEY_AND_BITS]! & keyLengthMask;
    return (headerBytes + keyLength + 3) & ~3;
  }

  private accessTime(): number {
    return (this.now - this.accessEpoch) << accessShift;
  }

  private deadness(ref: number): number {
    const words = this.region.wordsOf(ref);
    const index = this.region.indexOf(ref);
    const exptime = words[index + EXPTIME]! >>> 0;
    if (exptime !== 0 && exptime <= this.now) return Miss.EXPIRED;
    if (this.record.flushCas !== 0) {
      const cas = (words[index + CAS_LOW]! >>> 0) + (words[index + CAS_HIGH]! >>> 0) * 4294967296;
      if (cas <= this.record.flushCas) return Miss.FLUSHED;
    }
    return Miss.ABSENT;
  }

  /** Evicts an item; a dead one counts as reclaimed. */
  evict(ref: number, slabClass: SlabClass): void {
    const state = this.chunkStateOf(ref);
    if (this.deadness(ref) !== Miss.ABSENT) {
      this.countReclaimed(ref, slabClass);
    } else {
      this.evictions++;
      slabClass.evicted++;
      slabClass.evictedAge = this.idleSeconds(state);
      if (this.region.wordsOf(ref)[this.region.indexOf(ref) + EXPTIME] !== 0) {
        slabClass.evictedNonzero++;
      }
      if ((state & ChunkState.FETCHED) === 0) {
        this.evictedUnfetched++;
        slabClass.evictedUnfetched++;
      }
      this.onEvicted(ref, slabClass.evictedAge, (state & ChunkState.FETCHED) !== 0);
    }
    this.unlink(ref);
  }

  private countReclaimed(ref: number, slabClass: SlabClass): void {
    this.reclaimed++;
    slabClass.reclaimed++;
    this.countUnfetched(ref, slabClass);
  }

  private countUnfetched(ref: number, slabClass: SlabClass): void {
    if ((this.chunkStateOf(ref) & ChunkState.FETCHED) !== 0) return;
    this.expiredUnfetched++;
    slabClass.expiredUnfetched++;
  }

  private flushNow(): void {
    this.record.flushCas = this.casLast;
    this.record.flushAt = 0;
    this.flushes++;
    writeRecord(this.region, this.record);
  }

  /** Ids never go back, so the ceiling is raised in the superblock before an id above it is given out. */
  private nextCas(): number {
    if (this.casLast >= this.record.casCeiling) {
      this.record.casCeiling = this.casLast + this.options.casStep;
      writeRecord(this.region, this.record);
    }
    return ++this.casLast;
  }
}
