/**
 * What the store does in the background: pages go where they are needed, dead items go, each slice is a little
 * work.
 */
import { describe, expect, test } from '@jest/globals';
import { seizeItemsMost, upkeepLooks } from '../../src/base/limits.js';
import { geometryOf } from '../../src/store/layout.js';
import { ageOf, PageBalancer } from '../../src/store/page-balancer.js';
import { FULL, WAIT } from '../../src/store/reservation.js';
import { Pace, Upkeep } from '../../src/store/upkeep.js';
import { checkStore } from '../support/check-store.js';
import { geometries } from '../support/region.js';
import { SmallStore } from '../support/small-store.js';

const MiB = 2 ** 20;
/** Eight pages of memcached's classes. */
const eight = geometryOf({
  memoryBytes: 8 * MiB,
  itemBytesMax: MiB,
  chunkMin: 48,
  growthFactor: 1.25,
});
const small = 900;
const large = 5_000;

/** All pages hold small items, and there are more of them than fit. */
function fullOfSmall(): SmallStore {
  const scene = new SmallStore({ geometry: eight });
  for (let i = 0; scene.store.evictions < 100; i++) scene.set(`small${i}`, small);
  return scene;
}

function classOf(scene: SmallStore, key: string) {
  return scene.store.slabs.classOf(scene.find(key));
}

/** Works until nothing more is to be done; returns how many slices that took. */
function settle(upkeep: Upkeep): number {
  let slices = 1;
  while (upkeep.work() !== Pace.LATER) {
    slices++;
    if (slices > 100_000) throw new Error('the upkeep does not come to an end');
  }
  return slices;
}

describe('a change of value sizes', () => {
  test('brings the pages to the class that needs them, and stops when ages are alike', () => {
    const scene = fullOfSmall();
    const { store } = scene;
    const upkeep = new Upkeep(store);
    let number = 0;
    for (let second = 0; second < 120; second++) {
      store.tick(store.now + 1);
      for (let i = 0; i < 40; i++) scene.set(`large${number++}`, large);
      settle(upkeep);
    }
    const target = classOf(scene, `large${number - 1}`);
    expect(target.chunkBytes).toBeGreaterThan(large);
    expect(target.pages.length).toBeGreaterThanOrEqual(6);
    expect(store.slabs.unusedPages).toBe(0);
    checkStore(store, scene.reader);
  });

  test('does nothing with automove 0 but for a class that has no page at all', () => {
    const scene = fullOfSmall();
    const { store } = scene;
    const upkeep = new Upkeep(store);
    upkeep.automove = 0;
    for (let i = 0; i < 2000; i++) {
      if (i % 40 === 0) store.tick(store.now + 1);
      expect(scene.set(`large${i}`, large)).not.toBe(0);
      settle(upkeep);
    }
    const pages = store.slabs.classes.map((one) => one.pages.length).filter((count) => count > 0);
    expect(pages.sort()).toEqual([1, 7]);
    checkStore(store, scene.reader);
  });

  test('takes a page from a class that has much free before it asks for ages', () => {
    const scene = fullOfSmall();
    const { store } = scene;
    const donor = classOf(scene, [...scene.reader.items().keys()].at(-1)!);
    let left = 3 * donor.perPage;
    for (const key of scene.reader.items().keys()) if (left-- > 0) scene.delete(key);
    scene.set('large', large);
    for (let i = 0; i < 400; i++) scene.set(`large${i}`, large);
    const balancer = new PageBalancer(store);
    balancer.sample();
    const move = balancer.decide(false);
    expect(move?.from).toBe(donor);
    expect(move?.to).toBe(classOf(scene, 'large399'));
  });
});

