/** How long an item was idle, and when a delayed flush is due: by a clock that the test sets. */
import { expect, test } from '@jest/globals';
import { geometries } from '../support/region.js';
import { SmallStore } from '../support/small-store.js';

const start = 1_700_000_000;
const daySeconds = 86_400;

test.each([1, 193, 195, 1000])(
  'an item is as old as it was idle, after %d days of uptime',
  (days) => {
    const small = new SmallStore({ geometry: geometries.mixed, now: start });
    const { store } = small;
    small.set('k', 'v');
    store.tick(start + days * daySeconds);
    small.delete('k');
    const again = small.set('k', 'v');
    store.tick(start + days * daySeconds + 60);
    expect(store.secondsIdle(again)).toBe(60);
  },
);

test('a delayed flush kills what exists when it is due, and nothing later', () => {
  const small = new SmallStore({ geometry: geometries.mixed, now: start });
  small.set('before', 'v');
  small.store.flush(start + 2);
  small.store.tick(start + 1);
  small.set('between', 'v');
  expect(small.find('before')).not.toBe(0);
  small.store.tick(start + 2);
  expect([small.find('before'), small.find('between')]).toEqual([0, 0]);
  small.set('after', 'v');
  expect(small.find('after')).not.toBe(0);
});
