/** The cache's time: a step of the wall clock ended, or prolonged, every TTL, and stopped the crawler and the mover. */
import { expect, test } from '@jest/globals';
import { CacheClock } from '../../src/server/cache-clock.js';
import { NodeWord, SuperWord } from '../../src/store/layout.js';
import { Upkeep } from '../../src/store/upkeep.js';
import { copyMemory, geometries } from '../support/region.js';
import { SmallStore } from '../support/small-store.js';

const hourMs = 3_600_000;

/** Clocks that a test sets. */
class Clocks {
  /** Of the clock that does not step. */
  nowMs = 5_000;
  wallMs = 1_700_000_000_400;

  pass(ms: number): void {
    this.nowMs += ms;
    this.wallMs += ms;
  }

  line(scene: SmallStore, origin: 'here' | 'primary' = 'here'): CacheClock {
    return new CacheClock(scene.region, origin, this.nowMs, () => this.wallMs);
  }
}

test.each([hourMs, -hourMs])('a wall clock that steps by %i ms changes no TTL', (stepMs) => {
  const clocks = new Clocks();
  const scene = new SmallStore({ geometry: geometries.coarse });
  const line = clocks.line(scene);
  const begun = line.at(clocks.nowMs);
  expect(begun).toBe(1_700_000_000);
  scene.store.tick(begun);
  scene.set('k', 'v', begun + 100);
  clocks.wallMs += stepMs;
  clocks.pass(98_000);
  scene.store.tick(line.at(clocks.nowMs));
  expect(scene.get('k')).toBe('v');
  clocks.pass(2_000);
  scene.store.tick(line.at(clocks.nowMs));
  expect(scene.get('k')).toBeNull();
});

test('a crawler goes on when the wall clock steps back', () => {
  const clocks = new Clocks();
  const scene = new SmallStore({ geometry: geometries.coarse });
  const line = clocks.line(scene);
  const { store } = scene;
  store.tick(line.at(clocks.nowMs));
  scene.set('k', 'v', store.now + 10);
  const upkeep = new Upkeep(store);
  clocks.wallMs -= hourMs;
  for (let second = 0; second < 200; second++) {
    clocks.pass(1000);
    store.tick(line.at(clocks.nowMs));
    upkeep.work();
  }
  expect(store.crawlerReclaimed).toBe(1);
});

test('an heir with another wall clock goes on with the time of its primary', () => {
  const clocks = new Clocks();
  const scene = new SmallStore({ geometry: geometries.coarse });
  const line = clocks.line(scene);
  clocks.pass(7_000);
  const reached = line.at(clocks.nowMs);
  const copy = new SmallStore({ geometry: geometries.coarse, memory: copyMemory(scene.memory) });
  const elsewhere = new Clocks();
  elsewhere.wallMs += 24 * hourMs;
  elsewhere.nowMs = 77;
  // What was dead stays dead: it begins at the end of the second that the primary has told.
  expect(elsewhere.line(copy, 'primary').at(elsewhere.nowMs)).toBe(reached + 1);
});

test('a memory file that is opened again later has lived on', () => {
  const clocks = new Clocks();
  const scene = new SmallStore({ geometry: geometries.coarse });
  const line = clocks.line(scene);
  // A step, and then an hour without a node.
  clocks.wallMs += hourMs;
  clocks.pass(10_000);
  const reached = line.at(clocks.nowMs);
  clocks.pass(hourMs);
  expect(clocks.line(scene).at(clocks.nowMs)).toBe(reached + 3600);
  // The wall clock was set back meanwhile: time stands still, but never goes back.
  clocks.wallMs -= 5 * hourMs;
  const last = scene.region.head[SuperWord.TIME]!;
  expect(clocks.line(scene).at(clocks.nowMs)).toBe(last);
});

test('a file of a node that wrote no time is as old as the wall clock says', () => {
  const clocks = new Clocks();
  const scene = new SmallStore({ geometry: geometries.coarse });
  expect(scene.region.head[SuperWord.TIME]).toBe(0);
  expect(scene.region.head[SuperWord.NODE + NodeWord.WALL]).toBe(0);
  expect(clocks.line(scene).at(clocks.nowMs)).toBe(1_700_000_000);
});

test('time is told to the mirror once a second', () => {
  const clocks = new Clocks();
  const scene = new SmallStore({ geometry: geometries.coarse });
  const line = clocks.line(scene);
  line.at(clocks.nowMs);
  scene.journal.active = true;
  for (let tick = 0; tick < 20; tick++) {
    clocks.pass(100);
    line.at(clocks.nowMs);
  }
  expect(scene.journal.count).toBe(2);
});
