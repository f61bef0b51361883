/**
 * A full copy of the region while it is being served: the head of the region and every used page, block by block.
 * Batches flow at the same time, in order after the blocks they touch, so the copy converges. Clients share the loop
 * with the copy, so only a few blocks are on their way at once.
 *
 * The copy starts as zeroes, so pages of 4 KiB that are all zero are passed over. The kernel knows which were never
 * written; all others are read. No call reads more than its budget, whatever the region holds
 * (docs/decisions/sparse-resync.md).
 */

import * as limits from '../../src/base/limits.js';
import type { Scanned } from '../../src/native/addon.js';
import type { Ports } from '../../src/native/ports.js';
import { headBytes, SuperWord, superblockBytes } from '../../src/store/layout.js';
import type { Region } from '../../src/store/region.js';
import type { Link } from '../link/link.js';

/** Progress is logged of copies of at least this size only; smaller ones are done before anybody reads the line. */
const loggedBytesLeast = 64 * 2 ** 20;

type ResyncPorts = Pick<Ports, 'clock' | 'memory'>;

export class Resync {
  /** Bytes of the region that were copied or passed over, of so many in all, as counted at the start. */
  doneBytes = 0;
  readonly totalBytes: number;
  blocksSent = 0;
  /** True when no block is left to send. */
  isSent = false;
  /** True until the next turn of the loop: `proceed` looks once a turn, however many acks come. */
  waitsForTurn = false;
  /** Bytes that were read in all, and the most in one call. */
  lookedBytes = 0;
  lookedBytesMost = 0;
  private quarter = 0;
  /** The region's number in the addon. */
  private readonly regionId: number;
  private readonly ports: ResyncPorts;
  private readonly extents: Iterator<readonly [from: number, to: number]>;
  /** The rest of the extent that is being copied. */
  private at = 0;
  private end = 0;
  /** Lengths of the blocks that are on their way. */
  private readonly lengths: number[] = [];
  private bytesInFlight = 0;

  constructor(region: Region, regionId: number, ports: ResyncPorts) {
    this.regionId = regionId;
    this.ports = ports;
    const { geometry } = region;
    // The pages that had a class when the copy began. A page that gets its class later is filled by batches alone.
    const classes = region.pageTable.slice();
    let used = 0;
    for (const slabClass of classes) if (slabClass !== 0) used++;
    this.totalBytes = headBytes(geometry) + used * geometry.pageBytes;
    this.extents = extentsOf(region, classes);
  }

  /** Percent of the copy that is done, when another quarter is; null in between and for small copies. For the log. */
  passedQuarter(): number | null {
    const quarter = Math.floor((this.doneBytes / this.totalBytes) * 4);
    if (this.totalBytes < loggedBytesLeast || quarter <= this.quarter || quarter === 4) return null;
    this.quarter = quarter;
    return quarter * 25;
  }

  /**
   * Looks for blocks that are not zero and sends them, until enough is on its way. True when the budget of this call
   * was spent before: the next turn of the loop goes on.
   */
  proceed(link: Link, epoch: number, blocksAcked: number): boolean {
    this.settle(blocksAcked);
    const endMs = this.ports.clock() + limits.lookMsMax;
    let spent = 0;
    let looked = 0;
    while (!this.isSent && this.mayGoOn()) {
      if (spent >= limits.lookBytesMax || this.ports.clock() > endMs) break;
      if (this.at === this.end && !this.nextExtent()) break;
      const found = this.look(limits.lookBytesMax - spent);
      looked += found.looked;
      spent += Math.max(found.looked, limits.lookBytesLeast);
      this.doneBytes += found.at + found.length - this.at;
      this.at = found.at + found.length;
      if (found.length > 0) this.send(link, epoch, found.at, found.length);
    }
    this.lookedBytes += looked;
    this.lookedBytesMost = Math.max(this.lookedBytesMost, looked);
    return !this.isSent && this.mayGoOn();
  }

  private mayGoOn(): boolean {
    const { copyBytesInFlightMax, blocksInFlightMax } = limits;
    return this.bytesInFlight < copyBytesInFlightMax && this.lengths.length < blocksInFlightMax;
  }

  private look(budget: number): Scanned {
    const { regionId, at, end } = this;
    const most = Math.max(limits.lookBytesLeast, budget);
    return this.ports.memory.regionScan(regionId, at, end, limits.blockBytes, most);
  }

  private send(link: Link, epoch: number, offset: number, length: number): void {
    link.sendBlock(offset, length, epoch);
    this.blocksSent++;
    this.lengths.push(length);
    this.bytesInFlight += length;
  }

  private settle(blocksAcked: number): void {
    let landed = blocksAcked - (this.blocksSent - this.lengths.length);
    while (landed-- > 0) this.bytesInFlight -= this.lengths.shift() ?? 0;
  }

  private nextExtent(): boolean {
    const next = this.extents.next();
    if (next.done === true) {
      this.isSent = true;
      return false;
    }
    [this.at, this.end] = next.value;
    return true;
  }
}

/** The superblock's mirrored half, the page table and buckets, then the pages that have a class. */
function* extentsOf(region: Region, classes: Uint8Array): Generator<readonly [number, number]> {
  const { geometry, pagesOffset } = region;
  yield [0, SuperWord.NODE * 4];
  yield [superblockBytes, headBytes(geometry)];
  for (let page = 0; page < classes.length; page++) {
    if (classes[page] === 0) continue;
    const start = pagesOffset + page * geometry.pageBytes;
    yield [start, start + geometry.pageBytes];
  }
}
