/** Which TLS handshakes begin, and which connections are ended for others. */
import { describe, expect, test } from '@jest/globals';
import {
  tlsGraceMs,
  tlsHandshakeMs,
  tlsHandshakesMost,
  tlsSilentMost,
} from '../../src/base/limits.js';
import { TlsQueue } from '../../src/net/tls-queue.js';

/** Adds so many connections from this address, named ADDRESS-0 and so on. */
function come(queue: TlsQueue<string>, address: string, count: number, nowMs = 0): string[] {
  const names = Array.from({ length: count }, (_, number) => `${address}-${number}`);
  for (const name of names) expect(queue.add(name, address, nowMs, false)).toBe(null);
  return names;
}

/** As many handshakes as may begin now. */
function begun(queue: TlsQueue<string>, nowMs: number): string[] {
  const names: string[] = [];
  for (let turn = queue.next(nowMs); turn !== null; turn = queue.next(nowMs)) {
    names.push(turn.leaves === null ? turn.begins : `${turn.begins} for ${turn.leaves}`);
  }
  return names;
}

function greeted(queue: TlsQueue<string>, names: readonly string[]): void {
  for (const name of names) queue.greet(name);
}

describe('a handshake', () => {
  test('begins once its hello is whole, in the order of the hellos', () => {
    const queue = new TlsQueue<string>();
    come(queue, 'a', 3);
    greeted(queue, ['a-2', 'a-0']);
    expect(begun(queue, 0)).toEqual(['a-2', 'a-0']);
    expect(queue.isWaiting).toBe(true);
    queue.remove('a-1');
    expect(queue.isWaiting).toBe(false);
  });

  test('waits for its turn, and begins as another is done', () => {
    const queue = new TlsQueue<string>();
    const names = come(queue, 'a', tlsHandshakesMost + 2);
    greeted(queue, names);
    expect(begun(queue, 0)).toEqual(names.slice(0, tlsHandshakesMost));
    expect(begun(queue, tlsGraceMs)).toEqual([]);
    queue.remove('a-5');
    expect(begun(queue, tlsGraceMs)).toEqual([`a-${tlsHandshakesMost}`]);
  });

  test('that takes its time goes for one that waits', () => {
    const queue = new TlsQueue<string>();
    const names = come(queue, 'a', tlsHandshakesMost + 1);
    greeted(queue, names);
    begun(queue, 0);
    expect(begun(queue, tlsGraceMs + 1)).toEqual([`a-${tlsHandshakesMost} for a-0`]);
  });

  test('of an address that has more than its share goes at once for one of another', () => {
    const queue = new TlsQueue<string>();
    greeted(queue, come(queue, 'a', tlsHandshakesMost + 1));
    begun(queue, 0);
    greeted(queue, come(queue, 'b', 2));
    expect(begun(queue, 1)).toEqual(['b-0 for a-0', 'b-1 for a-1']);
    const shared = new TlsQueue<string>();
    for (const address of ['a', 'b']) greeted(shared, come(shared, address, tlsHandshakesMost));
    const both = begun(shared, 0);
    expect(both).toHaveLength(tlsHandshakesMost);
    expect(both.filter((name) => name.startsWith('b'))).toHaveLength(tlsHandshakesMost / 2);
  });
});

describe('a connection without a whole hello', () => {
  test('stays for as long as a handshake may take, alone', () => {
    const queue = new TlsQueue<string>();
    come(queue, 'a', 2);
    expect(queue.late(tlsHandshakeMs)).toBe(null);
    expect(queue.late(tlsHandshakeMs + 1)).toBe('a-0');
    greeted(queue, ['a-1']);
    expect(begun(queue, tlsHandshakeMs + 1)).toEqual(['a-1']);
    expect(queue.late(3 * tlsHandshakeMs)).toBe(null);
  });

  test('is ended earlier where there are many: the oldest of the address that has most', () => {
    const queue = new TlsQueue<string>();
    come(queue, 'b', 1);
    come(queue, 'a', tlsSilentMost);
    expect(queue.late(tlsGraceMs)).toBe(null);
    expect(queue.late(tlsGraceMs + 1)).toBe('a-0');
    expect(queue.late(tlsGraceMs + 1)).toBe(null);
  });

  test('is ended at once where there is no room for a newcomer; or one that waits for its turn', () => {
    const queue = new TlsQueue<string>();
    come(queue, 'b', 1);
    come(queue, 'a', 1, 1);
    expect(queue.add('a-1', 'a', 2, false)).toBe(null);
    expect(queue.add('a-2', 'a', 3, false)).toBe(null);
    greeted(queue, ['a-0', 'a-2']);
    // Of the address that has most of those that wait the one that came first, whatever it has said.
    expect(queue.add('c-0', 'c', 4, true)).toBe('a-0');
    expect(queue.add('c-1', 'c', 4, true)).toBe('a-1');
    expect(queue.add('d-0', 'd', 4, true)).toBe('c-0');
    expect(new TlsQueue<string>().add('c', 'c', 0, true)).toBe(null);
  });
});
