/** Compares the changes of a command in a region with the changes that the model allows: there must be no others. */
import type { Linked, RegionReader } from './check-store.js';
import type { Ending, Model, Version } from './model.js';

export interface Expected {
  /** How the command ended, by the keys it named. */
  readonly ends: ReadonlyMap<string, Ending>;
  /** The key of a live item that the command itself unlinked. */
  readonly removed: string | null;
  /** Items that must be gone beside it: evicted items, and dead items that the command met. */
  readonly lost: number;
  readonly evicted: number;
}

/** The expectation of a command that changes no item. */
export const nothing: Expected = { ends: new Map(), removed: null, lost: 0, evicted: 0 };

/**
 * Compares the region with the model, item by item, and brings the model up to date. Throws when anything else has
 * changed than expected.
 */
export function reconcile(model: Model, reader: RegionReader, expected: Expected): void {
  const { ends, lost, evicted } = expected;
  let { removed } = expected;
  const linked = reader.items();
  let gone = 0;
  for (const [key, version] of model.items) {
    if (linked.get(key)?.cas === version.cas) continue;
    model.items.delete(key);
    gone++;
    if (key === removed) removed = '';
  }
  if (removed !== null && removed !== '') throw new Error(`${removed} was not unlinked`);
  const direct = removed === null ? 0 : 1;
  if (gone !== lost + direct && !(gone === lost && direct === 1 && evicted > 0)) {
    throw new Error(`${gone} items are gone, ${lost} were counted and ${direct} removed`);
  }
  for (const item of linked.values()) {
    const change = ends.get(item.key)?.change;
    let version = model.items.get(item.key);
    if (change?.is === 'put') {
      if (version !== undefined) throw new Error(`${item.key} was not replaced`);
      if (item.cas <= model.casGiven) throw new Error(`CAS id ${item.cas} is not new`);
      version = { ...change, cas: item.cas };
      model.casGiven = item.cas;
    } else if (change?.is === 'touch' && version !== undefined) {
      version = { ...version, exptime: change.exptime, bits: change.bits };
    }
    if (version === undefined) throw new Error(`${item.key} is linked and should not be`);
    model.items.set(item.key, version);
    sameItem(item, version, change !== undefined);
  }
  for (const [key, { change }] of ends) {
    if (change.is === 'put' && !linked.has(key)) throw new Error(`${key} was not linked`);
  }
}

/** Throws unless the item is this version; the value is compared when it may have changed. */
export function sameItem(item: Linked, version: Version, withValue: boolean): void {
  const { key } = item;
  if (item.cas !== version.cas) throw new Error(`${key} has CAS id ${item.cas}`);
  if (item.explicit !== version.explicit) throw new Error(`${key} shows ${item.explicit}`);
  if (item.flags !== version.flags) throw new Error(`${key} has flags ${item.flags}`);
  if (item.bits !== version.bits) throw new Error(`${key} has bits ${item.bits}`);
  if (item.exptime !== version.exptime) throw new Error(`${key} has exptime ${item.exptime}`);
  if (item.value.length !== version.value.length) {
    throw new Error(`${key} has ${item.value.length} bytes`);
  }
  if (withValue && !same(item.value, version.value)) throw new Error(`${key} has another value`);
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export function asBytes(reply: Ending['reply']): Uint8Array {
  if (typeof reply === 'string') return Buffer.from(reply, 'latin1');
  return Buffer.concat(reply.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
}

export function shown(reply: Ending['reply']): string {
  return Buffer.from(asBytes(reply)).toString('latin1').slice(0, 100);
}
