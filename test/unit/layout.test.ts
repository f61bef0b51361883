/** Where things stand in a region: slab classes as memcached has them, and what follows from the flags. */
import { describe, expect, test } from '@jest/globals';
import { classesMax, headBytesMost } from '../../src/base/limits.js';
import {
  chunkSizes,
  type GeometryOptions,
  geometryOf,
  headBytes,
  pagesBytes,
  sameGeometry,
} from '../../src/store/layout.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

const defaults: GeometryOptions = {
  memoryBytes: 64 * MiB,
  itemBytesMax: MiB,
  chunkMin: 48,
  growthFactor: 1.25,
};

/** The `slab class` lines of `memcached -vv` 1.6.18 with these flags. */
const memcached = [
  {
    growthFactor: 1.25,
    chunkMin: 48,
    sizes: [
      96, 120, 152, 192, 240, 304, 384, 480, 600, 752, 944, 1184, 1480, 1856, 2320, 2904, 3632,
      4544, 5680, 7104, 8880, 11104, 13880, 17352, 21696, 27120, 33904, 42384, 52984, 66232, 82792,
      103496, 129376, 161720, 202152, 252696, 315872, 394840, 524288,
    ],
  },
  {
    growthFactor: 1.08,
    chunkMin: 48,
    sizes: [
      96, 104, 112, 120, 136, 152, 168, 184, 200, 216, 240, 264, 288, 312, 336, 368, 400, 432, 472,
      512, 552, 600, 648, 704, 760, 824, 896, 968, 1048, 1136, 1232, 1336, 1448, 1568, 1696, 1832,
      1984, 2144, 2320, 2512, 2712, 2928, 3168, 3424, 3704, 4000, 4320, 4672, 5048, 5456, 5896,
      6368, 6880, 7432, 8032, 8680, 9376, 10128, 10944, 11824, 12776, 13800, 524288,
    ],
  },
  {
    growthFactor: 2,
    chunkMin: 1024,
    sizes: [1072, 2144, 4288, 8576, 17152, 34304, 68608, 137216, 524288],
  },
  {
    growthFactor: 1.1,
    chunkMin: 100,
    sizes: [
      152, 168, 184, 208, 232, 256, 288, 320, 352, 392, 432, 480, 528, 584, 648, 712, 784, 864, 952,
      1048, 1152, 1272, 1400, 1544, 1704, 1880, 2072, 2280, 2512, 2768, 3048, 3352, 3688, 4056,
      4464, 4912, 5408, 5952, 6552, 7208, 7928, 8720, 9592, 10552, 11608, 12768, 14048, 15456,
      17008, 18712, 20584, 22648, 24912, 27408, 30152, 33168, 36488, 40136, 44152, 48568, 53424,
      58768, 524288,
    ],
  },
];

describe('chunk sizes', () => {
  for (const { growthFactor, chunkMin, sizes } of memcached) {
    test(`with -f ${growthFactor} -n ${chunkMin} are memcached's, and then a whole page`, () => {
      const geometry = geometryOf({ ...defaults, growthFactor, chunkMin });
      expect(chunkSizes(geometry)).toEqual([0, ...sizes, MiB]);
    });
  }

  test('a small -f with a large -I has no more classes than the page table can name', () => {
    const options = { ...defaults, growthFactor: 1.02, itemBytesMax: GiB };
    expect(chunkSizes(geometryOf(options)).length).toBeLessThanOrEqual(classesMax);
  });

  test('grow, are made of whole units and fit in a page, whatever the flags', () => {
    for (const memoryBytes of [MiB, 100 * MiB, 40 * GiB, 1024 * GiB]) {
      for (const itemBytesMax of [KiB, MiB, 3 * MiB, 128 * MiB, GiB]) {
        for (const growthFactor of [1.02, 1.25, 3]) {
          for (const chunkMin of [1, 48, 5000]) {
            const options = { memoryBytes, itemBytesMax, growthFactor, chunkMin };
            const geometry = geometryOf(options);
            const sizes = chunkSizes(geometry);
            expect(sizes.length).toBeLessThanOrEqual(classesMax);
            for (let number = 1; number < sizes.length; number++) {
              expect(sizes[number]).toBeGreaterThan(sizes[number - 1]!);
              expect(sizes[number]! % geometry.unitBytes).toBe(0);
            }
            expect(sizes.at(-1)).toBe(geometry.pageBytes);
          }
        }
      }
    }
  });
});

test('refs reach every chunk: the unit grows with the memory', () => {
  for (const gibibytes of [1, 31, 32, 33, 64, 65, 1024]) {
    const geometry = geometryOf({ ...defaults, memoryBytes: gibibytes * GiB });
    expect(pagesBytes(geometry) / geometry.unitBytes).toBeLessThanOrEqual(2 ** 32);
    expect(geometry.unitBytes).toBe(8 * Math.max(1, 2 ** Math.ceil(Math.log2(gibibytes / 32))));
  }
});

// From -m 65537 on the server ended with a RangeError: the buckets were more than one buffer holds.
test('what stands before the pages fits in one buffer, whatever -m', () => {
  for (const gibibytes of [64, 65, 256, 1024]) {
    const geometry = geometryOf({ ...defaults, memoryBytes: gibibytes * GiB });
    expect(headBytes(geometry)).toBeLessThanOrEqual(headBytesMost);
    expect(geometry.bucketBits).toBe(29);
  }
});

test('there is a page even where -m is less than one, and parts begin at whole blocks', () => {
  const geometry = geometryOf({ ...defaults, memoryBytes: 1, itemBytesMax: 5 * MiB });
  expect(geometry.pageCount).toBe(1);
  expect(geometry.pageBytes).toBe(8 * MiB);
  expect(headBytes(geometry) % 4096).toBe(0);
});

test('a geometry with another flag is another geometry', () => {
  const geometry = geometryOf(defaults);
  expect(sameGeometry(geometry, geometryOf({ ...defaults }))).toBe(true);
  for (const other of [
    { memoryBytes: 65 * MiB },
    { itemBytesMax: 2 * MiB },
    { chunkMin: 64 },
    { growthFactor: 1.26 },
  ]) {
    expect(sameGeometry(geometry, geometryOf({ ...defaults, ...other }))).toBe(false);
  }
});
