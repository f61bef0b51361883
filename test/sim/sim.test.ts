/**
 * Whole nodes in the simulator: a fixed set of seeds, and the scenarios that found a fault once. `SIM_SECONDS` plays
 * fresh seeds as well, for as many seconds; `SIM_SEED` is the first of them.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { breaks } from './breaks.js';
import { type Call, failingOnce, type Scenario, scenarioOf } from './scenario.js';
import { play } from './world.js';

const folder = join(__dirname, '..', '..', '..', 'test', 'sim', 'scenarios');
/** Seeds of a test, and tests: half a minute on a machine of two cores. */
const seedsPerTest = 70;
const tests = 3;
const patienceMs = 300_000;

/** Seeds with a violation, each with its description. */
async function violations(first: number, count: number): Promise<string[]> {
  const found: string[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const outcome = await play(scenarioOf(seed));
    if (outcome.violations.length > 0) {
      found.push(`npm run sim -- ${seed} --shrink: ${outcome.violations[0]}`);
    }
  }
  return found;
}

describe('seeds', () => {
  test.each(Array.from({ length: tests }, (_, at) => 1 + at * seedsPerTest))(
    `from %d on, ${seedsPerTest} of them`,
    async (first) => {
      expect(await violations(first, seedsPerTest)).toEqual([]);
    },
    patienceMs,
  );
});

describe('scenarios that found a fault', () => {
  test.each(readdirSync(folder).map((file) => file.replace('.json', '')))(
    '%s',
    async (name) => {
      const scenario = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Scenario;
      expect((await play(scenario)).violations).toEqual([]);
    },
    patienceMs,
  );
});

describe('a call that fails, whichever of them it is', () => {
  // Calls between two tries. Few calls of a kind are tried one by one; a stream of data has many.
  const steps: Readonly<Record<Call, number>> = {
    listen: 1,
    connect: 1,
    accept: 1,
    map: 1,
    wipe: 1,
    send: 97,
  };
  const cases = Object.keys(steps).flatMap((call) => [
    { node: 'a', call: call as Call },
    { node: 'b', call: call as Call },
  ]);
  test.each(cases)(
    '$call of node $node',
    async ({ node, call }) => {
      const found: string[] = [];
      let after = 0;
      for (; ; after += steps[call]) {
        const { violations: broken, failures } = await play(failingOnce(node, call, after));
        if (broken.length > 0) found.push(`${call} ${after}: ${broken[0]}`);
        if (failures === 0) break;
      }
      expect(found).toEqual([]);
      expect(after).toBeGreaterThan(0);
    },
    patienceMs,
  );
});

describe('a rule that is broken is found:', () => {
  const main = join(__dirname, 'main.js');
  const known = breaks.filter(({ foundBy }) => foundBy !== null);
  test.each(known)(
    '$name',
    async ({ name, foundBy }) => {
      const played =
        typeof foundBy === 'number'
          ? [String(foundBy)]
          : ['--scenario', join(folder, `${foundBy}.json`)];
      const said = await new Promise<string>((resolve) => {
        execFile(process.execPath, [main, ...played, '--break', name], (_, stdout, stderr) => {
          resolve(stdout + stderr);
        });
      });
      expect(said).toMatch(/^seed \d+: [\s\S]*\n1 scenarios .* 1 violated\n$/);
    },
    patienceMs,
  );

  test.each(breaks)('$name stands in the program', ({ changes }) => {
    for (const [file, from] of changes) {
      const text = readFileSync(join(__dirname, '..', '..', file), 'utf8');
      expect([file, text.split(from).length - 1]).toEqual([file, 1]);
    }
  });
});

test('one seed has one history', async () => {
  const scenario: Scenario = {
    ...scenarioOf(1),
    nodes: ['a', 'b'],
    supervised: false,
    faults: [{ kind: 'kill', node: 'a', atMs: 2000, downMs: 3000 }],
    files: [],
    faultsEndMs: 4000,
  };
  const [first, second] = [await play(scenario), await play(scenario)];
  expect(second.trace).toEqual(first.trace);
  expect(second.events).toBe(first.events);
  expect(first.takeovers).toBeGreaterThan(0);
});

// Heartbeats that wait behind lost data must not look like a death (docs/decisions/dead-after.md).
test('with the times between machines, no living primary is taken over at a loss of 5 %', async () => {
  const outcome = await play({
    ...scenarioOf(1),
    nodes: ['a', 'b'],
    oneMachine: false,
    supervised: false,
    files: [],
    deadAfterMs: 500,
    ackTimeoutMs: 2000,
    delayMs: 1,
    lostPercent: 5,
    faults: [],
    faultsEndMs: 120_000,
  });
  expect(outcome.violations).toEqual([]);
  expect(outcome.takeovers).toBe(0);
});

const seconds = Number(process.env['SIM_SECONDS'] ?? 0);

(seconds > 0 ? test : test.skip)(
  `fresh seeds for ${seconds} s`,
  async () => {
    const first = Number(process.env['SIM_SEED'] ?? Date.now() % 2 ** 31);
    const endMs = performance.now() + seconds * 1000;
    let played = 0;
    let found: string[] = [];
    while (performance.now() < endMs && found.length === 0) {
      found = await violations(first + played, 1);
      played++;
    }
    process.stdout.write(`sim: ${played} fresh seeds from ${first} on\n`);
    expect(found).toEqual([]);
  },
  seconds * 1000 + patienceMs,
);
