/** Chunks and pages, scene by scene: what is busy is never given away, and what is full makes room as it should. */
import { describe, expect, test } from '@jest/globals';
import { adoptChunksOnDemand, adoptChunksPerRequest } from '../../src/base/limits.js';
import { checkAdopted, checkStore } from '../support/check-store.js';
import { geometries } from '../support/region.js';
import { SmallStore } from '../support/small-store.js';

/** One page of eight chunks, or one. */
const { single, coarse } = geometries;
const chunks = 8;
const wholePage = 400_000;

function full(evict = true): SmallStore {
  const small = new SmallStore({ geometry: single, evict });
  for (let i = 0; i < chunks; i++) small.set(`k${i}`, 10);
  return small;
}

function present(small: SmallStore): string[] {
  return [...small.reader.items().keys()].sort();
}

describe('a pinned chunk', () => {
  test('is not evicted', () => {
    const small = full();
    const pinned = small.find('k0');
    small.store.slabs.pin(pinned);
    for (let i = 0; i < 3 * chunks; i++) small.set(`new${i}`, 10);
    expect(small.find('k0')).toBe(pinned);
    small.store.slabs.unpin(pinned);
    // What is new must be read to push out what is old.
    for (let i = 0; i < 3 * chunks; i++) small.store.hit(small.set(`newer${i}`, 10));
    expect(small.find('k0')).toBe(0);
    checkStore(small.store, small.reader);
  });

  test('is not reused when its item is deleted or replaced, until the last who sends it is done', () => {
    const small = full();
    const { slabs } = small.store;
    const pinned = small.find('k3');
    const bytes = Buffer.from(small.at(pinned, 32, 12));
    slabs.pin(pinned);
    slabs.pin(pinned);
    small.set('k3', 20);
    const taken = new Set<number>();
    for (let i = 0; i < 4 * chunks; i++) taken.add(small.set(`new${i}`, 10));
    slabs.unpin(pinned);
    for (let i = 0; i < 4 * chunks; i++) taken.add(small.set(`newer${i}`, 10));
    expect(taken.has(pinned)).toBe(false);
    expect(Buffer.from(small.at(pinned, 32, 12))).toEqual(bytes);
    checkStore(small.store, small.reader, { reserved: new Set(), pinned: new Set([pinned]) });
    slabs.unpin(pinned);
    expect(slabs.classOf(pinned).freeChunks).toBe(1);
    checkStore(small.store, small.reader);
  });

  test('keeps its page from another class, and so does one whose value is arriving', () => {
    const small = full();
    const pinned = small.find('k0');
    small.store.slabs.pin(pinned);
    expect(small.set('large', wholePage)).toBe(0);
    small.store.slabs.unpin(pinned);
    small.delete('k1');
    const arriving = small.reserve('arrives', 10);
    expect(small.set('large', wholePage)).toBe(0);
    small.store.cancel(arriving);
    expect(small.set('large', wholePage)).not.toBe(0);
    expect(present(small)).toEqual(['large']);
    expect(small.store.mover.moved).toBe(1);
    checkStore(small.store, small.reader);
  });
});

describe('an item that is shielded', () => {
  test('is not evicted for its own successor', () => {
    const small = full();
    const shielded = small.find('k0');
    for (let i = 0; i < 3 * chunks; i++) {
      const ref = small.reserve('k0', 20, shielded);
      expect(small.find('k0')).toBe(shielded);
      small.store.cancel(ref);
    }
  });

  test('keeps its page', () => {
    const small = full();
    expect(small.reserve('k0', wholePage, small.find('k0'))).toBe(0);
    expect(present(small)).toHaveLength(chunks);
  });
});

