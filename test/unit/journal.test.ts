/** The journal: what is reported comes out as it was when it was reported, in order, in pieces where it must. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Journal, journalHeadroom, recordHeaderBytes, records } from '../../src/store/journal.js';

const source = Int32Array.from({ length: 4096 }, (_, i) => Math.imul(i + 1, 0x9e3779b1));
const sourceBytes = new Uint8Array(source.buffer);

interface Batch {
  readonly count: number;
  readonly bytes: Uint8Array;
}

function collect(journal: Journal): Batch[] {
  const batches: Batch[] = [];
  journal.active = true;
  journal.onFull = () => {
    batches.push({ count: journal.count, bytes: journal.bytes.slice(0, journal.at) });
    journal.clear();
  };
  return batches;
}

function recordsOf(batches: readonly Batch[]) {
  return batches.flatMap(({ bytes }) => [...records(bytes, journalHeadroom, bytes.length)]);
}

test('ranges of any length come out whole and in order, whatever the journal holds', () => {
  const offset = fc.oneof(fc.nat({ max: 2 ** 20 }), fc.nat({ max: 2 ** 39 })).map((at) => at * 4);
  const report = fc.oneof(
    fc.record({ word: fc.constant(true), offset, length: fc.constant(4), first: fc.nat(4095) }),
    fc.record({
      word: fc.constant(false),
      offset,
      length: fc.nat({ max: 6000 }),
      first: fc.nat(2000),
    }),
  );
  const capacity = fc.integer({ min: 256, max: 2000 }).map((words) => words * 4);
  const property = fc.property(capacity, fc.array(report, { maxLength: 60 }), (bytes, reports) => {
    const journal = new Journal(bytes);
    const batches = collect(journal);
    for (const { word, offset: at, length, first } of reports) {
      if (word) journal.word(at, source[first]!);
      else journal.range(at, length, source, first);
    }
    journal.onFull();
    const all = recordsOf(batches);
    expect(all).toHaveLength(batches.reduce((sum, batch) => sum + batch.count, 0));
    const rest = all[Symbol.iterator]();
    for (const { offset: at, length, first } of reports) {
      const whole = (length + 3) & ~3;
      for (let done = 0; done < whole; ) {
        const { offset: to, payload } = rest.next().value!;
        expect(to).toBe(at + done);
        const expected = sourceBytes.subarray(first * 4 + done, first * 4 + done + payload.length);
        expect(Buffer.compare(payload, expected)).toBe(0);
        expect(payload.length % 4).toBe(0);
        done += payload.length;
        expect(done).toBeLessThanOrEqual(whole);
      }
    }
    expect(rest.next().done).toBe(true);
    for (const batch of batches) expect(batch.bytes.length).toBeLessThanOrEqual(64 + bytes);
  });
  fc.assert(property, { numRuns: 300 });
});

test('bytes are those of the moment they were reported', () => {
  const journal = new Journal(1024);
  const batches = collect(journal);
  const changing = Int32Array.of(1, 2, 3, 4);
  journal.range(0, 16, changing, 0);
  changing.fill(9);
  journal.range(0, 16, changing, 0);
  journal.onFull();
  const values = recordsOf(batches).map(({ payload }) => [...payload]);
  expect(values).toEqual([
    [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0],
    [9, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0],
  ]);
});

test('a range that fits into an empty journal is not cut', () => {
  const journal = new Journal(1024);
  const batches = collect(journal);
  journal.word(0, 1);
  journal.range(4, 1024 - recordHeaderBytes, source, 0);
  journal.onFull();
  expect(recordsOf(batches).map(({ payload }) => payload.length)).toEqual([
    4,
    1024 - recordHeaderBytes,
  ]);
});

test('nothing is carried while nobody listens', () => {
  const journal = new Journal(1024);
  journal.word(0, 1);
  journal.range(0, 5000, source, 0);
  expect(journal.count).toBe(0);
  expect(journal.at).toBe(journalHeadroom);
});
