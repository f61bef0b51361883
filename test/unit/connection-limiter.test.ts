/** Who has to go when too many strangers are at the link's port. Time is the test's. */
import { describe, expect, test } from '@jest/globals';
import { ConnectionLimiter, neighbourhood } from '../../backup/primary/connection-limiter.js';
import { greetedMs, greetingsMax, greetingsOfAddressMax } from '../../src/base/limits.js';

/** Fills the place with as many of this host as may stay; names them from `first` on. */
function fill(
  limiter: ConnectionLimiter<string>,
  host: string,
  count = greetingsOfAddressMax,
): void {
  for (let i = 0; i < count; i++) expect(limiter.add(`${host}#${i}`, host, i)).toBeNull();
}

describe('of one address too many', () => {
  test('the oldest that has said nothing goes', () => {
    const limiter = new ConnectionLimiter<string>();
    fill(limiter, '10.0.0.1');
    limiter.note('10.0.0.1#0', 'greeted', 100);
    expect(limiter.add('new', '10.0.0.1', 100)).toBe('10.0.0.1#1');
    expect(limiter.size).toBe(greetingsOfAddressMax);
  });

  test('one that was refused goes before', () => {
    const limiter = new ConnectionLimiter<string>();
    fill(limiter, '10.0.0.1');
    limiter.note('10.0.0.1#7', 'refused', 100);
    expect(limiter.add('new', '10.0.0.1', 100)).toBe('10.0.0.1#7');
  });

  test('one that has said hello stays for its time, and the newcomer goes', () => {
    const limiter = new ConnectionLimiter<string>();
    fill(limiter, '10.0.0.1');
    for (let i = 0; i < greetingsOfAddressMax; i++) {
      limiter.note(`10.0.0.1#${i}`, 'greeted', 1000 + i);
    }
    expect(limiter.add('new', '10.0.0.1', 1000 + greetedMs)).toBe('new');
    expect(limiter.size).toBe(greetingsOfAddressMax);
    expect(limiter.add('new', '10.0.0.1', 1001 + greetedMs)).toBe('10.0.0.1#0');
  });

  test('another address has room', () => {
    const limiter = new ConnectionLimiter<string>();
    fill(limiter, '10.0.0.1');
    expect(limiter.add('standby', '10.0.0.2', 100)).toBeNull();
  });
});

describe('of all addresses too many', () => {
  test('one of the address that has most goes, not one that made progress elsewhere', () => {
    const limiter = new ConnectionLimiter<string>();
    expect(limiter.add('standby', '10.0.9.9', 0)).toBeNull();
    limiter.note('standby', 'greeted', 0);
    fill(limiter, '10.0.0.1');
    fill(limiter, '10.0.0.2', greetingsMax - greetingsOfAddressMax - 1);
    expect(limiter.add('new', '10.0.0.3', 10_000)).toBe('10.0.0.1#0');
  });

  test('and each from another: the oldest that is silent goes', () => {
    const limiter = new ConnectionLimiter<string>();
    for (let i = 0; i < greetingsMax; i++) limiter.add(`${i}`, `10.0.1.${i}`, i);
    for (let i = 0; i < greetingsMax - 1; i++) limiter.note(`${i}`, 'greeted', 1000);
    expect(limiter.add('new', '10.0.2.1', 1000)).toBe(`${greetingsMax - 1}`);
  });
});

test('whoever goes by himself makes room', () => {
  const limiter = new ConnectionLimiter<string>();
  fill(limiter, '10.0.0.1');
  limiter.remove('10.0.0.1#3');
  expect(limiter.add('new', '10.0.0.1', 100)).toBeNull();
});

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
])('%s counts as %s', (host, expected) => {
  expect(neighbourhood(host)).toBe(expected);
});
