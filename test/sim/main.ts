/**
 * `npm run sim -- SEED`: plays one scenario and prints the outcome. `--seeds N` plays N of them, from SEED on;
 * `--seconds S` plays fresh ones for S seconds. A failing scenario is made shorter with `--shrink`, and written to
 * `--keep FILE`; `--scenario FILE` plays a file. `--trace` prints each history. `--break NAME` breaks a rule, and stops
 * when the break is found; `--breaks` names the breaks.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { breakRule, breaks } from './breaks.js';
import { type Scenario, scenarioOf, shorter } from './scenario.js';
import type { Outcome } from './world.js';

void main();

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '1' },
      seconds: { type: 'string' },
      trace: { type: 'boolean', default: false },
      keep: { type: 'string' },
      shrink: { type: 'boolean', default: false },
      scenario: { type: 'string' },
      break: { type: 'string' },
      breaks: { type: 'boolean', default: false },
    },
  });
  if (values.breaks) {
    console.log(breaks.map(({ name, what }) => `${name}: ${what}`).join('\n'));
    return;
  }
  if (values.break !== undefined) breakRule(values.break);
  // Loaded only now, as a break changes only modules that are loaded after it.
  const { play } = await import('./world.js');
  const first = positionals[0] === undefined ? Date.now() % 2 ** 31 : Number(positionals[0]);
  const begun = performance.now();
  const limitMs =
    values.seconds === undefined ? Number.POSITIVE_INFINITY : Number(values.seconds) * 1000;
  const count = values.seconds === undefined ? Number(values.seeds) : Number.POSITIVE_INFINITY;
  let played = 0;
  let takeovers = 0;
  let answers = 0;
  const failing: number[] = [];
  while (played < count && performance.now() - begun < limitMs) {
    const scenario =
      values.scenario === undefined
        ? scenarioOf(first + played)
        : (JSON.parse(readFileSync(values.scenario, 'utf8')) as Scenario);
    const outcome = await play(scenario);
    played++;
    takeovers += outcome.takeovers;
    answers += outcome.answers;
    if (values.trace) console.log(outcome.trace.join('\n'));
    if (outcome.violations.length === 0) continue;
    failing.push(scenario.seed);
    console.log(`seed ${scenario.seed}: ${outcome.violations[0]}`);
    if (values.shrink) await show(play, scenario, outcome, values.keep);
    // The broken rule has been found.
    if (values.break !== undefined) break;
  }
  const seconds = (performance.now() - begun) / 1000;
  const rate = Math.round((takeovers / seconds) * 60);
  console.log(
    `${played} scenarios from seed ${first} in ${seconds.toFixed(1)} s: ${takeovers} takeovers (${rate} a minute), ` +
      `${answers} answers, ${failing.length} violated`,
  );
  process.exitCode = failing.length === 0 ? 0 : 1;
}

/** Makes a scenario shorter for as long as it fails, and writes down the rest. */
async function show(
  play: (scenario: Scenario) => Promise<Outcome>,
  scenario: Scenario,
  outcome: Outcome,
  file: string | undefined,
): Promise<void> {
  let [least, result] = [scenario, outcome];
  for (let again = true; again; ) {
    again = false;
    for (const candidate of shorter(least)) {
      const tried = await play(candidate);
      if (tried.violations.length === 0) continue;
      [least, result, again] = [candidate, tried, true];
      break;
    }
  }
  console.log(`${result.trace.slice(-60).join('\n')}\n${result.violations[0]}`);
  console.log(JSON.stringify(least));
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(least, null, 2)}\n`);
}
