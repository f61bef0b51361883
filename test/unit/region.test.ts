/** The region's mapping, the records written into it, and the checksum. */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type NativeRegion, native, type RegionOptions } from '../../src/native/addon.js';
import { allocatedBytes } from '../support/region.js';
import { must } from '../support/tickserver.js';
import { until } from '../support/until.js';

const addon = join(__dirname, '../../../build/native/Release/hotspare.node');

const options: RegionOptions = {
  headBytes: 8192,
  pagesBytes: 3 * 4096,
  segmentBytes: 8192,
  file: null,
  discard: false,
  lockMemory: false,
  hugePages: true,
};
const totalBytes = options.headBytes + options.pagesBytes;

let folder = '';
const opened: NativeRegion[] = [];

function open(changes: Partial<RegionOptions> = {}): NativeRegion {
  const region = must(native.regionOpen({ ...options, ...changes }));
  opened.push(region);
  return region;
}

function close(region: NativeRegion): void {
  native.regionClose(region.id);
  opened.splice(opened.indexOf(region), 1);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-region-'));
});

afterEach(() => {
  for (const region of opened) native.regionClose(region.id);
  opened.length = 0;
  rmSync(folder, { recursive: true });
});

describe('mapping', () => {
  test('memory is zero, and cut into segments', () => {
    const region = open();
    expect(region.created).toBe(true);
    expect(region.head.byteLength).toBe(8192);
    expect(region.segments.map((segment) => segment.byteLength)).toEqual([8192, 4096]);
    const zero = [region.head, ...region.segments].every((buffer) =>
      new Uint8Array(buffer).every((byte) => byte === 0),
    );
    expect(zero).toBe(true);
  });

  test('close detaches every ArrayBuffer; the id is not known any more', () => {
    const region = open();
    const view = new Uint8Array(region.head);
    close(region);
    expect(region.head.byteLength).toBe(0);
    expect(region.segments.map((segment) => segment.byteLength)).toEqual([0, 0]);
    expect(view.length).toBe(0);
    expect(() => native.regionClose(region.id)).toThrow('region is closed');
  });

  test('the id of one that was closed is given again, and its memory is free', async () => {
    const first = open({ pagesBytes: 2 ** 26, segmentBytes: 2 ** 26 });
    const second = open();
    const files = memoryFiles().length;
    const before = allocatedBytes();
    new Uint8Array(first.segments[0]!).fill(7);
    expect(allocatedBytes()).toBe(before + 2 ** 26);
    close(first);
    await until('the end of its memory', () => memoryFiles().length === files - 1);
    expect(allocatedBytes()).toBeLessThanOrEqual(before);
    expect(open().id).toBe(first.id);
    expect(second.head.byteLength).toBe(8192);
  });

  test('a process that ends while memory is freed does not wait, nor crash', () => {
    const large = { ...options, pagesBytes: 2 ** 30, segmentBytes: 2 ** 30 };
    const script = `const addon = require(${JSON.stringify(addon)});
      const region = addon.regionOpen(${JSON.stringify(large)});
      new Uint8Array(region.segments[0]).fill(7, 0, 2 ** 27);
      addon.regionClose(region.id);
      process.exit(7);`;
    expect(spawnSync(process.execPath, ['-e', script]).status).toBe(7);
  });

  function memoryFiles(): string[] {
    const all = readdirSync('/proc/self/fd');
    return all.filter((name) => linkOf(name).startsWith('/memfd:hotspare'));
  }

  test('its descriptor is closed after the sockets when the process is killed', () => {
    // In a process of its own: other tests of this one may have taken the few places up there.
    const script = `const addon = require(${JSON.stringify(addon)});
      addon.regionOpen(${JSON.stringify(options)});
      const { readdirSync, readlinkSync } = require('node:fs');
      for (const name of readdirSync('/proc/self/fd')) {
        try {
          if (readlinkSync('/proc/self/fd/' + name).startsWith('/memfd:hotspare')) console.log(name);
        } catch {}
      }`;
    const { stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(Number(stdout)).toBeGreaterThanOrEqual(1000);
  });

  function linkOf(name: string): string {
    try {
      return readlinkSync(join('/proc/self/fd', name));
    } catch {
      return ''; // the descriptor that listed the folder
    }
  }

  test('a file keeps what was written', () => {
    const file = join(folder, 'cache');
    const first = open({ file });
    expect(first.created).toBe(true);
    new Uint8Array(first.head).set([1, 2, 3]);
    new Uint8Array(first.segments[1]!).set([4], 4095);
    expect(native.regionSync(first.id)).toBeNull();
    close(first);
    const bytes = readFileSync(file);
    expect(bytes.length).toBe(totalBytes);
    expect([...bytes.subarray(0, 4), bytes.at(-1)]).toEqual([1, 2, 3, 0, 4]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const second = open({ file });
    expect(second.created).toBe(false);
    expect([...new Uint8Array(second.head, 0, 3)]).toEqual([1, 2, 3]);
  });

  test('an empty file counts as created', () => {
    const file = join(folder, 'empty');
    writeFileSync(file, '');
    expect(open({ file }).created).toBe(true);
  });

  test('a file in use is refused, from this process and from another', () => {
    const file = join(folder, 'cache');
    open({ file });
    const refused = { error: 'EWOULDBLOCK', call: 'flock' };
    expect(native.regionOpen({ ...options, file })).toEqual(refused);
    const addon = join(__dirname, '../../../build/native/Release/hotspare.node');
    const script = `console.log(JSON.stringify(require(${JSON.stringify(addon)}).regionOpen(
      ${JSON.stringify({ ...options, file })})))`;
    const other = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(JSON.parse(other.stdout)).toEqual(refused);
  });

  test('a file of another size is refused and left alone', () => {
    const file = join(folder, 'cache');
    writeFileSync(file, 'something else');
    expect(native.regionOpen({ ...options, file })).toEqual({ error: 'EINVAL', call: 'size' });
    expect(readFileSync(file, 'utf8')).toBe('something else');
  });

  test('what cannot be opened or does not fit says so, and leaves an empty file empty', () => {
    const file = join(folder, 'no', 'cache');
    expect(native.regionOpen({ ...options, file })).toEqual({ error: 'ENOENT', call: 'open' });
    const huge = join(folder, 'huge');
    const result = native.regionOpen({ ...options, file: huge, pagesBytes: 2 ** 50 });
    expect(result).toHaveProperty('error');
    expect(existsSync(huge) ? statSync(huge).size : 0).toBe(0);
  });

  test.each([
    [{ headBytes: 4095 }, 'headBytes'],
    [{ headBytes: 4097 }, 'headBytes'],
    [{ headBytes: 2 ** 32 }, 'headBytes'],
    [{ pagesBytes: 1 }, 'pagesBytes'],
    [{ pagesBytes: -4096 }, 'pagesBytes'],
    [{ segmentBytes: 12288 }, 'segmentBytes'],
    [{ segmentBytes: 2 ** 31 }, 'segmentBytes'],
    [{ headBytes: Number.NaN }, 'headBytes'],
  ])('%j is a programming error', (changes, name) => {
    expect(() => native.regionOpen({ ...options, ...changes })).toThrow(name);
  });
});

describe('apply', () => {
  /** A list of records, each padded to a multiple of 4. */
  function list(...records: [offset: number | bigint, bytes: number[], length?: number][]) {
    const parts = records.map(([offset, bytes, length]) => {
      const record = Buffer.alloc(12 + Math.ceil(bytes.length / 4) * 4);
      record.writeBigUInt64LE(BigInt(offset));
      record.writeUInt32LE(length ?? bytes.length, 8);
      record.set(bytes, 12);
      return record;
    });
    return Buffer.concat(parts);
  }

  function apply(region: NativeRegion, bytes: Uint8Array): number {
    return native.regionApply(region.id, bytes, 0, bytes.length);
  }

  test('ranges are written in order, counted from the head', () => {
    const region = open();
    const ranges = list(
      [0, [1, 2, 3, 4, 5]],
      [0, [9, 9, 9, 9]],
      [8192 + 8192 + 4092, [7, 7, 7, 7]],
    );
    expect(apply(region, ranges)).toBe(3);
    expect([...new Uint8Array(region.head, 0, 6)]).toEqual([9, 9, 9, 9, 5, 0]);
    expect([...new Uint8Array(region.segments[1]!, 4091, 5)]).toEqual([0, 7, 7, 7, 7]);
  });

  test('a list in the middle of a larger array', () => {
    const region = open();
    const ranges = list([4, [1, 2, 3]]);
    const bytes = Buffer.concat([Buffer.alloc(3, 0xff), ranges, Buffer.alloc(5, 0xff)]);
    expect(native.regionApply(region.id, bytes, 3, ranges.length)).toBe(1);
    expect([...new Uint8Array(region.head, 0, 8)]).toEqual([0, 0, 0, 0, 1, 2, 3, 0]);
    expect(native.regionApply(region.id, bytes, 3, 0)).toBe(0);
    expect(() => native.regionApply(region.id, bytes, 3, bytes.length)).toThrow('within bytes');
  });

  test.each([
    ['past the end', [totalBytes, [1, 2, 3, 4]]],
    ['across the end', [totalBytes - 4, [1, 2, 3, 4, 5]]],
    ['an offset that overflows', [2n ** 64n - 4n, [1, 2, 3, 4, 5, 6, 7, 8]]],
    ['an offset that is not aligned', [2, [1, 2, 3, 4]]],
    ['a length longer than the list', [0, [1, 2, 3, 4], 5]],
    ['a length that overflows', [0, [1, 2, 3, 4], 2 ** 32 - 1]],
  ] as [string, [number | bigint, number[], number?]][])('%s: nothing is written', (_what, bad) => {
    const region = open();
    expect(apply(region, list([0, [1, 1, 1, 1]], bad))).toBe(-1);
    expect(new Uint32Array(region.head)[0]).toBe(0);
  });

  test('a list cut anywhere is refused', () => {
    const region = open();
    const ranges = list([0, [1, 1, 1, 1]], [8, [2, 2, 2]]);
    const whole = new Set([0, 16, ranges.length]);
    for (let length = 0; length <= ranges.length; length++) {
      const applied = native.regionApply(region.id, ranges, 0, length);
      expect(applied >= 0).toBe(whole.has(length));
    }
  });
});

describe('crc32c', () => {
  const crc = (bytes: Uint8Array, seed = 0) => native.crc32c(bytes, 0, bytes.length, seed);

  test.each([
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ['31 to 0', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ['the digits', Buffer.from('123456789'), 0xe3069283],
    ['nothing', new Uint8Array(0), 0],
  ])('%s (RFC 3720 B.4)', (_what, bytes, expected) => {
    expect(crc(bytes)).toBe(expected);
  });

  test('agrees with the definition for every length and split around its block size', () => {
    const bytes = Uint8Array.from({ length: 7000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
    for (const length of [1, 7, 8, 9, 3071, 3072, 3073, 6144, 6999, 7000]) {
      const expected = bitwise(bytes.subarray(0, length));
      expect(crc(bytes.subarray(0, length))).toBe(expected);
      const cut = Math.floor(length / 3);
      expect(crc(bytes.subarray(cut, length), crc(bytes.subarray(0, cut)))).toBe(expected);
      expect(native.crc32c(bytes, 0, length, 0)).toBe(expected);
    }
  });

  function bitwise(bytes: Uint8Array): number {
    let value = 0xffffffff;
    for (const byte of bytes) {
      value ^= byte;
      for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
    }
    return ~value >>> 0;
  }
});
