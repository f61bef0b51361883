/** Whose an address is, whatever its spelling. */
import { expect, test } from '@jest/globals';
import { isOwnAddress, ownAddresses } from '../../src/interfaces.js';

test('the loopback and the interfaces are ours, others are not, and of names nobody knows', () => {
  for (const { address } of ownAddresses())
    expect([address, isOwnAddress(address)]).toEqual([address, true]);
  expect(['127.0.0.1', '127.9.9.9'].map(isOwnAddress)).toEqual([true, true]);
  // Of blocks that are kept for documents (RFC 5737, RFC 3849).
  expect(['203.0.113.77', '2001:db8::77'].map(isOwnAddress)).toEqual([false, false]);
  expect(['localhost', 'node-b.example', '', '1.2.3'].map(isOwnAddress)).toEqual([
    null,
    null,
    null,
    null,
  ]);
});
