/** The superblock: what is found in memory, and the fields in it that change. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { layoutVersion, RecordWord, SuperWord, superblockBytes } from '../../src/store/layout.js';
import { Miss } from '../../src/store/store.js';
import {
  epochOf,
  format,
  inspect,
  markInconsistent,
  promote,
  readRecord,
  writeRecord,
} from '../../src/store/superblock.js';
import { checkAdopted } from '../support/check-store.js';
import { emptyMemory, geometries, memoryOfFile } from '../support/region.js';
import { SmallStore } from '../support/small-store.js';

const geometry = geometries.coarse;

function formatted(): Int32Array {
  const head = new Int32Array(emptyMemory(geometry).head);
  format(head, geometry, [0x12345678, -2]);
  return head;
}

describe('inspect', () => {
  test('finds nothing in zeros', () => {
    expect(inspect(new Int32Array(emptyMemory(geometry).head))).toEqual({ kind: 'empty' });
  });

  test('finds a copy where nothing is but the mark of one', () => {
    const head = new Int32Array(emptyMemory(geometry).head);
    markInconsistent(head, true);
    expect(inspect(head)).toEqual({ kind: 'copy' });
  });

  test('finds the geometry that was formatted', () => {
    expect(inspect(formatted())).toEqual({ kind: 'region', geometry, inconsistent: false });
  });

  test('finds damage in every bit that fixes where things are', () => {
    for (let word: number = SuperWord.MAGIC; word <= SuperWord.CHECKSUM; word++) {
      for (let bit = 0; bit < 32; bit++) {
        const head = formatted();
        head[word]! ^= 1 << bit;
        const kind = word === SuperWord.LAYOUT ? 'version' : 'damaged';
        expect(inspect(head).kind).toBe(kind);
      }
    }
  });

  test('finds damage in every bit of the record that is selected, and in the selector', () => {
    for (const selector of [0, 1]) {
      const record = selector === 0 ? SuperWord.RECORD_0 : SuperWord.RECORD_1;
      const other = selector === 0 ? SuperWord.RECORD_1 : SuperWord.RECORD_0;
      const { region } = new SmallStore({ geometry });
      const fields = { casCeiling: 2 ** 20, flushCas: 17, flushAt: 1 };
      do writeRecord(region, fields);
      while (region.head[SuperWord.SELECTOR] !== selector);
      const whole = () => region.head.slice(0, superblockBytes / 4);
      expect(inspect(whole()).kind).toBe('region');
      for (let word = 0; word < RecordWord.WORDS; word++) {
        for (let bit = 0; bit < 32; bit++) {
          const head = whole();
          head[record + word]! ^= 1 << bit;
          expect([word, bit, inspect(head).kind]).toEqual([word, bit, 'damaged']);
          // A record that is being written, and not selected yet, may hold anything.
          const half = whole();
          half[other + word]! ^= 1 << bit;
          expect(inspect(half).kind).toBe('region');
        }
      }
      for (const wrong of [2, -1, 1 << 30]) {
        const head = whole();
        head[SuperWord.SELECTOR] = wrong;
        expect(inspect(head)).toEqual({ kind: 'damaged', reason: 'no record is selected' });
      }
    }
  });

  test('finds an epoch that is none', () => {
    const head = formatted();
    head[SuperWord.EPOCH] = 0;
    expect(inspect(head)).toEqual({ kind: 'damaged', reason: 'there is no epoch' });
  });

  test('names another version', () => {
    const head = formatted();
    head[SuperWord.LAYOUT] = layoutVersion + 1;
    expect(inspect(head)).toEqual({ kind: 'version', version: layoutVersion + 1 });
  });

  test('says when a copy is half made', () => {
    const head = formatted();
    markInconsistent(head, true);
    expect(inspect(head)).toMatchObject({ kind: 'region', inconsistent: true });
    markInconsistent(head, false);
    expect(inspect(head)).toMatchObject({ kind: 'region', inconsistent: false });
  });
});

describe('the record', () => {
  test('keeps numbers of 53 bits and times of 32', () => {
    const small = new SmallStore({ geometry });
    const record = { casCeiling: 2 ** 53 - 1, flushCas: 2 ** 32, flushAt: 4_000_000_000 };
    for (let i = 0; i < 3; i++) {
      writeRecord(small.region, record);
      expect(readRecord(small.region.head)).toEqual(record);
      record.casCeiling -= 1;
    }
  });

  test('an epoch begins one above the last', () => {
    const small = new SmallStore({ geometry });
    expect(epochOf(small.region.head)).toBe(1);
    expect(promote(small.region)).toBe(2);
    expect(epochOf(small.again().region.head)).toBe(2);
  });
});

describe('CAS ids', () => {
  test('grow by one, and after opening begin above all that were given out', () => {
    let small = new SmallStore({ geometry, casStep: 3 });
    let last = 0;
    for (let reign = 0; reign < 5; reign++) {
      for (let i = 0; i < reign * 2; i++) {
        small.set('k', 10);
        expect(small.cas('k')).toBeGreaterThan(last);
        if (i > 0) expect(small.cas('k')).toBe(last + 1);
        last = small.cas('k');
      }
      small = small.again({ casStep: 3 });
    }
  });

  test('are above 2^32 as they are below', () => {
    const small = new SmallStore({ geometry });
    writeRecord(small.region, { casCeiling: 2 ** 32 - 2, flushCas: 0, flushAt: 0 });
    const late = small.again();
    for (let i = 0; i < 4; i++) late.set(`k${i}`, 10);
    expect([0, 1, 2, 3].map((i) => late.cas(`k${i}`) - 2 ** 32)).toEqual([-1, 0, 1, 2]);
    late.store.flush(0);
    late.set('k4', 10);
    expect(late.find('k3')).toBe(0);
    expect(late.find('k4')).not.toBe(0);
  });
});

describe('flush', () => {
  test('kills what is there and nothing that comes later', () => {
    const small = new SmallStore({ geometry });
    small.set('old', 10);
    small.store.flush(1000);
    small.set('new', 10);
    expect(small.find('old')).toBe(0);
    expect(small.store.miss).toBe(Miss.FLUSHED);
    expect(small.find('new')).not.toBe(0);
  });

  test('later kills what is there then, also in a region that was opened meanwhile', () => {
    const small = new SmallStore({ geometry });
    small.set('before', 10);
    small.store.flush(1010);
    small.set('between', 10);
    small.store.tick(1009);
    expect(small.find('before')).not.toBe(0);
    const again = small.again({ now: 1009 });
    again.set('opened', 10);
    again.store.tick(1010);
    again.set('after', 10);
    const found = ['before', 'between', 'opened', 'after'].map((key) => again.find(key) !== 0);
    expect(found).toEqual([false, false, false, true]);
    const late = again.again({ now: 2000 });
    expect(late.find('after')).not.toBe(0);
  });

  test('that was due while nobody served happens at opening', () => {
    const small = new SmallStore({ geometry });
    small.set('k', 10);
    small.store.flush(1010);
    const again = small.again({ now: 1010 });
    expect(again.find('k')).toBe(0);
    expect(again.store.miss).toBe(Miss.FLUSHED);
  });

  test('now takes the place of one that waits', () => {
    const small = new SmallStore({ geometry });
    small.store.flush(1010);
    small.store.flush(1000);
    small.set('k', 10);
    small.store.tick(1020);
    expect(small.find('k')).not.toBe(0);
  });

  test('kills nothing in an empty cache that never gave an id out', () => {
    const small = new SmallStore({ geometry });
    small.store.flush(1000);
    small.set('k', 10);
    expect(small.find('k')).not.toBe(0);
  });
});

test('a region is found in the file that holds its bytes, as a restart with -e finds it', () => {
  const small = new SmallStore({ geometry });
  for (let i = 0; i < 20; i++) small.set(`k${i}`, 10 + i);
  const folder = mkdtempSync(join(tmpdir(), 'hotspare-'));
  try {
    const path = join(folder, 'memory');
    const parts = [small.memory.head, ...small.memory.segments].map((part) => Buffer.from(part));
    writeFileSync(path, Buffer.concat(parts));
    const memory = memoryOfFile(path, geometry);
    const again = new SmallStore({ geometry, memory });
    expect(again.reader.items()).toEqual(small.reader.items());
    checkAdopted(again.store, again.reader);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an item lives up to its second and no longer', () => {
  const small = new SmallStore({ geometry });
  small.set('k', 10, 1005);
  small.set('far', 10, 4_000_000_000);
  small.store.tick(1004);
  expect(small.find('k')).not.toBe(0);
  small.store.tick(1005);
  expect(small.find('k')).toBe(0);
  expect(small.store.miss).toBe(Miss.EXPIRED);
  expect(small.find('k')).toBe(0);
  expect(small.store.miss).toBe(Miss.ABSENT);
  expect(small.find('far')).not.toBe(0);
});
