/**
 * The cache in a region: find, set, delete, touch, flush, evict. It holds no command and no reply; it changes the
 * region through publishes only (law 2), and says so to the journal. Time is what `tick` was last told.
 *
 * To set: `reserve` a chunk (this may evict), write the value into it, `find` the old item, `commit` the chunk in its
 * place. Between `find` and `commit` nothing else may change the store.
 */
import { Buckets } from './buckets.js';
import { Clock, type Eviction } from './eviction.js';
import {
  CAS_HIGH,
  CAS_LOW,
  EXPTIME,
  FLAGS,
  HASH,
  headerBytes,
  headerWords,
  KEY_AND_BITS,
  keyLengthMask,
  NEXT,
  VALUE_LENGTH,
} from './layout.js';
import { readRecord, type SuperRecord, writeRecord } from './open.js';
import type { Region } from './region.js';
import { accessShift, Meta, type SlabClass, Slabs } from './slabs.js';

/** Why `find` found nothing. */
export const Miss = { ABSENT: 0, EXPIRED: 1, FLUSHED: 2 } as const;

/** The part of a meta word that is the second of the last access. */
const accessMask = -1 << accessShift;

/** With -M: items looked at for a dead one before a value is refused. */
const deadLooksMax = 50;

export interface StoreOptions {
  /** False with `-M`: a full cache refuses instead of evicting. */
  readonly evict: boolean;
  /** CAS ids are given out from a ceiling raised in steps of this many. */
  readonly casStep: number;
}

export class Store {
  readonly region: Region;
  readonly slabs: Slabs;
  /** Unix seconds, as of the last `tick`. */
  now = 0;
  /** Why the last `find` found nothing. */
  miss: number = Miss.ABSENT;
  /** Items ever linked by this process. */
  totalItems = 0;
  evictions = 0;
  reclaimed = 0;
  expiredUnfetched = 0;
  evictedUnfetched = 0;
  pagesMoved = 0;
  /** Called when nothing could be evicted: all chunks are being filled or sent. */
  onStarved: () => void = () => {};
  private readonly buckets: Buckets;
  private readonly eviction: Eviction;
  private readonly options: StoreOptions;
  private readonly record: SuperRecord;
  private casLast: number;
  /** Unix second at which access times begin to count. */
  private readonly accessEpoch: number;

  /** Opens a formatted region, whatever is in it. `nowSeconds` is Unix time. */
  constructor(region: Region, options: StoreOptions, nowSeconds: number) {
    this.region = region;
    this.options = options;
    this.buckets = new Buckets(region);
    this.slabs = new Slabs(region, this.buckets);
    this.eviction = new Clock(this.slabs);
    this.record = readRecord(region.head);
    this.casLast = this.record.casCeiling;
    this.accessEpoch = nowSeconds;
    this.tick(nowSeconds);
  }

  /** Says what time it is, and lets a delayed flush happen before any command of this time is executed. */
  tick(nowSeconds: number): void {
    this.now = nowSeconds;
    if (this.record.flushAt !== 0 && nowSeconds >= this.record.flushAt) this.flushNow();
  }

  hash(view: DataView, at: number, length: number): number {
    return this.buckets.hash(view, at, length);
  }

  /** The live item with this key, or 0 and the reason in `miss`. A dead item that is met is unlinked. */
  find(view: DataView, at: number, length: number, hash: number): number {
    const ref = this.buckets.find(view, at, length, hash);
    if (ref === 0) {
      this.miss = Miss.ABSENT;
      return 0;
    }
    const dead = this.deadness(ref);
    if (dead === Miss.ABSENT) return ref;
    this.miss = dead;
    this.countReclaimed(ref, this.slabs.classOf(ref));
    this.unlink(ref);
    return 0;
  }

