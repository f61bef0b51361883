/**
 * `-e FILE` and kill -9: an acknowledged write is in the shared mapping, so nothing but the machine can take it away.
 * Kills come at any moment of a full load; whatever was cut must open, and hold what was acknowledged.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { Random } from '../../failover/drill/random.js';
import { clients, type Load } from '../support/load.js';
import { hotspare, patienceMs, said, stats } from '../support/nodes.js';
import type { Child } from '../support/process.js';
import { until } from '../support/until.js';

const rounds = 12;
const seed = Number(process.env['SEED'] ?? 4711);
/** A kill comes after so many more acknowledged writes. */
const writesLeast = 20;
const writesMost = 1500;
const fullSpeed = 0;

let node: Child | null = null;
let load: Load | null = null;
const folder = mkdtempSync(join(tmpdir(), 'hotspare-crash-'));

afterEach(async () => {
  load?.traffic.end();
  await node?.end();
  rmSync(folder, { recursive: true });
});

test(`a memory file survives kill -9, ${rounds} times, SEED=${seed}`, async () => {
  const random = new Random(seed);
  const port = await freePort();
  const flags = ['-p', String(port), '-l', '127.0.0.1', '-m', '16', '-e', join(folder, 'cache')];
  node = await hotspare(...flags);
  await said(node, /serving on port/);
  load = await clients(port, seed, fullSpeed);
  const { traffic, tally } = load;
  traffic.start();
  for (let round = 1; round <= rounds; round++) {
    const enough = tally.acknowledged + random.between(writesLeast, writesMost);
    await until('writes', () => tally.acknowledged >= enough, { withinMs: patienceMs, everyMs: 1 });
    traffic.watch();
    const compared = tally.checked;
    node.signal('SIGKILL');
    await node.exited;
    // At once: the lock on the file must have ended with the process.
    node = await hotspare(...flags);
    await said(node, /holds a cache of epoch 1/);
    await traffic.reconnected();
    await until('every key to be read back', () => tally.checked >= compared + 300, {
      withinMs: patienceMs,
    });
    expect({ round, violations: tally.violations }).toEqual({ round, violations: [] });
  }
  await traffic.stop();
  await traffic.readBack();
  expect(tally.violations).toEqual([]);
  expect(tally.casUsed).toBeGreaterThan(rounds);
  expect((await stats(port)).get('evictions')).toBe('0');
});
