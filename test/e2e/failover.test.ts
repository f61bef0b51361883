/** A pair of real processes, and everything that can be killed or stopped in it, under load. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import type { Results } from '../../failover/drill/results.js';
import { broken, clients, type Load, longestGapMs } from '../support/load.js';
import { gone, hotspare, lives, main, patienceMs, pids, said } from '../support/nodes.js';
import { type Child, run } from '../support/process.js';
import { until, within } from '../support/until.js';

/** A test's processes share the machine with other tests': silence is no death here before this. */
const deadAfterMs = 440;
const ackTimeoutMs = 1000;
/** What a busy machine may add to a delay. */
const slackMs = 1500;

let pair: Child | null = null;
let load: Load | null = null;

afterEach(async () => {
  load?.traffic.end();
  const nodes = pair === null ? [] : [...pids(pair, 'primary'), ...pids(pair, 'standby')];
  // A stopped process cannot hear that it shall end.
  for (const pid of nodes.filter(lives)) process.kill(pid, 'SIGCONT');
  await pair?.end();
  await Promise.all(nodes.map(gone));
  pair = null;
  load = null;
});

describe('a drill', () => {
  test('that kills the primary loses nothing', async () => {
    const results = await drill('--rounds', '4', '--seed', '1');
    expect(results).toMatchObject({ passed: true, lost: 0, wrong: 0, evictions: 0 });
    expect(results.rounds).toHaveLength(4);
    expect(results.acknowledged).toBeGreaterThan(100);
    expect(results.checked).toBeGreaterThan(100);
    expect(results.casUsed).toBeGreaterThan(0);
  });

  test('of two standbys: one takes over, and the other follows it', async () => {
    const results = await drill('--rounds', '3', '--seed', '4', '--standbys', '2');
    expect(results).toMatchObject({ passed: true, lost: 0, wrong: 0, evictions: 0 });
    expect(results.settings.standbys).toBe(2);
  });

  test('that stops the primary: the pair ends it, and nothing is lost', async () => {
    const results = await drill('--rounds', '1', '--seed', '2', '--fault', 'hang');
    expect(results).toMatchObject({ passed: true, lost: 0, wrong: 0, evictions: 0 });
    // Silence counts from the last heartbeat, which came up to 20 ms before the fault.
    expect(results.rounds[0]!.detectMs).toBeGreaterThan(deadAfterMs - 25);
  });

  test('with a cache full of items finds them after the takeover', async () => {
    const results = await drill('--rounds', '1', '--seed', '3', '--fill', '32', '--rate', '0');
    expect(results).toMatchObject({ passed: true, lost: 0, wrong: 0, evictions: 0 });
    expect(results.rounds[0]!.items).toBeGreaterThan(28_000);
  });
});

describe('the standby of a loaded pair', () => {
  test('is killed: clients notice nothing, and a new one gets in sync under load', async () => {
    const standby = await startLoadedPair(10);
    process.kill(standby, 'SIGKILL');
    await said(pair!, /standby \w+ lost/);
    await said(pair!, /standby \w+ is in sync/, 2);
    await expectUndisturbed(slackMs);
    expect(pids(pair!, 'standby')).toHaveLength(2);
  });

  test('is stopped: it is dropped after --ack-timeout, ended, and replaced', async () => {
    const standby = await startLoadedPair(11);
    process.kill(standby, 'SIGSTOP');
    // It owes an ack, and was silent for longer: whichever is over the limit when the primary looks is named.
    await said(
      pair!,
      /standby \w+ dropped: (no ack|nothing heard) for \d+ ms \(--ack-timeout 1000\)/,
    );
    await gone(standby);
    await said(pair!, /standby \w+ is in sync/, 2);
    await expectUndisturbed(ackTimeoutMs + slackMs);
    expect(longestGapMs(load!)).toBeGreaterThan(ackTimeoutMs * 0.9);
  });
});

describe('a pair', () => {
  test('whose nodes are both killed ends with a clear line', async () => {
    await startPair();
    for (const role of ['standby', 'primary'] as const)
      process.kill(pids(pair!, role)[0]!, 'SIGKILL');
    // The new standby may have been started before the primary was gone: it finds nobody, and ends too.
    const { code } = await within('the end of the pair', patienceMs, pair!.exited);
    expect(code).toBe(75);
    const remedy = 'start the pair again';
    expect(pair!.output()).toContain(`both nodes are gone, and the cache with them (${remedy})`);
    await startPair();
  });

  test('that is asked to end ends its nodes, and no standby takes over meanwhile', async () => {
    await startPair();
    pair!.signal('SIGTERM');
    const { code } = await within('the end of the pair', patienceMs, pair!.exited);
    expect(code).toBe(0);
    expect(pids(pair!, 'primary').concat(pids(pair!, 'standby')).filter(lives)).toEqual([]);
    expect(pair!.output()).not.toMatch(/is dead|epoch 2/);
  });

  test('that is killed leaves no orphans', async () => {
    await startPair();
    pair!.signal('SIGKILL');
    await Promise.all([...pids(pair!, 'primary'), ...pids(pair!, 'standby')].map(gone));
  });
});

async function drill(...flags: string[]): Promise<Results> {
  const common = ['--keys', '60', '--connections', '6', '--dead-after', String(deadAfterMs)];
  const args = [main, 'drill', '--json', ...flags, ...common];
  const { output } = await run(process.execPath, args, patienceMs * 2);
  const json = output.slice(output.indexOf('{'));
  return JSON.parse(json) as Results;
}

/** Starts a pair and waits until it is whole; resolves to its port. */
async function startPair(): Promise<number> {
  const port = await freePort();
  const times = ['--dead-after', String(deadAfterMs), '--ack-timeout', String(ackTimeoutMs)];
  pair = await hotspare('pair', '-p', String(port), '-l', '127.0.0.1', '-v', ...times);
  await said(pair, /in sync with/);
  await said(pair, /standby \w+ is in sync/);
  return port;
}

/** A pair under load; resolves to the standby's pid. */
async function startLoadedPair(seed: number): Promise<number> {
  const port = await startPair();
  load = await clients(port, seed);
  load.traffic.start();
  await progress(200);
  load.traffic.watch();
  return pids(pair!, 'standby')[0]!;
}

/** Resolves once so many more writes are acknowledged. */
async function progress(writes: number): Promise<void> {
  const { tally } = load!;
  const enough = tally.acknowledged + writes;
  await until(`${writes} more writes`, () => tally.acknowledged >= enough, {
    withinMs: patienceMs,
  });
}

/** No client lost its connection, waited longer than this, or found anything amiss. */
async function expectUndisturbed(gapMs: number): Promise<void> {
  await progress(100);
  await load!.traffic.stop();
  expect(broken(load!)).toBe(0);
  expect(longestGapMs(load!)).toBeLessThan(gapMs);
  await load!.traffic.readBack();
  expect(load!.tally.violations).toEqual([]);
}
