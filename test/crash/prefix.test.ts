/**
 * Law 2: a stream of writes may be cut after any of them. Random commands are recorded, and the region is opened after
 * every prefix of what the journal carried. CRASH_RUNS says how many scenarios, CRASH_SEED repeats them.
 */
import { test } from '@jest/globals';
import fc from 'fast-check';
import { command, numberFrom, setting } from '../support/commands.js';
import { cutEverywhere } from './cuts.js';
import { record, type Scenario } from './recording.js';

const seed = process.env['CRASH_SEED'];
const limits = {
  numRuns: numberFrom('CRASH_RUNS', 300),
  ...(seed === undefined ? {} : { seed: Number(seed) }),
};

const scenario: fc.Arbitrary<Scenario> = fc.record({
  setting,
  journalBytes: fc.constantFrom(1024, 8192, 2 ** 20, 2 ** 20),
  tick: fc.constantFrom(1, 4, 50),
  early: fc.array(command, { size: 'max', maxLength: 60 }),
  commands: fc.array(command, { size: 'max', maxLength: 80 }),
  later: fc.array(command, { size: 'max', minLength: 1, maxLength: 40 }),
});

test(
  'a stream of writes cut anywhere leaves each key old or new, and a cache that works',
  () => {
    const property = fc.property(scenario, (chosen) => {
      cutEverywhere(record(chosen), chosen.later);
    });
    fc.assert(property, limits);
  },
  numberFrom('CRASH_TIMEOUT_MS', 600_000),
);