  /** Brings near what looking up these hashes will need. Only reads. */
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
    const meta = this.slabs.meta[page]!;
    if (meta.length === 0) return; // Not adopted yet.
    const chunk = this.slabs.chunkOf(ref, this.slabs.classOf(ref));
    const low = this.eviction.hit(meta[chunk]! & ((1 << accessShift) - 1));
    meta[chunk] = low | this.accessTime();
  }

  /**
   * A chunk for an item with this key and room for `valueLength` bytes, filled but for the value; 0 when memory is
   * full. `shielded` is an item that must not be evicted for it (0: none).
   */
  reserve(
    view: DataView,
    at: number,
    keyLength: number,
    hash: number,
    valueLength: number,
    shielded: number,
  ): number {
    const number = this.slabs.classFor(headerBytes + keyLength + valueLength);
    if (number === 0) return 0;
    const slabClass = this.slabs.classes[number]!;
    let ref = this.slabs.take(slabClass);
    if (ref === 0) ref = this.makeRoom(slabClass, shielded);
    if (ref === 0) {
      slabClass.outOfMemory++;
      return 0;
    }
    const words = this.region.wordsOf(ref);
    const index = this.region.indexOf(ref);
    words[index + HASH] = hash;
    words[index + VALUE_LENGTH] = valueLength;
    words[index + KEY_AND_BITS] = keyLength;
    for (let word = 0; word * 4 < keyLength; word++) {
      words[index + headerWords + word] = view.getInt32(at + word * 4, true);
    }
    return ref;
  }

  /** Links a reserved chunk in the place of `old`, which `find` has just returned (0: there is none). */
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
    this.region.reportChunk(ref, this.slabs.itemBytes(ref));
    this.buckets.publish(ref, hash, old);
    if (old !== 0) this.slabs.markUnlinked(old);
    this.slabs.markLive(ref, this.slabs.classOf(ref), recency);
    this.totalItems++;
  }

  /** Gives back a reserved chunk. */
  cancel(ref: number): void {
    this.slabs.release(ref);
  }

  /** Unlinks an item; its chunk is free at once, or when nothing sends from it any more. */
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

  /** What `commit` is told for a chunk that takes over an item's hits; `accessed`: this is an access to it. */
  recencyOf(ref: number, accessed: boolean): number {
    const meta = this.metaOf(ref);
    const access = accessed ? this.accessTime() : meta & accessMask;
    return (meta & (Meta.FETCHED | Meta.HITS)) | access;
  }

  /** True when an item was read since it was stored, as far as this process knows. */
  wasFetched(ref: number): boolean {
    return (this.metaOf(ref) & Meta.FETCHED) !== 0;
  }

  /** Seconds since an item was last read or written, as far as this process knows. */
  secondsIdle(ref: number): number {
    return this.idleSeconds(this.metaOf(ref));
  }

  /** All items die: now, or at `at` (Unix seconds) if that is later. */
  flush(at: number): void {
    if (at <= this.now) {
      this.flushNow();
      return;
    }
    this.record.flushAt = at;
    writeRecord(this.region, this.record);
  }

  /** `stats reset`: counts of what happened begin again. */
  resetCounters(): void {
    this.totalItems = 0;
    this.evictions = 0;
    this.reclaimed = 0;
    this.expiredUnfetched = 0;
    this.evictedUnfetched = 0;
    this.pagesMoved = 0;
    for (const slabClass of this.slabs.classes) slabClass.resetCounters();
  }

  /** Seconds since an item was last read or written, as far as this process knows. */
  idleSeconds(meta: number): number {
    return this.now - this.accessEpoch - (meta >>> accessShift);
  }

  /** Seconds since the first item of the class was last read or written: about the age of what is evicted next. */
  oldestAge(slabClass: SlabClass): number {
    for (const page of slabClass.pages) {
      for (const word of this.slabs.meta[page]!) {
        if ((word & Meta.LIVE) !== 0) return this.idleSeconds(word);
      }
    }
    return 0;
  }

  /** The meta word of an item; 0 while its page is not adopted. */
  private metaOf(ref: number): number {
    const meta = this.slabs.meta[this.region.pageOf(ref)]!;
    return meta.length === 0 ? 0 : meta[this.slabs.chunkOf(ref, this.slabs.classOf(ref))]!;
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

  /**
   * A reserved chunk of a class that has none left: by evicting an item, by finding one among the chunks that are not
   * adopted yet, or by taking a page from another class.
   */
  private makeRoom(slabClass: SlabClass, shielded: number): number {
    for (;;) {
      const victim = this.victimFor(slabClass, shielded);
      if (victim !== 0) {
        this.evict(victim, slabClass);
        return this.slabs.take(slabClass);
      }
      if (slabClass.unadopted.length === 0) break;
      const ref = this.slabs.take(slabClass);
      if (ref !== 0) return ref;
    }
    if (!this.options.evict) return 0;
    if (this.stealPage(slabClass, shielded)) return this.slabs.take(slabClass);
    this.onStarved();
    return 0;
  }

  /** With -M only what is dead anyway may go: a few are looked at, as memcached looks at a few from its tail. */
  private victimFor(slabClass: SlabClass, shielded: number): number {
    if (slabClass.items === 0) return 0;
    if (this.options.evict) return this.eviction.victim(slabClass, shielded);
    for (let look = 0; look < deadLooksMax; look++) {
      const victim = this.eviction.victim(slabClass, shielded);
      if (victim === 0 || this.deadness(victim) !== Miss.ABSENT) return victim;
    }
    return 0;
  }

  private evict(ref: number, slabClass: SlabClass): void {
    const meta = this.metaOf(ref);
    if (this.deadness(ref) !== Miss.ABSENT) {
      this.countReclaimed(ref, slabClass);
    } else {
      this.evictions++;
      slabClass.evicted++;
      slabClass.evictedAge = this.idleSeconds(meta);
      if (this.region.wordsOf(ref)[this.region.indexOf(ref) + EXPTIME] !== 0) {
        slabClass.evictedNonzero++;
      }
      if ((meta & Meta.FETCHED) === 0) {
        this.evictedUnfetched++;
        slabClass.evictedUnfetched++;
      }
    }
    this.unlink(ref);
  }

  private countReclaimed(ref: number, slabClass: SlabClass): void {
    this.reclaimed++;
    slabClass.reclaimed++;
    if (!this.wasFetched(ref)) {
      this.expiredUnfetched++;
      slabClass.expiredUnfetched++;
    }
  }

  /** Empties a page of the class that has most and gives it to one that cannot go on without. */
  private stealPage(to: SlabClass, shielded: number): boolean {
    const donors = this.slabs.classes
      .filter((slabClass) => slabClass !== to && slabClass.pages.length > 0)
      .sort((a, b) => b.pages.length - a.pages.length);
    for (const donor of donors) {
      const page = donor.pages.find((candidate) => this.canEmpty(candidate, donor, shielded));
      if (page === undefined) continue;
      const meta = this.slabs.meta[page]!;
      for (let chunk = 0; chunk < donor.perPage; chunk++) {
        if ((meta[chunk]! & Meta.LIVE) !== 0) {
          this.evict(this.slabs.refOf(page, chunk, donor), donor);
        }
      }
      this.slabs.reassign(page, donor, to);
      this.pagesMoved++;
      return true;
    }
    return false;
  }

  private canEmpty(page: number, slabClass: SlabClass, shielded: number): boolean {
    if (!this.slabs.isAdopted(page)) this.slabs.adopt(page);
    if (shielded !== 0 && this.region.pageOf(shielded) === page) return false;
    const busy = Meta.RESERVED | Meta.PINNED;
    const meta = this.slabs.meta[page]!;
    return meta.length === slabClass.perPage && meta.every((word) => (word & busy) === 0);
  }

  private flushNow(): void {
    this.record.flushCas = this.casLast;
    this.record.flushAt = 0;
    writeRecord(this.region, this.record);
  }

  /** Ids never go back: the ceiling is raised in the superblock before one above it is given out. */
  private nextCas(): number {
    if (this.casLast >= this.record.casCeiling) {
      this.record.casCeiling = this.casLast + this.options.casStep;
      writeRecord(this.region, this.record);
    }
    return ++this.casLast;
  }
}
