/**
 * Chunks and pages: which chunks are free, which page has which class. Only the page table is mirrored. The rest is
 * found again from the buckets when a region is opened, a page at a time ("adopted"), on demand or in the background.
 *
 * A chunk is free, reserved (being filled, nothing refers to it), live (linked), or doomed (unlinked, but its bytes are
 * still being sent). A page is unused or has a class. In an opened region, the chunks of a page below `unknown` have
 * not been looked at yet.
 */
import { assert } from '../base/errors.js';
import { adoptChunksOnDemand } from '../base/limits.js';
import type { Buckets } from './buckets.js';
import {
  chunkSizes,
  explicitCasBytes,
  headerBytes,
  ItemBit,
  KEY_AND_BITS,
  keyLengthMask,
  VALUE_LENGTH,
} from './layout.js';
import type { Region } from './region.js';
import { SlabClass, smallBytes, tableOfClasses } from './slab-class.js';

/** Bits of a chunk's state word; above them, in `accessShift`, the second of its last access. */
export const ChunkState = {
  FETCHED: 1,
  /** Times it was read since the hand passed, up to 3. */
  HIT: 2,
  HITS: 6,
  LIVE: 8,
  RESERVED: 16,
  PINNED: 32,
  DOOMED: 64,
  /** New, and in the ring of its class. */
  PROBATION: 128,
} as const;
export const accessShift = 8;
const none = new Int32Array(0);

export class Slabs {
  /** By class number; [0] is never used. */
  readonly classes: SlabClass[];
  /** State words of chunks, by page; empty until the page's adoption begins. */
  readonly chunkStates: Int32Array[];
  /** Pages that never had a class. */
  unusedPages: number;
  /** Pages that are not adopted whole yet. */
  unadoptedPages = 0;
  /** The page that is being emptied: no chunk of it is taken, and no item evicted to make room; -1: none. */
  draining = -1;
  /** Unused pages that had a class before. */
  pooledPages = 0;
  readonly region: Region;
  private readonly buckets: Buckets;
  /** The number of a page's chunks that are not adopted yet: those with lower numbers. */
  private readonly unknown: Int32Array;
  private readonly free: Int32Array[];
  private readonly freeCount: Int32Array;
  /** No word of a page's free bits below this index has a bit set. */
  private readonly freeHint: Int32Array;
  private readonly listed: Uint8Array;
  /** How many replies still send a pinned chunk's bytes. */
  private readonly pins = new Map<number, number>();
  private readonly classBySize: Uint8Array;
  private readonly pageMask: number;
  private nextUnused = 0;

  constructor(region: Region, buckets: Buckets) {
    this.region = region;
    this.buckets = buckets;
    const { geometry } = region;
    const sizes = chunkSizes(geometry);
    this.classes = sizes.map(
      (size, number) => new SlabClass(number, size, geometry.unitBytes, geometry.pageBytes),
    );
    this.classBySize = tableOfClasses(sizes);
    this.chunkStates = new Array<Int32Array>(geometry.pageCount).fill(none);
    this.free = new Array<Int32Array>(geometry.pageCount).fill(none);
    this.freeCount = new Int32Array(geometry.pageCount);
    this.freeHint = new Int32Array(geometry.pageCount);
    this.listed = new Uint8Array(geometry.pageCount);
    this.unknown = new Int32Array(geometry.pageCount);
    this.pageMask = 2 ** region.pageShift - 1;
    this.unusedPages = geometry.pageCount;
    for (let page = 0; page < geometry.pageCount; page++) this.meet(page);
  }

  /** The smallest class whose chunks hold this many bytes, or 0. */
  classFor(bytes: number): number {
    if (bytes <= smallBytes) return this.classBySize[(bytes + 7) >>> 3]!;
    let low = this.classBySize[smallBytes >>> 3]!;
    while (low < this.classes.length && this.classes[low]!.chunkBytes < bytes) low++;
    return low < this.classes.length ? low : 0;
  }

