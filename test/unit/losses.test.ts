/** What a standby makes of a connection that it cannot open. */
import { constants } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { unopened, unreachable } from '../../failover/losses.js';
import { step } from '../../failover/role.js';
import { systemReason } from '../../src/errors.js';

const { ECONNREFUSED, ECONNRESET, EHOSTUNREACH } = constants.errno;

describe('a primary that is connected to anew', () => {
  test('and resets the connection is knocked at again at once: its listener is being closed', () => {
    const event = unopened(ECONNRESET, 'reconnecting');
    expect(step('reconnecting', event)).toEqual({ next: 'reconnecting', actions: ['attach'] });
  });

  test('and refuses it is dead', () => {
    const event = unopened(ECONNREFUSED, 'reconnecting');
    expect(step('reconnecting', event)).toEqual({ next: 'fencing', actions: ['fence'] });
  });

  test('and cannot be reached is waited for until its silence is long enough', () => {
    const event = unopened(EHOSTUNREACH, 'reconnecting');
    expect(step('reconnecting', event)).toEqual({ next: 'reconnecting', actions: [] });
  });
});

test('a reset of the first connection is an error as any other', () => {
  expect(step('attaching', unopened(ECONNRESET, 'attaching')).next).toBe('ended');
  expect(unopened(ECONNRESET, 'attaching')).toBe('unreachable');
});

test('errors of the system are told by their sentence and name, not by their number', () => {
  expect(unreachable('a:1', EHOSTUNREACH).message).toBe(
    'cannot reach the primary at a:1: host is unreachable (EHOSTUNREACH)',
  );
  expect(systemReason('ENOSPC')).toBe('no space left on device (ENOSPC)');
  expect(systemReason(99_999)).toBe('system error 99999');
});