describe('moving a page', () => {
  test('keeps what was read, in another chunk and otherwise the same', () => {
    const scene = fullOfSmall();
    const { store } = scene;
    const keys = [...scene.reader.items().keys()].slice(0, 300);
    for (const key of [...keys, ...keys, ...keys]) store.hit(scene.find(key));
    const before = new Map(keys.map((key) => [key, scene.reader.items().get(key)!]));
    const values = new Map([...before].map(([key, { value }]) => [key, Buffer.from(value)]));
    const from = classOf(scene, keys[0]!);
    for (let page = 0; page < 3; page++) {
      expect(store.mover.begin(from, null)).toBe(true);
      while (store.mover.isRunning) store.mover.step(10);
    }
    expect(store.mover.moved).toBe(3);
    expect(store.slabs.unusedPages).toBe(3);
    expect(store.mover.rescues).toBeGreaterThan(0);
    const after = scene.reader.items();
    for (const [key, was] of before) {
      const is = after.get(key);
      expect([key, is?.cas, is?.flags]).toEqual([key, was.cas, was.flags]);
      expect(Buffer.compare(is!.value, values.get(key)!)).toBe(0);
    }
    checkStore(store, scene.reader);
  });

  test('waits for a chunk that is being sent, and gives up after a while', () => {
    const scene = fullOfSmall();
    const { store } = scene;
    const from = classOf(scene, [...scene.reader.items().keys()][0]!);
    const pinned = [...scene.reader.items().values()].map(({ ref }) => ref);
    for (const page of from.pages) {
      store.slabs.pin(pinned.find((ref) => store.region.pageOf(ref) === page)!);
    }
    store.mover.begin(from, null);
    for (let i = 0; i < 100; i++) store.mover.step(upkeepLooks);
    expect(store.mover.isRunning).toBe(true);
    store.tick(store.now + 11);
    for (let i = 0; i < 10; i++) store.mover.step(upkeepLooks);
    expect(store.mover.isRunning).toBe(false);
    expect(store.mover.moved).toBe(0);
    expect(from.pages).toHaveLength(8);
  });

  test('leaves what is being sent where it is', () => {
    const scene = fullOfSmall();
    const { store } = scene;
    const from = classOf(scene, [...scene.reader.items().keys()][0]!);
    store.mover.begin(from, null);
    const page = store.slabs.draining;
    const item = [...scene.reader.items().values()].find(
      ({ ref }) => store.region.pageOf(ref) === page,
    )!;
    const { ref, key } = item;
    for (let hits = 0; hits < 3; hits++) store.hit(ref);
    store.slabs.pin(ref);
    for (let i = 0; i < 100; i++) store.mover.step(upkeepLooks);
    expect(scene.find(key)).toBe(ref | 0);
    store.slabs.unpin(ref);
    for (let i = 0; i < 100; i++) store.mover.step(upkeepLooks);
    expect(scene.find(key)).not.toBe(ref | 0);
    expect(store.mover.moved).toBe(1);
    checkStore(store, scene.reader);
  });

  test('gives up no item for room, of the page itself or being sent: neither makes any', () => {
    const scene = fullOfSmall();
    const { store } = scene;
    const { slabs, eviction, region } = store;
    const from = classOf(scene, [...scene.reader.items().keys()][0]!);
    const page = from.pages.at(-1)!;
    slabs.drain(page);
    // The ring of new items is asked first, and then the hand.
    from.probationShare = 0;
    const left = new Set<number>();
    for (const { ref } of scene.reader.items().values()) {
      if (region.pageOf(ref) === page) continue;
      // All but ten of each page are being sent.
      const kept = slabs.chunkOf(ref, from) < 10;
      if (kept) left.add(ref | 0);
      else slabs.pin(ref);
    }
    const victims = new Set<number>();
    for (let victim = eviction.victim(from, 0); victim !== 0; victim = eviction.victim(from, 0)) {
      expect(left).toContain(victim);
      victims.add(victim);
      store.evict(victim, from);
      expect(slabs.take(from)).toBe(victim);
    }
    expect(victims).toEqual(left);
  });

  test('with -M gives nothing up', () => {
    const scene = new SmallStore({ geometry: eight, evict: false });
    let number = 0;
    while (scene.set(`k${number}`, small) !== 0) number++;
    const from = classOf(scene, 'k0');
    scene.store.mover.begin(from, null);
    for (let i = 0; i < 100; i++) scene.store.mover.step(upkeepLooks);
    expect(scene.store.mover.isRunning).toBe(true);
    expect(scene.reader.items().size).toBe(number);
    for (let i = 0; i < 2 * from.perPage; i++) scene.delete(`k${i}`);
    for (let i = 0; i < 100; i++) scene.store.mover.step(upkeepLooks);
    expect(scene.store.mover.moved).toBe(1);
    expect(scene.reader.items().size).toBe(number - 2 * from.perPage);
    checkStore(scene.store, scene.reader);
  });
});

