/** A letter counts when it has arrived whole; nobody promises in which order its bytes do. */
import { expect, test } from '@jest/globals';
import { Mailbox } from '../../backup/link/mailbox.js';
import { native } from '../../src/native/addon.js';
import { record } from '../support/fabrics.js';

const redoAt = 64;

function redoOf(sequence: number, records: Buffer): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32LE(sequence, 0);
  head.writeUInt32LE(records.length, 8);
  const seed = native.crc32c(head, 0, 12, 0x6c657474);
  head.writeUInt32LE(native.crc32c(records, 0, records.length, seed) >>> 0, 12);
  return Buffer.concat([head, records]);
}

const older = redoOf(
  7,
  Buffer.concat([record(4096, Buffer.alloc(96, 1)), record(8, Buffer.alloc(4))]),
);
const newer = redoOf(8, record(8192, Buffer.alloc(400, 2)));

function read(bytes: Buffer) {
  const page = Buffer.from(new ArrayBuffer(4096));
  page.set(bytes, redoAt);
  return new Mailbox(page.buffer, native.crc32c).redo();
}

test('an empty mailbox holds nothing', () => {
  const mailbox = new Mailbox(new ArrayBuffer(4096), native.crc32c);
  expect([mailbox.sequence(), mailbox.beat(), mailbox.redo()]).toEqual([null, null, null]);
});

test('a redo that is whole is read, one that lacks a bit is not', () => {
  expect(read(older)).toEqual({ sequence: 7, records: new Uint8Array(older.subarray(16)) });
  for (let bit = 0; bit < older.length * 8; bit++) {
    const spoilt = Buffer.from(older);
    spoilt[bit >>> 3]! ^= 1 << (bit & 7);
    expect([bit, read(spoilt)]).toEqual([bit, null]);
  }
});

test('one that is written over another is one of them, or none', () => {
  const before = Buffer.concat([older, Buffer.alloc(newer.length - older.length)]);
  for (let cut = 1; cut < newer.length; cut++) {
    const fromTheFront = Buffer.concat([newer.subarray(0, cut), before.subarray(cut)]);
    const fromTheBack = Buffer.concat([before.subarray(0, cut), newer.subarray(cut)]);
    for (const torn of [fromTheFront, fromTheBack]) {
      expect([null, read(older), read(newer)]).toContainEqual(read(torn));
    }
  }
});

test('one that is longer than its place is none', () => {
  expect(read(redoOf(1, Buffer.alloc(1008, 3)))?.sequence).toBe(1);
  expect(read(redoOf(1, Buffer.alloc(1009, 3)))).toBe(null);
});
