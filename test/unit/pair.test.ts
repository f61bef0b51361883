/** The pair's bookkeeping, over nodes that are no nodes: a program that reports what the test wants. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Pair } from '../../failover/pair.js';
import { machine } from '../../src/native/ports.js';
import { until } from '../support/until.js';

/** Serves as primary; as standby it ends at once until it was started five times, and is in sync then. */
const program = `
  const { appendFileSync, readFileSync } = require('node:fs');
  if (process.argv.includes('standby')) {
    appendFileSync(process.argv[2], 'x');
    if (readFileSync(process.argv[2]).length < 5) process.exit(71);
    process.send({ event: 'synced', atMs: 0 });
  } else {
    process.send({ event: 'serving', port: 1, linkPort: 1, epoch: 1, atMs: 0 });
  }
  process.on('message', () => {});
`;

let folder: string;
let pair: Pair | null = null;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-pair-'));
});

afterEach(async () => {
  await pair?.end();
  rmSync(folder, { recursive: true });
});

test('a standby that cannot start is tried again more and more seldom, until it can', async () => {
  const file = join(folder, 'program.js');
  writeFileSync(file, program);
  const said: string[] = [];
  const log = { say: (text: string) => said.push(text), detail: () => {} };
  const starts = join(folder, 'starts');
  pair = new Pair({ ports: machine, program: [file, starts], flags: [], primaryFlags: [], log });
  const startedMs = performance.now();
  pair.start();
  await until('a standby', () => pair!.standbys[0]?.ready === true, { withinMs: 20_000 });
  const delays = said.flatMap((line) => /again in (\d+) ms/.exec(line)?.[1] ?? []).map(Number);
  expect(delays).toEqual([100, 200, 400, 800]);
  expect(performance.now() - startedMs).toBeGreaterThan(1500);
  // Once it was in sync, it is started again at once.
  pair.standbys[0]!.process.kill('SIGKILL');
  const first = pair.standbys[0]!.process.pid;
  await until(
    'another',
    () => pair!.standbys[0]?.ready === true && pair!.standbys[0]!.process.pid !== first,
  );
  expect(said.filter((line) => line.includes('again in'))).toHaveLength(4);
});

test('a standby whose process cannot be started is tried again', async () => {
  const file = join(folder, 'program.js');
  writeFileSync(file, program);
  const starts = join(folder, 'starts');
  writeFileSync(starts, 'xxxx');
  const said: string[] = [];
  const log = { say: (text: string) => said.push(text), detail: () => {} };
  pair = new Pair({ ports: machine, program: [file, starts], flags: [], primaryFlags: [], log });
  const { execPath } = process;
  pair.start();
  process.execPath = join(folder, 'missing');
  try {
    await until('a try', () => said.some((line) => line.includes('again in 100 ms')));
  } finally {
    process.execPath = execPath;
  }
  await until('a standby', () => pair!.standbys[0]?.ready === true);
  expect(said.join()).toMatch(/node b cannot be started: .*ENOENT/);
});