  /**
   * A free chunk, now reserved; 0 when the class has no known one and no page is left. In an opened region it has then
   * looked at a few chunks more, so that a set after a takeover does not wait for all of a full class.
   */
  take(slabClass: SlabClass): number {
    for (;;) {
      const last = slabClass.partial.length - 1;
      if (last >= 0) {
        const page = slabClass.partial[last]!;
        if (this.freeCount[page] !== 0) return this.takeFrom(page, slabClass);
        slabClass.partial.pop();
        this.listed[page] = 0;
      } else if (this.unusedPages > 0) {
        this.assign(this.takeUnusedPage(), slabClass);
      } else if (slabClass.unadopted.length > 0) {
        this.adoptOf(slabClass, adoptChunksOnDemand);
        if (slabClass.partial.length === 0) return 0;
      } else {
        return 0;
      }
    }
  }

  /** Index of a chunk within its page. */
  chunkOf(ref: number, slabClass: SlabClass): number {
    return (((ref - 1) & this.pageMask) / slabClass.chunkUnits) | 0;
  }

  classOf(ref: number): SlabClass {
    return this.classes[this.region.pageTable[this.region.pageOf(ref)]!]!;
  }

  refOf(page: number, chunk: number, slabClass: SlabClass): number {
    return (page * (this.pageMask + 1) + chunk * slabClass.chunkUnits + 1) | 0;
  }

  /** A reserved chunk is linked now. */
  markLive(ref: number, slabClass: SlabClass, state: number): void {
    this.chunkStates[this.region.pageOf(ref)]![this.chunkOf(ref, slabClass)] =
      ChunkState.LIVE | state;
    slabClass.items++;
    slabClass.itemBytes += this.itemBytes(ref);
  }

  /** A live chunk is linked no more. It is free, or will be when it is unpinned. */
  markUnlinked(ref: number): void {
    const slabClass = this.classOf(ref);
    const page = this.region.pageOf(ref);
    const chunk = this.chunkOf(ref, slabClass);
    if (chunk < this.unknown[page]!) return; // Adoption will find it free.
    slabClass.items--;
    slabClass.itemBytes -= this.itemBytes(ref);
    const pinned = this.chunkStates[page]![chunk]! & ChunkState.PINNED;
    if (pinned !== 0) this.chunkStates[page]![chunk] = ChunkState.PINNED | ChunkState.DOOMED;
    else this.give(page, chunk, slabClass);
  }

  /** Gives back a reserved chunk that is not needed. */
  release(ref: number): void {
    const slabClass = this.classOf(ref);
    this.give(this.region.pageOf(ref), this.chunkOf(ref, slabClass), slabClass);
  }

  /** Keeps a live chunk's bytes from being reused until `unpin`. */
  pin(ref: number): void {
    const page = this.region.pageOf(ref);
    this.adopt(page);
    this.chunkStates[page]![this.chunkOf(ref, this.classOf(ref))]! |= ChunkState.PINNED;
    this.pins.set(ref, (this.pins.get(ref) ?? 0) + 1);
  }

  unpin(ref: number): void {
    const left = this.pins.get(ref)! - 1;
    if (left > 0) {
      this.pins.set(ref, left);
      return;
    }
    this.pins.delete(ref);
    const slabClass = this.classOf(ref);
    const page = this.region.pageOf(ref);
    const chunk = this.chunkOf(ref, slabClass);
    const state = this.chunkStates[page]![chunk]!;
    if ((state & ChunkState.DOOMED) !== 0) this.give(page, chunk, slabClass);
    else this.chunkStates[page]![chunk] = state & ~ChunkState.PINNED;
  }

  /** Bytes of its chunk that an item fills. */
  itemBytes(ref: number): number {
    const words = this.region.wordsOf(ref);
    const index = this.region.indexOf(ref);
    const keyAndBits = words[index + KEY_AND_BITS]!;
    const behind = (keyAndBits & ItemBit.EXPLICIT) === 0 ? 0 : explicitCasBytes;
    return headerBytes + (keyAndBits & keyLengthMask) + words[index + VALUE_LENGTH]! + behind;
  }

