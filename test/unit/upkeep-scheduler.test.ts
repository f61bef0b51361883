/** When the store's upkeep gets its turns, and when it gets none any more. */
import { expect, test } from '@jest/globals';
import { Executor } from '../../src/commands/execute.js';
import { machine } from '../../src/native/ports.js';
import { Output } from '../../src/protocol/reply.js';
import { CacheClock } from '../../src/server/cache-clock.js';
import { UpkeepScheduler } from '../../src/server/upkeep-scheduler.js';
import { Counters } from '../../src/stats/counters.js';
import { alone, type Mirror } from '../../src/store/mirror.js';
import { Pace } from '../../src/store/upkeep.js';
import { geometries } from '../support/region.js';
import { SmallStore } from '../support/small-store.js';
import { until } from '../support/until.js';

// Over RDMA a commit looks for completions, and may find that this node is deposed: its region is unmapped then.
test('a turn in which the node is deposed is the last', async () => {
  const { store } = new SmallStore({ geometry: geometries.single });
  const executor = new Executor(store, new Output(new ArrayBuffer(1024)), new Counters(), true);
  const { journal } = store.region;
  journal.active = true;
  let commits = 0;
  const mirror: Mirror = {
    ...alone,
    commit: () => {
      commits++;
      scheduler.stop();
      return 0;
    },
  };
  const cacheClock = new CacheClock(store.region, 'here', 0, () => 1_000_000);
  const scheduler = new UpkeepScheduler({ executor, mirror, cacheClock, ports: machine });
  let turns = 0;
  executor.upkeep.work = () => {
    turns++;
    journal.word(0, turns);
    return Pace.NOW;
  };
  scheduler.start();
  await until('the turn', () => commits > 0, { everyMs: 0 });
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect([turns, commits]).toEqual([1, 1]);
});