describe('a class that has nothing', () => {
  test('borrows a chunk of a larger one, and then gets a page', () => {
    const scene = new SmallStore({ geometry: eight });
    for (let i = 0; scene.store.evictions < 10; i++) scene.set(`large${i}`, large);
    const evictions = scene.store.evictions;
    expect(scene.set('small', small)).not.toBe(0);
    expect(scene.store.evictions).toBe(evictions + 1);
    expect(classOf(scene, 'small').chunkBytes).toBeGreaterThan(large);
    const upkeep = new Upkeep(scene.store);
    expect(upkeep.isWanted).toBe(true);
    settle(upkeep);
    scene.set('small', small);
    expect(classOf(scene, 'small').chunkBytes).toBeLessThan(2 * small);
    checkStore(scene.store, scene.reader);
  });

  test('waits, where it can, while a page is emptied for it some items at a time', () => {
    const scene = new SmallStore({ geometry: eight, patient: true });
    const { store } = scene;
    for (let i = 0; store.evictions < 10; i++) scene.set(`tiny${i}`, 10);
    let turns = 1;
    let evictions = store.evictions;
    let answer = scene.trySet('large', 700_000);
    for (; answer === WAIT; answer = scene.trySet('large', 700_000)) {
      expect(store.evictions - evictions).toBe(seizeItemsMost);
      evictions = store.evictions;
      turns++;
    }
    expect(answer).not.toBe(FULL);
    // A page holds 10,922 of them.
    expect(turns).toBe(Math.ceil(10_922 / seizeItemsMost));
    expect(store.mover.moved).toBe(1);
    checkStore(store, scene.reader);
  });
});

describe('the crawler', () => {
  test('unlinks what is dead of the classes it was sent to, a slice at a time', () => {
    const scene = new SmallStore({ geometry: eight });
    const { store } = scene;
    for (let i = 0; i < 3000; i++) scene.set(`small${i}`, small, i % 3 === 0 ? 2000 : 0);
    for (let i = 0; i < 30; i++) scene.set(`large${i}`, large, 2000);
    store.tick(2000);
    const upkeep = new Upkeep(store);
    upkeep.crawl([classOf(scene, 'small1').number]);
    upkeep.work();
    expect(store.crawlerReclaimed).toBeGreaterThan(0);
    expect(store.crawlerReclaimed).toBeLessThanOrEqual(upkeepLooks);
    settle(upkeep);
    expect(store.crawlerReclaimed).toBe(1000);
    expect(store.expiredUnfetched).toBe(1000);
    expect(scene.reader.items().size).toBe(2000 + 30);
    checkStore(store, scene.reader);
  });

  test('goes by itself: soon after a flush, otherwise after a minute and then less often', () => {
    const scene = new SmallStore({ geometry: eight });
    const { store } = scene;
    for (let i = 0; i < 500; i++) scene.set(`k${i}`, small);
    const upkeep = new Upkeep(store);
    const startsAfter = (seconds: number): number => {
      const { starts } = upkeep.crawler;
      for (let second = 0; second < seconds; second++) {
        store.tick(store.now + 1);
        settle(upkeep);
      }
      return upkeep.crawler.starts - starts;
    };
    expect(startsAfter(59)).toBe(0);
    expect(startsAfter(2)).toBe(1);
    expect(startsAfter(118)).toBe(0);
    expect(startsAfter(3)).toBe(1);
    store.flush(store.now);
    expect(startsAfter(1)).toBe(1);
    expect(scene.reader.items().size).toBe(0);
    upkeep.crawler.enabled = false;
    expect(startsAfter(5000)).toBe(0);
  });

  test('looks at no more items of a class than it is told', () => {
    const scene = new SmallStore({ geometry: eight });
    for (let i = 0; i < 500; i++) scene.set(`k${i}`, small, 1500);
    scene.store.tick(1500);
    const upkeep = new Upkeep(scene.store);
    upkeep.crawler.itemsMost = 100;
    upkeep.crawl(range(63));
    settle(upkeep);
    expect(scene.store.crawlerReclaimed).toBe(100);
  });
});

test('the age of a class is that of what goes next', () => {
  const scene = new SmallStore({ geometry: geometries.single });
  for (let i = 0; i < 8; i++) {
    scene.store.tick(1000 + i);
    scene.set(`k${i}`, 10);
  }
  scene.store.tick(1020);
  expect(ageOf(scene.store, classOf(scene, 'k0'))).toBe(20);
  for (let i = 0; i < 8; i++) scene.store.hit(scene.find(`k${i}`));
  scene.store.tick(1023);
  expect(ageOf(scene.store, classOf(scene, 'k0'))).toBe(3);
});

function range(most: number): number[] {
  return Array.from({ length: most }, (_, i) => i + 1);
}
