/**
 * The layout of a region. All numbers are little endian. The layout is also the format of what the mirror sends, so a
 * change here is a new `layoutVersion`.
 *
 *      0            superblock   4 KiB, the second half belongs to the node and is never mirrored
 *      4096         page table   one byte a page: its slab class, 0 = never used
 *                   buckets      u32 a bucket: head ref of a chain
 *      headBytes    pages        cut into chunks of one class
 *
 * An item fills a chunk:
 *
 *      0        4        8                16       20       24       28           32
 *      +--------+--------+----------------+--------+--------+--------+---------+--+-----+-------+
 *      | next   | hash   | cas            | exptime| flags  | value  | keyLen  |bits | key | value |
 *      | u32 ref| u32    | u64            | u32    | u32    | length | u8      |u24  |     |       |
 *      +--------+--------+----------------+--------+--------+--------+---------+-----+-----+-------+
 *
 * A CAS id that a client chose (EXPLICIT), a u64, follows the value. Clients then never see the id in the header, but
 * it says, as in every item, whether the item is older than a flush.
 *
 * Key length and item bits are one word, so that a bit is changed by one publish:
 *
 *      31                               12     11       10        9         8     7                0
 *      +----------------------------------+----------+--------+-------+---------+------------------+
 *      | 0                                | EXPLICIT | BINARY | TOKEN | STALE   | key length       |
 *      |                                  |          |        | SENT  |         |                  |
 *      +----------------------------------+----------+--------+-------+---------+------------------+
 *
 * A ref is (offset in the pages / unit) + 1, so that 0 can mean "none". The unit is 8 bytes up to 32 GiB of pages,
 * and doubles with every doubling beyond.
 */
import { assert } from '../base/errors.js';
import {
  bucketBitsMost,
  chunkBytesRegularMax,
  chunkGrowthLargeLeast,
  classesMax,
  classesRegularMax,
  itemBytesLeast,
  itemBytesMost,
  pageBytesLeast,
  pageBytesPerBucket,
} from '../base/limits.js';

/** Version of everything drawn above; nodes of different versions do not mirror each other. */
export const layoutVersion = 3;
/** 'HOTS', little endian. */
export const magic = 0x53544f48;

export const superblockBytes = 4096;

/** Words (i32) of the superblock. */
export const SuperWord = {
  MAGIC: 0,
  LAYOUT: 1,
  PAGE_BYTES: 2,
  PAGE_COUNT: 3,
  BUCKET_BITS: 4,
  UNIT_BYTES: 5,
  CHUNK_MIN: 6,
  /** Growth factor in millionths. */
  GROWTH: 7,
  ITEM_BYTES_MAX: 8,
  SEED_LOW: 9,
  SEED_HIGH: 10,
  /** Checksum of the words before it. */
  CHECKSUM: 11,
  /** Number of the reign: a word, published by a single store. */
  EPOCH: 16,
  /** The number of the record that is valid: 0 or 1. */
  SELECTOR: 17,
  /** The cache's time in seconds; 0 = not set yet. */
  TIME: 18,
  RECORD_0: 32,
  RECORD_1: 48,
  /** From here on words belong to the node itself and are not mirrored. */
  NODE: 512,
} as const;

/** Words of a record: the fields larger than a word, written into the record not selected and then selected. */
export const RecordWord = {
  CAS_CEILING_LOW: 0,
  CAS_CEILING_HIGH: 1,
  FLUSH_CAS_LOW: 2,
  FLUSH_CAS_HIGH: 3,
  /** Unix seconds from which items up to the flush cas are dead; 0 = no flush. */
  FLUSH_AT: 4,
  /** Checksum of the words before it. */
  CHECKSUM: 5,
  WORDS: 6,
} as const;

/** Words of the node's own half, counted from SuperWord.NODE. */
export const NodeWord = {
  /** 1 while the region is a copy in the making, which must not be served. */
  INCONSISTENT: 0,
  /** Unix seconds when the node wrote TIME. */
  WALL: 1,
} as const;

/** Words of an item's header, counted from the chunk's first word. */
export const NEXT = 0;
export const HASH = 1;
export const CAS_LOW = 2;
export const CAS_HIGH = 3;
export const EXPTIME = 4;
export const FLAGS = 5;
export const VALUE_LENGTH = 6;
/** Key length in the low byte, item bits above. */
export const KEY_AND_BITS = 7;
export const keyLengthMask = 0xff;
export const headerWords = 8;
export const headerBytes = 32;

