/**
 * Regions in plain memory, for the nodes of one simulated machine. The content of a file outlives the process that
 * mapped it, as a shared mapping does when its process is killed; a machine that is switched off loses it.
 */

import {
  type NativeFailure,
  type NativeRegion,
  native,
  type RegionOptions,
  type Scanned,
} from '../../src/native/addon.js';
import type { RegionMemoryPort, Timers } from '../../src/native/ports.js';
import { recordHeaderBytes } from '../../src/store/journal.js';

const pageBytes = 4096;

interface Mapped {
  readonly region: NativeRegion;
  readonly file: string | null;
  readonly headBytes: number;
  readonly segmentBytes: number;
  /** Null once the region is closed. */
  words: { readonly head: Int32Array; readonly segments: readonly Int32Array[] } | null;
}

/** The content of a file. */
interface Contents {
  readonly head: ArrayBuffer;
  readonly segments: readonly ArrayBuffer[];
}

/** The disk of a machine. */
export class SimDisk {
  readonly files = new Map<string, Contents>();
  /** Files that a process has mapped. */
  readonly inUse = new Set<string>();
}

/** The memory of one process. */
export class SimMemory implements RegionMemoryPort {
  /** The newest mapped region that is not closed: the node's. */
  newest: NativeRegion | null = null;
  readonly crc32c = native.crc32c;
  private readonly disk: SimDisk;
  private readonly timers: Timers;
  private readonly slownessMs: number;
  private readonly fails: (call: 'map' | 'wipe') => boolean;
  private readonly regions = new Map<number, Mapped>();
  private lastId = 0;

  /** `slownessMs`: how long it takes to reserve or to wipe memory. `fails`: whether the next call fails. */
  constructor(
    disk: SimDisk,
    timers: Timers,
    slownessMs: number,
    fails: (call: 'map' | 'wipe') => boolean,
  ) {
    this.disk = disk;
    this.timers = timers;
    this.slownessMs = slownessMs;
    this.fails = fails;
  }

  /** The process has ended: its files may be mapped again. */
  end(): void {
    for (const { file } of this.regions.values()) if (file !== null) this.disk.inUse.delete(file);
    this.regions.clear();
    this.newest = null;
  }

  regionOpen(options: RegionOptions): NativeRegion | NativeFailure {
    if (this.fails('map')) return { error: 'ENOMEM', call: 'mmap' };
    const { file, headBytes, segmentBytes } = options;
    const contents = this.contentsOf(options);
    if ('error' in contents) return contents;
    const { head, segments, created } = contents;
    const region: NativeRegion = { id: ++this.lastId, head, segments, created };
    if (file !== null) this.disk.inUse.add(file);
    this.regions.set(region.id, {
      region,
      file,
      headBytes,
      segmentBytes,
      words: {
        head: new Int32Array(head),
        segments: segments.map((segment) => new Int32Array(segment)),
      },
    });
    this.newest = region;
    return region;
  }

  regionOpenLater(
    options: RegionOptions,
    done: (opened: NativeRegion | NativeFailure) => void,
  ): void {
    const opened = this.regionOpen(options);
    this.later(() => done(opened));
  }

  regionWipeLater(id: number, done: (failure: NativeFailure | null) => void): void {
    const words = this.regions.get(id)?.words;
    // A process that has ended still runs to the end of its event, which nobody sees.
    if (words === undefined || words === null) return;
    if (this.fails('wipe')) {
      this.later(() => done({ error: 'EIO', call: 'fallocate' }));
      return;
    }
    // The order is from the end to the superblock, as in the addon.
    for (const segment of words.segments) segment.fill(0);
    words.head.fill(0);
    this.later(() => done(null));
  }

  regionClose(id: number): void {
    const mapped = this.regions.get(id);
    if (mapped === undefined) return;
    this.regions.delete(id);
    if (mapped.file !== null) this.disk.inUse.delete(mapped.file);
    mapped.words = null;
    if (this.newest === mapped.region) this.newest = null;
  }

