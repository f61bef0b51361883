/** What a pair needs, and which of the limits it is under is the least. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { memoryLimit, pairMemoryNeeds } from '../../src/process/out-of-memory.js';

const MiB = 2 ** 20;
let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hotspare-cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function limited(file: string, text: string): void {
  mkdirSync(join(root, file, '..'), { recursive: true });
  writeFileSync(join(root, file), `${text}\n`);
}

describe('the least limit', () => {
  test('is that of the second version, of any group above, too', () => {
    limited('system.slice/memory.max', String(450 * MiB));
    limited('system.slice/cache.service/memory.max', 'max');
    expect(memoryLimit('0::/system.slice/cache.service\n', root)).toEqual({
      bytes: 450 * MiB,
      name: 'the limit of the control group /system.slice',
    });
  });

  test('is that of the first version', () => {
    limited('memory/memory.limit_in_bytes', '9223372036854771712');
    limited('memory/docker/a:b/memory.limit_in_bytes', String(300 * MiB));
    expect(memoryLimit('9:cpu,cpuacct:/x\n4:memory:/docker/a:b\n0::/\n', root)).toEqual({
      bytes: 300 * MiB,
      name: 'the limit of the control group /docker/a:b',
    });
  });

  test('is the memory of the machine where there is no other', () => {
    expect(memoryLimit('', root)).toEqual({ bytes: totalmem(), name: "the machine's memory" });
    expect(memoryLimit('0::/gone\n', root).bytes).toBe(totalmem());
  });
});

test('a pair says what both nodes need, and warns where there is less', () => {
  const enough = { bytes: 1024 * MiB, name: "the machine's memory" };
  expect(pairMemoryNeeds(256 * MiB, 2, enough)).toBe(
    'both nodes together need up to 724 MiB when the cache is full',
  );
  expect(pairMemoryNeeds(256 * MiB, 2, { bytes: 450 * MiB, name: 'the limit of x' })).toBe(
    'WARNING: both nodes together need up to 724 MiB when the cache is full, and ' +
      'the limit of x is 450 MiB: choose a smaller -m, or allow more',
  );
  const warned = (memory: number, limit: number): boolean =>
    pairMemoryNeeds(memory * MiB, 2, { bytes: limit * MiB, name: 'x' }).startsWith('WARNING');
  expect([warned(256, 450), warned(128, 450), warned(256, 750)]).toEqual([true, false, false]);
});
