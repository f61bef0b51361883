/** The ring of ack latencies: the newest of them, in the order in which they came. */
import { expect, test } from '@jest/globals';
import { Latencies } from '../../backup/primary/latency.js';
import { UnackedBatches } from '../../backup/primary/unacked-batches.js';
import { latenciesKept } from '../../src/base/limits.js';

test('none, some, and more than are kept', () => {
  const latencies = new Latencies();
  expect(latencies.newest()).toHaveLength(0);
  // Whole ns are cut off.
  const ns = (number: number): number => (number + 0.5) / 1e6;
  for (let i = 1; i <= 3; i++) latencies.add(ns(i));
  expect([...latencies.newest()]).toEqual([1, 2, 3]);
  for (let i = 4; i <= latenciesKept + 2; i++) latencies.add(ns(i));
  const newest = latencies.newest();
  expect(newest).toHaveLength(latenciesKept);
  expect(newest[0]).toBe(3);
  expect(newest.at(-1)).toBe(latenciesKept + 2);
  expect(newest.every((value, at) => at === 0 || value === newest[at - 1]! + 1)).toBe(true);
});

test('the longest wait is that for an ack, or for that nobody waits any more', () => {
  const unacked = new UnackedBatches(7);
  unacked.commit(100, 0);
  unacked.commit(200, 0);
  expect(unacked.ack(8, 105)).toBe(true);
  expect(unacked.longestMs).toBe(5);
  unacked.forget(700);
  expect([unacked.longestMs, unacked.isEmpty]).toEqual([500, true]);
  unacked.forget(9000);
  expect(unacked.longestMs).toBe(500);
});
