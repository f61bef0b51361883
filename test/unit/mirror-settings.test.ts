/** Where standbys attach: what a node says of itself, and what is made of it by those who see it. */
import { describe, expect, test } from '@jest/globals';
import { hostOf } from '../../backup/channel/channel.js';
import { advertisedLink, type MirrorSettings, seenLink } from '../../backup/mirror-settings.js';
import { address, addressText } from '../../src/flags/settings.js';

test.each([
  ['10.0.0.2', 7, '10.0.0.2:7'],
  ['::1', 0, '[::1]:0'],
])('%s and %i are written so that they can be read again', (host, port, text) => {
  expect(addressText(host, port)).toBe(text);
  expect(address(text, 1)).toEqual({ host, port });
});

describe('a link', () => {
  test.each([
    [null, null],
    [{ host: '10.0.0.2', port: 0 }, null],
    [{ host: '10.0.0.2', port: 7 }, '10.0.0.2:7'],
    [{ host: 'fe80::1', port: 7 }, '[fe80::1]:7'],
    [{ host: '0.0.0.0', port: 7 }, '0.0.0.0:7'],
  ])('%j is told as %s', (linkListen, told) => {
    expect(advertisedLink({ linkListen } as MirrorSettings)).toBe(told);
  });

  test.each([
    [null, 'tcp:10.0.0.2:4711', null],
    ['10.0.0.9:7', 'tcp:10.0.0.2:4711', '10.0.0.9:7'],
    ['0.0.0.0:7', 'tcp:10.0.0.2:4711', '10.0.0.2:7'],
    ['[::]:7', 'tcp6:[fe80::1]:4711', '[fe80::1]:7'],
    // Nobody listens there: the other family has listeners of its own.
    ['[::]:7', 'tcp:10.0.0.2:4711', null],
    ['0.0.0.0:7', 'tcp6:[fe80::1]:4711', null],
    ['0.0.0.0:7', '', null],
  ])('%s of a peer at %s is %s', (link, peer, seen) => {
    expect(seenLink(link, peer)).toBe(seen);
  });
});

test.each([
  ['tcp:10.0.0.2:4711', '10.0.0.2'],
  ['tcp6:[fe80::1]:4711', 'fe80::1'],
  ['unix:/run/cache.sock', ''],
  ['', ''],
])('the host of %s is %s', (address, host) => {
  expect(hostOf(address)).toBe(host);
});
