/**
 * The table of (sent, expected), every case sent whole, in sevens and byte by byte.
 *
 *   npm run conformance                     hotspare, and memcached as the judge of the table
 *   JUDGE=memcached npm run conformance     the judge alone
 *   SERVER=host:port npm run conformance    any server; it is flushed again and again
 */
import { afterAll, describe, test } from '@jest/globals';
import { givenServer } from '../support/server.js';
import { topics } from './cases/index.js';
import { allJudged, type Judged } from './judges.js';
import { runCase } from './run.js';
import { type Case, everySplit } from './table.js';

const CASE_MS = 30_000;

for (const judged of allJudged()) {
  describe(judged.title, () => {
    if (judged.missing !== null) {
      test.skip(judged.missing, () => {});
      return;
    }
    afterAll(() => judged.stop());
    for (const { topic, cases } of topics) {
      describe(topic, () => {
        for (const row of cases) {
          define(judged, row);
        }
      });
    }
  });
}

function define(judged: Judged, row: Case): void {
  if (row.flags !== undefined && givenServer !== undefined) {
    test.skip(`${row.name} (not run: needs ${row.flags.join(' ')}, and SERVER is given)`, () => {});
    return;
  }
  for (const split of row.splits ?? everySplit) {
    const name = `${row.name} (${split})`;
    test(name, async () => runCase(await judged.server(row.flags), row, split), CASE_MS);
  }
}
