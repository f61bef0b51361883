/** What a standby makes of a connection that it cannot open. */
import { constants } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { isHint, unopened, unreachable } from '../../failover/losses.js';
import { step } from '../../failover/role.js';
import { systemReason } from '../../src/base/errors.js';

const { ECONNREFUSED, ECONNRESET, EHOSTUNREACH } = constants.errno;

describe('a primary that is connected to anew', () => {
  test('and resets the connection is knocked at again at once: its listener is being closed', () => {
    const event = unopened(ECONNRESET, 'reconnecting', true);
    expect(step('reconnecting', event)).toEqual({ next: 'reconnecting', actions: ['attach'] });
  });

  test('and refuses on this machine it is dead', () => {
    const event = unopened(ECONNREFUSED, 'reconnecting', true);
    expect(step('reconnecting', event)).toEqual({ next: 'fencing', actions: ['fence'] });
  });

  // A firewall refuses as well, as do a balancer without back ends and a port forward that restarts.
  test('and refuses on another machine is tried again: that is no proof, but a hint', () => {
    const event = unopened(ECONNREFUSED, 'reconnecting', false);
    expect(step('reconnecting', event)).toEqual({
      next: 'reconnecting',
      actions: ['attachLater'],
    });
    expect([isHint(ECONNREFUSED), isHint(EHOSTUNREACH)]).toEqual([true, false]);
  });

  test('and cannot be reached is waited for until its silence is long enough', () => {
    const event = unopened(EHOSTUNREACH, 'reconnecting', true);
    expect(step('reconnecting', event)).toEqual({
      next: 'reconnecting',
      actions: ['attachLater'],
    });
  });
});

test('a reset of the first connection is waited for as any other failure', () => {
  expect(unopened(ECONNRESET, 'attaching', true)).toBe('unreachable');
  expect(step('attaching', 'unreachable')).toEqual({
    next: 'attaching',
    actions: ['attachLater'],
  });
});

test('errors of the system are told by their sentence and name, not by their number', () => {
  expect(unreachable('a:1', EHOSTUNREACH).message).toBe(
    'cannot reach the primary at a:1: host is unreachable (EHOSTUNREACH)',
  );
  expect(systemReason('ENOSPC')).toBe('no space left on device (ENOSPC)');
  expect(systemReason(99_999)).toBe('system error 99999');
});
