/**
 * Regions in plain memory for tests of the store: small ones, copies of them, and copies that follow a journal. The
 * geometries are made by hand so that few chunks fit and chains are long, as eviction and page stealing then begin
 * soon.
 */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { segmentBytes } from '../../src/base/limits.js';
import { anonymousMemory, type MappedRegion, mapRegion } from '../../src/server/region-mapping.js';
import { Journal } from '../../src/store/journal.js';
import { type Geometry, headBytes, pagesBytes } from '../../src/store/layout.js';
import type { RegionMemory } from '../../src/store/region.js';
import { format } from '../../src/store/superblock.js';

const KiB = 1024;

/** Pages of half a MiB are the smallest that chunkSizes can cut. */
const base = { pageBytes: 512 * KiB, bucketBits: 3, unitBytes: 8, itemBytesMax: 512 * KiB };

/** The geometries that tests choose from, by name. */
export const geometries = {
  /** Chunks of 32 KiB and of a whole page. */
  coarse: { ...base, pageCount: 2, chunkMin: 32 * KiB - 48, growthFactor: 4 },
  /** Chunks of 16, 32, 64, 128 and 512 KiB. */
  mixed: { ...base, pageCount: 3, chunkMin: 16 * KiB - 48, growthFactor: 2 },
  /** One page only: a set that needs another class takes everything. */
  single: { ...base, pageCount: 1, chunkMin: 64 * KiB - 48, growthFactor: 4 },
  /** Pages of 1 MiB, cut into 10, 5, 2 or 1. */
  wide: {
    ...base,
    pageBytes: 1024 * KiB,
    itemBytesMax: 1024 * KiB,
    pageCount: 2,
    chunkMin: 100_000,
    growthFactor: 2,
  },
  /** Some twenty classes on 4 pages: nearly every set takes a page from another class. */
  classes: { ...base, pageCount: 4, chunkMin: 1500, growthFactor: 1.35 },
} as const satisfies Record<string, Geometry>;

export type GeometryName = keyof typeof geometries;

/** All-zero memory of a region. */
export function emptyMemory(geometry: Geometry): RegionMemory {
  const segments: ArrayBuffer[] = [];
  for (let left = pagesBytes(geometry); left > 0; left -= segmentBytes) {
    segments.push(new ArrayBuffer(Math.min(left, segmentBytes)));
  }
  return { head: new ArrayBuffer(headBytes(geometry)), segments };
}

export function formattedMemory(geometry: Geometry, seed: readonly [number, number]): RegionMemory {
  const memory = emptyMemory(geometry);
  format(new Int32Array(memory.head), geometry, seed);
  return memory;
}

/** A new region in memory that the addon has mapped; `native.regionClose` ends it. */
export function mappedRegion(geometry: Geometry): MappedRegion {
  return mapRegion(geometry, anonymousMemory, new Journal());
}

export function copyMemory(memory: RegionMemory): RegionMemory {
  return {
    head: memory.head.slice(0),
    segments: memory.segments.map((segment) => segment.slice(0)),
  };
}

/** The memory in a file that `-e` mapped: the head, then the pages. */
export function memoryOfFile(path: string, geometry: Geometry): RegionMemory {
  const file = readFileSync(path);
  const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.length) as ArrayBuffer;
  const segments: ArrayBuffer[] = [];
  for (let at = headBytes(geometry); at < bytes.byteLength; at += segmentBytes) {
    segments.push(bytes.slice(at, Math.min(at + segmentBytes, bytes.byteLength)));
  }
  return { head: bytes.slice(0, headBytes(geometry)), segments };
}

/** Bytes of a region, addressed as the journal does: by offset from the region's first byte. */
export class RegionBytes {
  private readonly head: Uint8Array;
  private readonly segments: readonly Uint8Array[];

  constructor(memory: RegionMemory) {
    this.head = new Uint8Array(memory.head);
    this.segments = memory.segments.map((segment) => new Uint8Array(segment));
  }

  /** `length` bytes at `offset`, in place; a range spans neither the head and the pages, nor two segments. */
  at(offset: number, length: number): Uint8Array {
    if (offset < this.head.length) return within(this.head, offset, length);
    const inPages = offset - this.head.length;
    const segment = this.segments[Math.floor(inPages / segmentBytes)];
    if (segment === undefined) throw new Error(`offset ${offset} is outside of the region`);
    return within(segment, inPages % segmentBytes, length);
  }

  /** Applies a record, as a standby does. */
  apply(offset: number, payload: Uint8Array): void {
    this.at(offset, payload.length).set(payload);
  }

  /** Copies a range from another copy. */
  restore(from: RegionBytes, offset: number, length: number): void {
    this.at(offset, length).set(from.at(offset, length));
  }

  equals(other: RegionBytes): boolean {
    const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;
    return (
      same(this.head, other.head) &&
      this.segments.every((mine, i) => same(mine, other.segments[i]!))
    );
  }
}

function within(bytes: Uint8Array, at: number, length: number): Uint8Array {
  if (at + length > bytes.length) throw new Error(`a range ends outside: ${at} + ${length}`);
  return bytes.subarray(at, at + length);
}

/** Bytes that the kernel has allocated for regions in memory that this process, or another, has mapped. */
export function allocatedBytes(pid: number | 'self' = 'self'): number {
  const folder = `/proc/${pid}/fd`;
  const ofRegions = readdirSync(folder).filter((name) => {
    try {
      return readlinkSync(`${folder}/${name}`).startsWith('/memfd:hotspare');
    } catch {
      return false;
    }
  });
  return ofRegions.reduce((sum, name) => sum + statSync(`${folder}/${name}`).blocks * 512, 0);
}
