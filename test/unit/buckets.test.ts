/** Chains: keys that share a hash are told apart by their bytes, and unlinking one leaves the others. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { WAIT } from '../../src/store/reservation.js';
import { geometries } from '../support/region.js';
import { SmallStore } from '../support/small-store.js';

/** Every key has this hash, as keys may that nobody chose. */
const hash = 0x5eed;
const bytes = Buffer.alloc(512);
const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

function find(small: SmallStore, key: string): number {
  // What follows the key in the input must not matter.
  const length = bytes.fill(0x7a).write(key, 1, 'latin1');
  return small.store.find(view, 1, length, hash);
}

function set(small: SmallStore, key: string): number {
  const length = bytes.fill(0x79).write(key, 1, 'latin1');
  const ref = small.store.reserve(view, 1, length, hash, 4, 0);
  if (ref === WAIT) throw new Error('the store lets a value wait');
  small.at(ref, 32 + length, 4).fill(0x41);
  small.store.commit(ref, small.store.findLike(ref), 0, 0);
  return ref;
}

test('keys with the same hash are told apart by every byte and by their length', () => {
  const small = new SmallStore({ geometry: geometries.classes });
  const keys: string[] = [];
  for (let length = 1; length <= 13; length++) {
    keys.push('a'.repeat(length), 'A'.repeat(length));
    for (let at = 0; at < length; at++) {
      keys.push(`${'a'.repeat(at)}b${'a'.repeat(length - at - 1)}`);
    }
  }
  const refs = new Map(keys.map((key) => [key, set(small, key)]));
  expect(new Set(refs.values()).size).toBe(keys.length);
  for (const [key, ref] of refs) expect(find(small, key)).toBe(ref);
  expect(find(small, 'aaaaaaaaaaaaaa')).toBe(0);
});

test('in one chain items are replaced and unlinked at its head, its end and between', () => {
  const key = fc.constantFrom('a', 'ab', 'abc', 'abcd', 'abcde');
  const step = fc.record({ key, unlinks: fc.boolean() });
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const small = new SmallStore({ geometry: geometries.single });
    const refs = new Map<string, number>();
    for (const one of steps) {
      if (!one.unlinks) refs.set(one.key, set(small, one.key));
      else if (refs.delete(one.key)) small.store.unlink(find(small, one.key));
      for (const each of ['a', 'ab', 'abc', 'abcd', 'abcde']) {
        expect(find(small, each)).toBe(refs.get(each) ?? 0);
      }
    }
  });
  fc.assert(property);
});