  /** Finds out which chunks of a page are live, where that is not known yet. */
  adopt(page: number): void {
    this.adoptChunks(page, this.unknown[page]!);
  }

  /** Looks at up to `budget` chunks that no command has asked for; true when all pages are adopted. */
  adoptSome(budget: number): boolean {
    let left = budget;
    while (left > 0 && this.unadoptedPages > 0) {
      const waiting = this.classes.find((slabClass) => slabClass.unadopted.length > 0)!;
      left -= this.adoptOf(waiting, left);
    }
    return this.unadoptedPages === 0;
  }

  /** Looks at up to `most` chunks of the page of the class that is adopted next; returns how many there were. */
  adoptOf(slabClass: SlabClass, most: number): number {
    const page = slabClass.unadopted[slabClass.unadopted.length - 1]!;
    const count = Math.min(most, this.unknown[page]!);
    this.adoptChunks(page, count);
    return count;
  }

  isAdopted(page: number): boolean {
    return this.unknown[page] === 0;
  }

  /** The first chunk of a page that was looked at; all behind it were, too. */
  firstKnown(page: number): number {
    return this.unknown[page]!;
  }

  /** Free chunks of a class that may be taken: those of a page that is being emptied may not. */
  available(slabClass: SlabClass): number {
    const { draining } = this;
    const drains = draining >= 0 && this.region.pageTable[draining] === slabClass.number;
    return slabClass.freeChunks - (drains ? this.freeCount[draining]! : 0);
  }

  /** True when no chunk of a page is linked, reserved or being sent. */
  isEmpty(page: number): boolean {
    return this.freeCount[page] === this.classes[this.region.pageTable[page]!]!.perPage;
  }

  freeIn(page: number): number {
    return this.freeCount[page]!;
  }

  /** Gives an unused page to a class before the class needs it; there must be one. */
  grant(slabClass: SlabClass): void {
    this.assign(this.takeUnusedPage(), slabClass);
  }

  /** Begins to empty a page: its free chunks, and those given back, are not taken any more. */
  drain(page: number): void {
    assert(this.draining < 0, 'one page at a time is emptied');
    this.draining = page;
    const { partial } = this.classes[this.region.pageTable[page]!]!;
    const listed = partial.indexOf(page);
    if (listed >= 0) partial.splice(listed, 1);
    // Marked as listed but not on the list, so that giving a chunk back does not list the page.
    this.listed[page] = 1;
  }

  /** Ends emptying: the page stays with its class. */
  stopDraining(): void {
    const page = this.draining;
    this.draining = -1;
    this.listed[page] = 0;
    if (this.freeCount[page] !== 0) this.list(page, this.classes[this.region.pageTable[page]!]!);
  }

  /** The emptied page changes its class, or has none any more (null). */
  reassign(to: SlabClass | null): void {
    const page = this.draining;
    const from = this.classes[this.region.pageTable[page]!]!;
    assert(this.freeCount[page] === from.perPage, 'a page that changes class is empty');
    this.draining = -1;
    this.listed[page] = 0;
    from.lose(page);
    if (to !== null) {
      this.assign(page, to);
      return;
    }
    this.region.publishPageClass(page, 0);
    this.chunkStates[page] = none;
    this.free[page] = none;
    this.freeCount[page] = 0;
    this.unusedPages++;
    this.pooledPages++;
    if (page < this.nextUnused) this.nextUnused = page;
  }

  /** Sorts a page of an opened region by its entry in the page table. */
  private meet(page: number): void {
    const number = this.region.pageTable[page]!;
    if (number === 0) return;
    assert(number < this.classes.length, 'the page table names a class');
    const slabClass = this.classes[number]!;
    slabClass.pages.push(page);
    slabClass.unadopted.push(page);
    this.unknown[page] = slabClass.perPage;
    this.unusedPages--;
    this.unadoptedPages++;
  }

