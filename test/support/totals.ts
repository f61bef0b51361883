/**
 * A reporter of jest: for each server that the conformance table was run against, and for the workouts of others'
 * clients, how many tests passed, failed and were not run; and the names of all tests that were not run.
 */

/** The parts of jest's results that are used. */
interface AssertionResult {
  readonly ancestorTitles: readonly string[];
  readonly title: string;
  readonly fullName: string;
  readonly status: string;
}
interface AggregatedResult {
  readonly testResults: readonly {
    readonly testFilePath: string;
    readonly testResults: readonly AssertionResult[];
  }[];
}

type Count = Record<'passed' | 'failed' | 'not run', number>;

const counted = /\/test\/(?:conformance\/|e2e\/clients)/;

export default class Totals {
  onRunComplete(_contexts: unknown, { testResults }: AggregatedResult): void {
    const counts = new Map<string, Count>();
    const notRun: string[] = [];
    for (const { testFilePath, testResults: tests } of testResults) {
      for (const test of tests) {
        if (verdict(test) === 'not run') notRun.push(test.fullName);
        if (counted.test(testFilePath)) count(counts, test);
      }
    }
    const lines = [...counts].map(([title, { passed, failed, 'not run': left }]) =>
      [`${title}:`.padEnd(32), `${passed} passed, ${failed} failed, ${left} not run`].join(' '),
    );
    const skipped = notRun.map((name) => `not run: ${name}`);
    if (lines.length > 0) process.stderr.write(`\n${[...skipped, ...lines].join('\n')}\n`);
  }
}

function count(counts: Map<string, Count>, test: AssertionResult): void {
  const title = test.ancestorTitles[0] ?? test.title;
  const known = counts.get(title) ?? { passed: 0, failed: 0, 'not run': 0 };
  counts.set(title, known);
  known[verdict(test)] += 1;
}

/** With -t, tests that are filtered out are pending, too; they count as not run, as they were not. */
function verdict({ status }: AssertionResult): keyof Count {
  if (status === 'passed' || status === 'failed') return status;
  return 'not run';
}