describe('a full cache', () => {
  test('gives up what was not read before what was read', () => {
    const small = full();
    for (let i = 0; i < chunks; i += 2) small.store.hit(small.find(`k${i}`));
    for (let i = 0; i < chunks / 2; i++) small.set(`new${i}`, 10);
    for (let i = 0; i < chunks; i += 2) expect(small.find(`k${i}`)).not.toBe(0);
    expect(small.store.evictions).toBe(chunks / 2);
    expect(small.store.evictedUnfetched).toBe(chunks / 2);
  });

  test('a scan passes through, and what was given up unread and comes back soon stays', () => {
    const small = new SmallStore({ geometry: geometries.classes });
    let number = 0;
    while (small.store.evictions === 0) small.set(`old${number++}`, 10);
    const old = Array.from({ length: number - 2 }, (_, i) => `old${i + 1}`);
    const left = (): number => old.filter((key) => small.find(key) !== 0).length;
    for (const key of old) if (small.find(key) !== 0) small.store.hit(small.find(key));
    const before = left();
    for (let i = 0; i < 5 * number; i++) small.set(`scan${i}`, 10);
    expect(left()).toBeGreaterThan(0.8 * before);
    // It was never read: of its first set only a fingerprint is left.
    const again = `scan${5 * number - Math.floor(number / 5)}`;
    expect(small.find(again)).toBe(0);
    small.set(again, 10);
    for (let i = 0; i < number; i++) small.set(`another${i}`, 10);
    expect(small.find(again)).not.toBe(0);
  });

  test('with -M refuses, except in the place of what is dead anyway', () => {
    const small = full(false);
    expect(small.set('one more', 10)).toBe(0);
    expect(small.set('large', wholePage)).toBe(0);
    expect(present(small)).toHaveLength(chunks);
    small.store.touch(small.find('k5'), 1001);
    small.store.tick(1001);
    for (let i = 0; i < 3; i++) small.set(`new${i}`, 10);
    expect(small.store.evictions).toBe(0);
    for (let i = 0; i < chunks; i++) if (i !== 5) expect(small.find(`k${i}`)).not.toBe(0);
  });

  test('with -M takes free chunks and unused pages first', () => {
    const small = new SmallStore({ geometry: coarse, evict: false });
    for (let i = 0; i < 32; i++) expect(small.set(`k${i}`, 10)).not.toBe(0);
    expect(small.set('k32', 10)).toBe(0);
    small.delete('k7');
    expect(small.set('k32', 10)).not.toBe(0);
    checkStore(small.store, small.reader);
  });
});

