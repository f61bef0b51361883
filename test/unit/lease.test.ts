/** The lease: what an echo confirms, and for how long the copy may be served behind it. */
import { describe, expect, test } from '@jest/globals';
import { StandbyLease } from '../../backup/lease/standby-lease.js';

const ackTimeoutMs = 1000;
const heartbeatMs = 1;
/** Heartbeats that are numbered on the wire before the number begins anew: `count` of a frame has 32 bits. */
const wireNumbers = 2 ** 32;

describe('a lease', () => {
  test('holds for half the ack timeout behind the heartbeat that was echoed, not behind its echo', () => {
    const lease = new StandbyLease(0);
    lease.begin(ackTimeoutMs);
    const beat = lease.beat(1000);
    expect(lease.holds(1001)).toBe(false);
    expect(lease.confirm(beat)).toBe(true);
    expect([lease.holds(1499), lease.holds(1500)]).toEqual([true, false]);
  });

  // 49.7 days at --heartbeat 1: the echo carries the low 32 bits of a number that has more.
  test('goes on when the number of heartbeats no longer fits in the echo', () => {
    const lease = new StandbyLease(wireNumbers - 5);
    lease.begin(ackTimeoutMs);
    let nowMs = 0;
    let unconfirmed = 0;
    for (let i = 0; i < 10; i++) {
      nowMs += heartbeatMs;
      const echo = lease.beat(nowMs) % wireNumbers;
      // The number 0 says on the wire that nothing was heard yet: one heartbeat in 2^32 is not confirmed.
      if (echo === 0) unconfirmed++;
      else expect(lease.confirm(echo)).toBe(true);
      expect(lease.holds(nowMs + ackTimeoutMs / 2 - 2)).toBe(true);
    }
    expect(unconfirmed).toBe(1);
  });

  test('is not confirmed by a number that is none of ours, nor by one that is too old to tell', () => {
    const lease = new StandbyLease(wireNumbers - 5);
    lease.begin(ackTimeoutMs);
    const first = lease.beat(1);
    expect(lease.confirm((first + 1) % wireNumbers)).toBe(false);
    for (let i = 0; i < 2000; i++) lease.beat(2 + i);
    expect(lease.confirm(first)).toBe(false);
    expect(lease.isConfirmed).toBe(false);
  });
});