/** The item bits: state that meta commands keep of an item beside its value. A plain set clears them. */
export const ItemBit = {
  /** Invalidated but kept: readers see `X`, and one of them is asked to fetch the value anew. */
  STALE: 1 << 8,
  /** A client was told `W` and fetches the value; others see `Z`. */
  TOKEN_SENT: 1 << 9,
  /** The key came in base64 and stands here decoded; replies show it in base64. */
  BINARY: 1 << 10,
  /** A client chose the CAS id (`E`), which stands behind the value. Never set or cleared in place. */
  EXPLICIT: 1 << 11,
} as const;
/** Bytes behind the value of an item whose CAS id a client chose. */
export const explicitCasBytes = 8;

/** The parameters of the layout. Two regions with equal geometries have the same things at the same offsets. */
export interface Geometry {
  readonly pageBytes: number;
  readonly pageCount: number;
  readonly bucketBits: number;
  readonly unitBytes: number;
  /** `-n`: least room for key, value and flags in the smallest chunk. */
  readonly chunkMin: number;
  /** `-f`. */
  readonly growthFactor: number;
  /** `-I`, counted as memcached counts an item's size. */
  readonly itemBytesMax: number;
}

export interface GeometryOptions {
  /** `-m` in bytes. */
  readonly memoryBytes: number;
  readonly itemBytesMax: number;
  readonly chunkMin: number;
  readonly growthFactor: number;
}

export function geometryOf(options: GeometryOptions): Geometry {
  const { memoryBytes, itemBytesMax, chunkMin, growthFactor } = options;
  assert(itemBytesMax >= itemBytesLeast && itemBytesMax <= itemBytesMost, '-I is in range');
  const pageBytes = Math.max(pageBytesLeast, 2 ** Math.ceil(Math.log2(itemBytesMax)));
  const pageCount = Math.max(1, Math.floor(memoryBytes / pageBytes));
  const pagesBytes = pageBytes * pageCount;
  const wanted = Math.ceil(Math.log2(pagesBytes / pageBytesPerBucket));
  const bucketBits = Math.min(bucketBitsMost, Math.max(10, wanted));
  const unitBytes = 8 * 2 ** Math.max(0, Math.ceil(Math.log2(pagesBytes / 2 ** 35)));
  return { pageBytes, pageCount, bucketBits, unitBytes, chunkMin, growthFactor, itemBytesMax };
}

/** Offset of the page table, in bytes. */
export const pageTableOffset = superblockBytes;

export function bucketsOffset(geometry: Geometry): number {
  return roundUp(pageTableOffset + geometry.pageCount, superblockBytes);
}

/** Bytes before the pages; a multiple of 4096. */
export function headBytes(geometry: Geometry): number {
  return bucketsOffset(geometry) + roundUp(4 * 2 ** geometry.bucketBits, superblockBytes);
}

export function pagesBytes(geometry: Geometry): number {
  return geometry.pageBytes * geometry.pageCount;
}

/**
 * Chunk sizes by class number, in bytes; index 0 is unused. Sizes and numbers are memcached's (slabs_init in 1.6:
 * header 48, growth factor, 8-byte alignment, last class half a page). Larger ones are whole fractions of a page, as an
 * item here stands in one chunk where memcached would chain several.
 */
export function chunkSizes(geometry: Geometry): number[] {
  const { growthFactor, chunkMin, pageBytes, unitBytes } = geometry;
  const memcachedHeader = 48;
  const sizes = [0];
  let size = memcachedHeader + chunkMin;
  while (sizes.length < classesRegularMax && size < chunkBytesRegularMax / growthFactor) {
    size = roundUp(size, unitBytes);
    sizes.push(size);
    size = Math.floor(size * growthFactor);
  }
  sizes.push(chunkBytesRegularMax);
  const growth = Math.max(growthFactor, chunkGrowthLargeLeast);
  for (let parts = pageBytes / chunkBytesRegularMax - 1; parts >= 1; parts--) {
    const fraction = Math.floor(pageBytes / parts / unitBytes) * unitBytes;
    if (parts === 1 || fraction >= sizes[sizes.length - 1]! * growth) sizes.push(fraction);
  }
  assert(sizes.length <= classesMax, 'a class number fits in the page table');
  return sizes;
}

/** True when both describe the same layout. */
export function sameGeometry(a: Geometry, b: Geometry): boolean {
  const keys = Object.keys(a) as (keyof Geometry)[];
  return keys.every((key) => a[key] === b[key]);
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}
