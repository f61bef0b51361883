/** Whose an address is, whatever its spelling. */
import { expect, test } from '@jest/globals';
import { isOwnAddress, ownAddresses } from '../../src/base/own-addresses.js';

test('the loopback and the interfaces are ours, others are not, and of names nobody knows', () => {
  for (const { address } of ownAddresses()!)
    expect([address, isOwnAddress(address)]).toEqual([address, true]);
  expect(['127.0.0.1', '127.9.9.9'].map((host) => isOwnAddress(host))).toEqual([true, true]);
  // Of blocks that are kept for documents (RFC 5737, RFC 3849).
  expect(['203.0.113.77', '2001:db8::77'].map((host) => isOwnAddress(host))).toEqual([
    false,
    false,
  ]);
  expect(['localhost', 'node-b.example', '', '1.2.3'].map((host) => isOwnAddress(host))).toEqual([
    null,
    null,
    null,
    null,
  ]);
});

test('where the system does not say, only the loopback is known to be ours', () => {
  const refuses = (): never => {
    throw new Error('uv_interface_addresses: EAFNOSUPPORT');
  };
  expect(ownAddresses(refuses)).toBeNull();
  expect(['127.0.0.1', '::1', '203.0.113.77'].map((host) => isOwnAddress(host, refuses))).toEqual([
    true,
    true,
    null,
  ]);
});