describe('a region that is opened', () => {
  test('is found as it was at every stage of its adoption, whatever is changed meanwhile', () => {
    for (let stage = 0; stage <= 2 * 16; stage++) {
      const first = new SmallStore({ geometry: coarse });
      for (let i = 0; i < 24; i++) first.set(`k${i}`, 10 + i);
      for (let i = 0; i < 24; i += 3) first.delete(`k${i}`);
      const items = first.reader.items();
      const small = first.again();
      const { slabs } = small.store;
      for (let i = 0; i < stage; i++) slabs.adoptSome(1);
      expect(small.reader.items()).toEqual(items);
      checkStore(small.store, small.reader);
      small.delete('k1');
      small.set('k2', 20);
      small.set('new', 20);
      const pinned = small.find('k4');
      slabs.pin(pinned);
      small.delete('k4');
      small.delete('k5');
      checkStore(small.store, small.reader, { reserved: new Set(), pinned: new Set([pinned]) });
      slabs.unpin(pinned);
      checkAdopted(small.store, small.reader);
      expect(small.reader.items().size).toBe(items.size - 2);
    }
  });

  test('full, makes room without looking at all of it first', () => {
    for (const evict of [true, false]) {
      const first = new SmallStore({ geometry: geometries.classes });
      let number = 0;
      while (first.store.evictions === 0) first.set(`k${number++}`, 10);
      const small = first.again({ evict });
      const { slabs } = small.store;
      const refs = new Set<number>();
      for (let i = 0; i < 3; i++) refs.add(small.set(`new${i}`, 10));
      if (evict) {
        expect(refs.size).toBe(3);
        expect(refs.has(0)).toBe(false);
        expect(small.store.evictions).toBe(3);
        expect(slabs.unadoptedPages).toBe(4);
        checkStore(small.store, small.reader);
      } else {
        // Only what was looked at may be said to be full.
        expect([...refs]).toEqual([0]);
        expect(slabs.unadoptedPages).toBe(0);
      }
      checkAdopted(small.store, small.reader);
    }
  });

  test('with -M finds a chunk that is free wherever it is', () => {
    const first = new SmallStore({ geometry: geometries.classes, evict: false });
    let number = 0;
    while (first.set(`k${number}`, 10) !== 0) number++;
    for (const freed of [0, number - 1, Math.floor(number / 2)]) {
      first.delete(`k${freed}`);
      const small = first.again({ evict: false });
      expect(small.set(`k${freed}`, 10)).not.toBe(0);
      checkAdopted(small.store, small.reader);
    }
  });

  // The first set looked at all of a full class: 480 ms with -m 128.
  test('with -M looks at so many chunks for a set and no more', () => {
    const geometry = { ...geometries.classes, chunkMin: 48, growthFactor: 1.25 };
    const first = new SmallStore({ geometry, evict: false });
    let number = 0;
    while (first.set(`k${number}`, 10) !== 0) number++;
    first.delete('k0');
    const small = first.again({ evict: false });
    const { slabs } = small.store;
    const known = () => {
      const class1 = slabs.classes[1]!;
      return class1.pages.reduce((sum, page) => sum + class1.perPage - slabs.firstKnown(page), 0);
    };
    let refused = 0;
    for (let before = 0; small.set('new', 10) === 0; before = known(), refused++) {
      expect(known() - before).toBeGreaterThan(0);
      expect(known() - before).toBeLessThanOrEqual(adoptChunksPerRequest + adoptChunksOnDemand);
    }
    expect(refused).toBeGreaterThan(number / (2 * adoptChunksPerRequest));
    checkAdopted(small.store, small.reader);
  });

  test('gives a chunk whose value was arriving to the next who asks', () => {
    const first = new SmallStore({ geometry: single });
    for (let i = 0; i < chunks; i++) first.reserve(`k${i}`, 10);
    const small = first.again();
    expect(small.store.slabs.adoptSome(3)).toBe(false);
    for (let i = 0; i < chunks; i++) expect(small.set(`k${i}`, 10)).not.toBe(0);
    expect(small.store.evictions).toBe(0);
    checkAdopted(small.store, small.reader);
  });
});

test('refs above 2^31 work like all others', () => {
  // 17 GiB of memory that is never touched, but for its last pages: the page table says that the others are taken.
  const geometry = { ...single, pageBytes: 2 ** 20, pageCount: 17 * 1024, itemBytesMax: 2 ** 20 };
  const scene = new SmallStore({ geometry });
  new Uint8Array(scene.memory.head, 4096, geometry.pageCount - 3).fill(1);
  const small = scene.again();
  const refs = new Set<number>();
  for (let i = 0; i < 40; i++) refs.add(small.set(`k${i}`, 10 + i) >>> 0);
  expect(refs.size).toBe(40);
  for (const ref of refs) expect(ref).toBeGreaterThan(2 ** 31);
  for (let i = 0; i < 40; i += 2) small.delete(`k${i}`);
  for (let i = 1; i < 40; i += 4) small.set(`k${i}`, 100 + i);
  for (let i = 0; i < 40; i++) {
    const length = i % 2 === 0 ? null : i % 4 === 1 ? 100 + i : 10 + i;
    expect(small.get(`k${i}`)?.length ?? null).toBe(length);
  }
  const { slabs } = small.store;
  const ref = small.find('k1');
  const page = small.region.pageOf(ref);
  expect(slabs.refOf(page, slabs.chunkOf(ref, slabs.classOf(ref)), slabs.classOf(ref))).toBe(ref);
  const again = small.again();
  for (let last = geometry.pageCount - 3; last < geometry.pageCount; last++) {
    again.store.slabs.adopt(last);
  }
  expect(again.store.slabs.classes.reduce((sum, one) => sum + one.items, 0)).toBe(20);
});
