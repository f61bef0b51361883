/**
 * What a primary opens for the first standby over RDMA. A call of that fails: the standby is told, and the next one is
 * let in.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  descriptorsOf,
  exhaustive,
  expectClearEnd,
  interposerMissing,
  Tally,
} from '../support/faults.js';
import { LinkedNodes, roundsMs } from '../support/linked-nodes.js';
import { missing as fabricMissing, linkFlags } from '../support/links.js';
import { said } from '../support/nodes.js';
import { until } from '../support/until.js';

const missing = interposerMissing() ?? fabricMissing;

/** What a primary does once for all standbys that come to one address. */
const openingCalls = [
  ...['fi_fabric', 'fi_eq_open', 'fi_control', 'fi_domain', 'mmap', 'uv_poll_init'],
  ...['fi_passive_ep', 'fi_pep_bind', 'fi_listen', 'fi_getname'],
];

let alone: LinkedNodes | null = null;

afterEach(async () => {
  await alone?.end();
  alone = null;
});

(missing === null ? describe : describe.skip)('over rdma', () => {
  test(
    'a primary that cannot open its end says so to the standby, and can the next time',
    async () => {
      const two = new LinkedNodes(linkFlags);
      alone = two;
      await two.beginAlone();
      const { fault, child } = two.primary;
      const tally = new Tally();
      const baseline = descriptorsOf(child.pid);
      for (const call of openingCalls) {
        fault.arm(call, 1, 'ENOMEM');
        const standby = await two.newStandby();
        await expectClearEnd(standby.child);
        fault.disarm();
        expect([call, fault.hits]).toEqual([call, 1]);
        tally.add(call, 'ENOMEM', 1, 'refused');
        const same = (): boolean => descriptorsOf(child.pid) === baseline;
        await until(() => `${fault}: ${descriptorsOf(child.pid)}, not ${baseline}`, same);
      }
      if (exhaustive) process.stderr.write(`${tally}\n`);
      const standby = await two.newStandby();
      await said(standby.child, /ready to take over/);
      await two.store.write(two.port);
    },
    roundsMs,
  );
});