  regionSync(): NativeFailure | null {
    return null;
  }

  regionApply(id: number, bytes: Uint8Array, offset: number, length: number): number {
    const mapped = this.regions.get(id)!;
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
    const ranges: { readonly to: Uint8Array; readonly from: number; readonly length: number }[] =
      [];
    let at = 0;
    while (at < length) {
      if (length - at < recordHeaderBytes) return -1;
      const target = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
      const size = view.getUint32(at + 8, true);
      const to = size % 4 === 0 && target % 4 === 0 ? placeIn(mapped, target, size) : null;
      if (to === null || at + recordHeaderBytes + size > length) return -1;
      ranges.push({ to, from: offset + at + recordHeaderBytes, length: size });
      at += recordHeaderBytes + size;
    }
    for (const { to, from, length: size } of ranges) to.set(bytes.subarray(from, from + size));
    return ranges.length;
  }

  regionScan(id: number, offset: number, end: number, longest: number, budget: number): Scanned {
    const mapped = this.regions.get(id)!;
    let at = offset;
    let looked = 0;
    while (at < end && looked < budget) {
      const to = Math.min(at + pageBytes, end);
      looked += to - at;
      if (!isZero(mapped, at, to)) break;
      at = to;
    }
    let length = 0;
    let next = at;
    while (next < end && length < longest && (next === at ? looked > 0 : looked < budget)) {
      const to = Math.min(next + pageBytes, end);
      if (isZero(mapped, next, to)) break;
      if (next !== at) looked += to - next;
      length += to - next;
      next = to;
    }
    return { at, length, looked };
  }

  private later(then: () => void): void {
    if (this.slownessMs === 0) this.timers.soon(then);
    else this.timers.after(this.slownessMs, then);
  }

  private contentsOf({
    file,
    discard,
    headBytes,
    pagesBytes,
    segmentBytes,
  }: RegionOptions): (Contents & { readonly created: boolean }) | NativeFailure {
    const found = file === null || discard ? undefined : this.disk.files.get(file);
    if (file !== null && this.disk.inUse.has(file)) return { error: 'EWOULDBLOCK', call: 'flock' };
    if (found !== undefined) {
      const bytes = found.segments.reduce((sum, segment) => sum + segment.byteLength, 0);
      const fits = found.head.byteLength === headBytes && bytes === pagesBytes;
      return fits ? { ...found, created: false } : { error: 'EINVAL', call: 'size' };
    }
    const segments: ArrayBuffer[] = [];
    for (let left = pagesBytes; left > 0; left -= segmentBytes) {
      segments.push(new ArrayBuffer(Math.min(left, segmentBytes)));
    }
    const contents = { head: new ArrayBuffer(headBytes), segments };
    if (file !== null) this.disk.files.set(file, contents);
    return { ...contents, created: true };
  }
}

function placeIn({ words, headBytes, segmentBytes }: Mapped, at: number, size: number) {
  if (words === null) return null;
  if (at < headBytes) {
    return at + size <= headBytes ? new Uint8Array(words.head.buffer, at, size) : null;
  }
  const segment = words.segments[Math.floor((at - headBytes) / segmentBytes)];
  const within = (at - headBytes) % segmentBytes;
  if (segment === undefined || within + size > segment.byteLength) return null;
  return new Uint8Array(segment.buffer, within, size);
}

function isZero(mapped: Mapped, from: number, to: number): boolean {
  const { words, headBytes, segmentBytes } = mapped;
  if (words === null) throw new Error('assertion failed: a closed region is scanned');
  const inHead = from < headBytes;
  const segment = inHead
    ? words.head
    : words.segments[Math.floor((from - headBytes) / segmentBytes)]!;
  const base = inHead ? from : (from - headBytes) % segmentBytes;
  const end = (base + to - from) >>> 2;
  for (let at = base >>> 2; at < end; at++) if (segment[at] !== 0) return false;
  return true;
}
