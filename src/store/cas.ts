/**
 * The CAS id that a client sees: the one in the item's header, unless a client chose an id. A chosen id stands behind
 * the value (layout.ts); the one in the header then only says whether the item is older than a flush.
 */
import {
  CAS_HIGH,
  CAS_LOW,
  headerBytes,
  ItemBit,
  KEY_AND_BITS,
  keyLengthMask,
  VALUE_LENGTH,
} from './layout.js';
import type { Region } from './region.js';

/** A u64 in two halves, each of which may be signed. */
export interface CasId {
  readonly low: number;
  readonly high: number;
}

/** The lower half of an item's CAS id, signed. */
export function casLow(region: Region, ref: number): number {
  const words = region.wordsOf(ref);
  const index = region.indexOf(ref);
  if ((words[index + KEY_AND_BITS]! & ItemBit.EXPLICIT) === 0) return words[index + CAS_LOW]!;
  return viewOf(region, ref).getInt32(behindValue(region, ref), true);
}

/** The upper half of an item's CAS id, signed. */
export function casHigh(region: Region, ref: number): number {
  const words = region.wordsOf(ref);
  const index = region.indexOf(ref);
  if ((words[index + KEY_AND_BITS]! & ItemBit.EXPLICIT) === 0) return words[index + CAS_HIGH]!;
  return viewOf(region, ref).getInt32(behindValue(region, ref) + 4, true);
}

/** True when the item has this CAS id. */
export function hasCas(region: Region, ref: number, low: number, high: number): boolean {
  return casLow(region, ref) === low && casHigh(region, ref) === high;
}

/**
 * Writes the CAS id that a client chose into a chunk that nothing refers to yet, and whose lengths and bits are set.
 */
export function putExplicitCas(region: Region, ref: number, { low, high }: CasId): void {
  const view = viewOf(region, ref);
  const at = behindValue(region, ref);
  view.setInt32(at, low, true);
  view.setInt32(at + 4, high, true);
}

function behindValue(region: Region, ref: number): number {
  const words = region.wordsOf(ref);
  const index = region.indexOf(ref);
  const keyLength = words[index + KEY_AND_BITS]! & keyLengthMask;
  return index * 4 + headerBytes + keyLength + words[index + VALUE_LENGTH]!;
}

function viewOf(region: Region, ref: number): DataView {
  return region.views[(ref - 1) >>> region.segmentShift]!;
}
