/** What a standby makes of a connection that it cannot open. */
import { constants } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { connectFailure, unreachable } from '../../failover/link-errors.js';
import type { Observation } from '../../failover/observation.js';
import { decide, firstRole, type Role } from '../../failover/role.js';
import { systemReason } from '../../src/base/errors.js';

const { ECONNREFUSED, ECONNRESET, EHOSTUNREACH } = constants.errno;

const terms = { isSupervised: false, standbysMost: 1, deadAfterMs: 100 };
const looking = firstRole('looking', terms);
const reconnecting: Role = { ...looking, state: 'reconnecting' };

function become(role: Role, seen: Observation): Role & { readonly actions: readonly string[] } {
  const decided = decide(role, seen, 50);
  return { ...decided.role, actions: decided.actions };
}

describe('a primary that is connected to anew', () => {
  test('and resets the connection is knocked at again at once: its listener is being closed', () => {
    expect(become(reconnecting, connectFailure(ECONNRESET, true))).toMatchObject({
      state: 'reconnecting',
      actions: ['attach'],
    });
  });

  test('and refuses on this machine it is dead', () => {
    expect(become(reconnecting, connectFailure(ECONNREFUSED, true))).toMatchObject({
      state: 'fencing',
      actions: ['revoke'],
    });
  });

  // A firewall refuses as well, as do a balancer without back ends and a port forward that restarts.
  test('and refuses on another machine is tried again: that is no proof, and shortens nothing', () => {
    expect(become(reconnecting, connectFailure(ECONNREFUSED, false))).toMatchObject({
      state: 'reconnecting',
      actions: ['attachLater'],
    });
  });

  test('and cannot be reached is waited for until its silence is long enough', () => {
    expect(become(reconnecting, connectFailure(EHOSTUNREACH, true))).toMatchObject({
      state: 'reconnecting',
      actions: ['attachLater'],
    });
  });
});

test('a reset of the first connection is waited for as any other failure', () => {
  expect(become(looking, connectFailure(ECONNRESET, true))).toMatchObject({
    state: 'looking',
    actions: ['lookElsewhere', 'attachLater'],
  });
});

test('errors of the system are told by their sentence and name, not by their number', () => {
  expect(unreachable('a:1', EHOSTUNREACH).message).toBe(
    'cannot reach the primary at a:1: host is unreachable (EHOSTUNREACH)',
  );
  expect(systemReason('ENOSPC')).toBe('no space left on device (ENOSPC)');
  expect(systemReason(99_999)).toBe('system error 99999');
});
