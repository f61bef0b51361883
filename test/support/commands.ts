/** Random scenarios for the tests of the store. */
import fc from 'fast-check';
import { type Command, keyCount, type Setting, type Size, verbs } from './model.js';
import type { GeometryName } from './region.js';

/** Half of all commands meet on few keys, so that they find something. */
const key = fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: keyCount - 1 }));

const exptime = fc.oneof(
  { weight: 16, arbitrary: fc.constant(0) },
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 30 }) },
  { weight: 1, arbitrary: fc.constant(-1) },
  { weight: 1, arbitrary: fc.constantFrom(2_000_000_000, 4_000_000_000) },
);

const size: fc.Arbitrary<Size> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ is: fc.constant('bytes'), bytes: fc.nat({ max: 90 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant('digits'),
      number: fc.constantFrom('0', '9', '99', '1234567', '4294967295', '18446744073709551615'),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      is: fc.constant('class'),
      number: fc.nat({ max: 40 }),
      most: fc.boolean(),
      off: fc.nat({ max: 4 }),
    }),
  },
);

/** Ids that the counter has given out or will give out, an id that no Number holds, the largest and the smallest. */
const explicit = fc.option(
  fc.constantFrom('0', '1', '3', '40', '2000', '9007199254740993', '18446744073709551615'),
  { freq: 2 },
);

const storage = fc.record({
  is: fc.constant('store' as const),
  verb: fc.oneof(
    { weight: 5, arbitrary: fc.constant('set' as const) },
    { weight: 4, arbitrary: fc.constantFrom(...verbs) },
  ),
  key,
  flags: fc.constantFrom(0, 1, 0xffffffff),
  exptime,
  size,
  fill: fc.nat({ max: 999 }),
  how: fc.constantFrom('whole' as const, 'whole' as const, 'pieces' as const, 'begin' as const),
  ends: fc.integer({ min: 0, max: 19 }).map((number) => number > 0),
  unique: fc.integer({ min: 0, max: 3 }).map((number) => number > 0),
  meta: fc.boolean(),
  lower: fc.boolean(),
  coded: fc.boolean(),
  vivifies: fc.boolean(),
  explicit,
});

const perhaps = fc.option(exptime);

const metaGet = fc.record({
  is: fc.constant('metaGet' as const),
  key,
  touch: perhaps,
  vivify: perhaps,
  recache: perhaps,
  explicit,
});

const metaDelete = fc.record({
  is: fc.constant('metaDelete' as const),
  key,
  keeps: fc.integer({ min: 0, max: 5 }).map((number) => number > 0),
  empties: fc.integer({ min: 0, max: 2 }).map((number) => number > 1),
  touch: perhaps,
  explicit,
});

const count = fc.record({
  is: fc.constant('count' as const),
  key,
  up: fc.boolean(),
  delta: fc.constantFrom('0', '1', '7', '99999', '4294967296', '18446744073709551615'),
});

const metaCount = fc.record({
  is: fc.constant('metaCount' as const),
  key,
  up: fc.boolean(),
  delta: fc.constantFrom('0', '1', '7', '99999', '4294967296', '18446744073709551615'),
  touch: perhaps,
  vivify: perhaps,
  explicit,
});

const touch = fc.record({
  is: fc.constant('touch' as const),
  key,
  exptime,
  gets: fc.boolean(),
});

const flush = fc.record({
  is: fc.constant('flush' as const),
  delay: fc.constantFrom(0, 0, 3, 10, 60, -1),
});

const move = fc.record({
  is: fc.constant('move' as const),
  from: fc.nat({ max: 9 }),
  to: fc.nat({ max: 40 }),
  looks: fc.constantFrom(1, 1, 7, 1000),
});

const crawl = fc.record({ is: fc.constant('crawl' as const), looks: fc.constantFrom(1, 5, 1000) });

/** Requests of clients, the passing of time, and values that arrive and leave slowly. */
export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 34, arbitrary: storage },
  { weight: 7, arbitrary: fc.constant<Command>({ is: 'finish' }) },
  { weight: 4, arbitrary: fc.record({ is: fc.constant('delete' as const), key }) },
  { weight: 4, arbitrary: touch },
  {
    weight: 6,
    arbitrary: fc.record({ is: fc.constant('get' as const), key, hold: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.constant<Command>({ is: 'release' }) },
  { weight: 5, arbitrary: count },
  { weight: 10, arbitrary: metaGet },
  { weight: 7, arbitrary: metaDelete },
  { weight: 5, arbitrary: metaCount },
  { weight: 1, arbitrary: flush },
  { weight: 6, arbitrary: move },
  { weight: 3, arbitrary: crawl },
  {
    weight: 3,
    arbitrary: fc.record({
      is: fc.constant('advance' as const),
      seconds: fc.integer({ min: 1, max: 12 }),
    }),
  },
);

/** The same, and a restart of the process and the adoption behind it. */
export const commandOrReopening: fc.Arbitrary<Command> = fc.oneof(
  { weight: 30, arbitrary: command },
  { weight: 1, arbitrary: fc.constant<Command>({ is: 'reopen' }) },
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constant('adopt' as const),
      chunks: fc.integer({ min: 1, max: 7 }),
    }),
  },
);

export const setting: fc.Arbitrary<Setting> = fc.record({
  geometry: fc.constantFrom<GeometryName[]>('coarse', 'mixed', 'single', 'wide', 'classes'),
  seed: fc.tuple(fc.integer(), fc.integer()),
  evict: fc.integer({ min: 0, max: 7 }).map((number) => number > 0),
  casStep: fc.constantFrom(1, 3, 1000),
});

/** A whole number from the environment; `otherwise` where it is not set. */
export function numberFrom(name: string, otherwise: number): number {
  const text = process.env[name];
  return text === undefined ? otherwise : Number(text);
}
