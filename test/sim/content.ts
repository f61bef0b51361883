/** The content of a simulated node's memory, read from its bytes alone. */
import type { NativeRegion } from '../../src/native/addon.js';
import { headBytes, SuperWord, superblockBytes } from '../../src/store/layout.js';
import { epochOf, identityOf, inspect } from '../../src/store/superblock.js';
import { RegionReader } from '../support/check-store.js';

export interface Content {
  readonly epoch: number;
  readonly cache: string;
  /** The number that each key holds. */
  readonly values: ReadonlyMap<string, number>;
}

/** The content, or null when there is no whole region. */
export function contentOf(memory: NativeRegion): Content | null {
  const head = new Int32Array(memory.head);
  const found = inspect(head);
  if (found.kind !== 'region') return null;
  const values = new Map<string, number>();
  for (const [key, { value }] of new RegionReader(memory, found.geometry).items()) {
    values.set(key, Number(Buffer.from(value).toString()));
  }
  return { epoch: epochOf(head), cache: identityOf(head), values };
}

/**
 * The first byte in which two regions differ, or -1. The node's own half of the superblock may differ, and pages
 * without a class are empty, so both are left out.
 */
export function difference(one: NativeRegion, other: NativeRegion): number {
  const head = new Int32Array(one.head);
  const found = inspect(head);
  if (found.kind !== 'region') return 0;
  const { geometry } = found;
  const own = SuperWord.NODE * 4;
  for (const [from, to] of [
    [0, own],
    [superblockBytes, headBytes(geometry)],
  ] as const) {
    const at = differs(one.head, other.head, from, to);
    if (at >= 0) return at;
  }
  const { pageTable } = new RegionReader(one, geometry);
  for (let page = 0; page < geometry.pageCount; page++) {
    if (pageTable[page] === 0) continue;
    const from = page * geometry.pageBytes;
    const at = differs(one.segments[0]!, other.segments[0]!, from, from + geometry.pageBytes);
    if (at >= 0) return headBytes(geometry) + at;
  }
  return -1;
}

function differs(one: ArrayBuffer, other: ArrayBuffer, from: number, to: number): number {
  const a = Buffer.from(one, from, to - from);
  const b = Buffer.from(other, from, to - from);
  if (a.equals(b)) return -1;
  return from + a.findIndex((byte, at) => byte !== b[at]);
}
