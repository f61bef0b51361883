/**
 * The order of test files. Jest runs the files first that took longest the last time; a fresh clone knows no times, and
 * there jest goes by the size of the files, so that the longest, which are a few lines around a table, come last and
 * one processor waits for them. Files that take long are named here, and come first.
 */
import Sequencer from '@jest/test-sequencer';

type Tests = Parameters<Sequencer['sort']>[0];

/** Files that take longest, the longest first; the others take less than ten seconds of processor time each. */
const longest: readonly string[] = [
  'conformance/standby',
  'sim/sim',
  'e2e/restart',
  'e2e/rdma',
  'conformance/server',
  'conformance/judge',
  'e2e/remedies',
  'e2e/flags',
  'e2e/startup',
  'e2e/link',
  'fuzz/protocol',
  'e2e/who-serves',
  'e2e/replaced',
  'e2e/tls',
  'e2e/figures',
  'e2e/law3',
  'e2e/reigns',
  'e2e/process',
];

export default class LongestFirst extends Sequencer {
  override async sort(tests: Tests): Promise<Tests> {
    const rank = (path: string): number => {
      const at = longest.findIndex((name) => path.endsWith(`/test/${name}.test.js`));
      return at < 0 ? longest.length : at;
    };
    const sorted = await super.sort(tests);
    return sorted.sort((one, other) => rank(one.path) - rank(other.path));
  }
}