  /** Adopts chunks from the last to the first, so that one number says which are still unknown. */
  private adoptChunks(page: number, count: number): void {
    if (count === 0) return;
    const slabClass = this.classes[this.region.pageTable[page]!]!;
    if (this.unknown[page] === slabClass.perPage) this.equip(page, slabClass);
    const end = this.unknown[page]! - count;
    for (let chunk = this.unknown[page]! - 1; chunk >= end; chunk--) {
      const ref = this.refOf(page, chunk, slabClass);
      if (this.plausible(ref, slabClass) && this.buckets.locate(ref)) {
        this.markLive(ref, slabClass, 0);
      } else {
        this.give(page, chunk, slabClass);
      }
    }
    this.unknown[page] = end;
    if (end > 0) return;
    slabClass.unadopted.splice(slabClass.unadopted.lastIndexOf(page), 1);
    this.unadoptedPages--;
  }

  private takeUnusedPage(): number {
    while (this.region.pageTable[this.nextUnused] !== 0) this.nextUnused++;
    this.unusedPages--;
    if (this.pooledPages > 0) this.pooledPages--;
    return this.nextUnused;
  }

  private assign(page: number, slabClass: SlabClass): void {
    this.region.publishPageClass(page, slabClass.number);
    slabClass.pages.push(page);
    this.equip(page, slabClass);
    const free = this.free[page]!;
    free.fill(-1);
    const rest = slabClass.perPage & 31;
    if (rest !== 0) free[free.length - 1] = (1 << rest) - 1;
    this.freeCount[page] = slabClass.perPage;
    slabClass.freeChunks += slabClass.perPage;
    this.list(page, slabClass);
  }

  /** Makes side arrays for a page whose chunks become known; none of them is free or live yet. */
  private equip(page: number, slabClass: SlabClass): void {
    this.chunkStates[page] = new Int32Array(slabClass.perPage);
    this.free[page] = new Int32Array((slabClass.perPage + 31) >>> 5);
    this.freeCount[page] = 0;
    this.freeHint[page] = 0;
  }

  private takeFrom(page: number, slabClass: SlabClass): number {
    const free = this.free[page]!;
    let word = this.freeHint[page]!;
    while (free[word] === 0) word++;
    this.freeHint[page] = word;
    const bits = free[word]!;
    const lowest = bits & -bits;
    free[word] = bits ^ lowest;
    const chunk = word * 32 + 31 - Math.clz32(lowest);
    this.freeCount[page]!--;
    slabClass.freeChunks--;
    this.chunkStates[page]![chunk] = ChunkState.RESERVED;
    return this.refOf(page, chunk, slabClass);
  }

  private give(page: number, chunk: number, slabClass: SlabClass): void {
    this.chunkStates[page]![chunk] = 0;
    const word = chunk >>> 5;
    this.free[page]![word]! |= 1 << (chunk & 31);
    // In a full cache a page often has only this free chunk; the hint is then exact, and nothing is searched.
    if (this.freeCount[page] === 0 || word < this.freeHint[page]!) this.freeHint[page] = word;
    this.freeCount[page]!++;
    slabClass.freeChunks++;
    this.list(page, slabClass);
  }

  private list(page: number, slabClass: SlabClass): void {
    if (this.listed[page] !== 0) return;
    this.listed[page] = 1;
    slabClass.partial.push(page);
  }

  /**
   * True when an item may stand in a chunk. A free chunk may hold anything that once was an item, so only fitting
   * lengths are followed.
   */
  private plausible(ref: number, slabClass: SlabClass): boolean {
    const words = this.region.wordsOf(ref);
    const index = this.region.indexOf(ref);
    const keyLength = words[index + KEY_AND_BITS]! & keyLengthMask;
    const valueLength = words[index + VALUE_LENGTH]! >>> 0;
    return keyLength > 0 && headerBytes + keyLength + valueLength <= slabClass.chunkBytes;
  }
}
