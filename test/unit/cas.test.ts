/** CAS ids that a client chose: flushes, reopening and moves of the item, and what comes after it. */
import { describe, expect, test } from '@jest/globals';
import { type CasId, casHigh, casLow } from '../../src/store/cas.js';
import { checkAdopted } from '../support/check-store.js';
import { geometries } from '../support/region.js';
import { SmallStore } from '../support/small-store.js';

const largest: CasId = { low: -1, high: -1 };
const smallest: CasId = { low: 0, high: 0 };
const geometry = geometries.coarse;

/** Sets a key with a CAS id of the client's. */
function choose(scene: SmallStore, key: string, value: string, id: CasId): void {
  const ref = scene.reserve(key, value, 0, id);
  scene.store.commit(ref, scene.store.findLike(ref), 0, 0);
}

/** The id that a client sees of a key. */
function seen(scene: SmallStore, key: string): CasId {
  const ref = scene.find(key);
  return { low: casLow(scene.region, ref), high: casHigh(scene.region, ref) };
}

describe('a CAS id that a client chose', () => {
  test.each(['', 'v', 'value', 'x'.repeat(400)])('is seen, and the value is whole: %j', (value) => {
    const scene = new SmallStore({ geometry });
    choose(scene, 'key', value, largest);
    expect(seen(scene, 'key')).toEqual(largest);
    expect(scene.get('key')).toBe(value);
  });

  test('saves no item from a flush, and drags none into it', () => {
    const scene = new SmallStore({ geometry });
    choose(scene, 'high', 'v', largest);
    choose(scene, 'low', 'v', smallest);
    scene.store.flush(0);
    choose(scene, 'later', 'v', smallest);
    expect([scene.get('high'), scene.get('low'), scene.get('later')]).toEqual([null, null, 'v']);
    const again = scene.again();
    expect([again.get('high'), again.get('low'), again.get('later')]).toEqual([null, null, 'v']);
  });

  test('is there when the region is opened again, and the counter goes on as if there was none', () => {
    const scene = new SmallStore({ geometry });
    choose(scene, 'chosen', 'v', largest);
    scene.set('own', 'v');
    const last = scene.cas('own');
    const again = scene.again();
    expect(seen(again, 'chosen')).toEqual(largest);
    again.set('chosen', 'w');
    expect(again.cas('chosen')).toBeGreaterThan(last);
    expect(seen(again, 'chosen')).toEqual({ low: again.cas('chosen'), high: 0 });
    checkAdopted(again.store, again.reader);
  });

  test('moves with its item', () => {
    const scene = new SmallStore({ geometry });
    choose(scene, 'key', 'value', largest);
    const ref = scene.find('key');
    const fresh = scene.store.slabs.take(scene.store.slabs.classOf(ref));
    scene.store.relocate(ref, fresh);
    expect(scene.find('key')).toBe(fresh);
    expect(seen(scene, 'key')).toEqual(largest);
    expect(scene.get('key')).toBe('value');
    checkAdopted(scene.store, scene.reader);
  });
});
