/**
 * Fuzzes a running server for FUZZ_SECONDS (10): many connections at once that send valid, spoilt and random
 * bytes in random pieces, stop midway, do not read, or vanish. Meanwhile
 *
 *   - every byte that comes back fits the grammar of documented replies, or the connection is closed;
 *   - valid commands get exactly their number of answers;
 *   - a sentinel connection reads back its own data, exactly;
 *   - the process lives, answers at the end, and its memory stays within bounds.
 *
 * The seed is printed; FUZZ_SEED repeats it: the same sessions, in the same order, sending the same bytes.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from '../support/client.js';
import { type Server, startServer } from '../support/server.js';
import { Random } from './random.js';
import { Sentinel } from './sentinel.js';
import { Session } from './session.js';

const seconds = Number(process.env['FUZZ_SECONDS'] ?? 10);
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 0x8000_0000);
const AT_ONCE = 12;
/** The cache is 64 MiB; the rest is for the program and for what clients are sent and do not read. */
const RSS_MIB_MAX = 512;

describe(`fuzz, FUZZ_SEED=${seed}`, () => {
  let server: Server;
  beforeAll(async () => {
    process.stderr.write(`fuzz for ${seconds} s: FUZZ_SEED=${seed}\n`);
    server = await startServer();
  });
  afterAll(async () => {
    await server?.stop();
  });

  test(
    'only documented replies come out, and the sentinel keeps its data',
    async () => {
      const sentinel = await Sentinel.start(server, new Random(seed));
      const deadline = performance.now() + seconds * 1000;
      let failed = false;
      let sessions = 0;
      const running = () => !failed && performance.now() < deadline;
      const guard = async (work: () => Promise<void>) => {
        try {
          while (running()) {
            await work();
          }
        } catch (error) {
          failed = true;
          throw new Error(`FUZZ_SEED=${seed}: ${(error as Error).message}\n${ended(server)}`);
        }
      };
      const session = () => {
        sessions += 1;
        return Session.run(server, seed, sessions);
      };
      const results = await Promise.allSettled([
        guard(() => sentinel.step()),
        ...Array.from({ length: AT_ONCE }, () => guard(session)),
      ]);
      const reasons = results.flatMap((result) =>
        result.status === 'rejected' ? [(result.reason as Error).message] : [],
      );
      expect(reasons).toEqual([]);
      await sentinel.readAll();
      sentinel.close();
      process.stderr.write(`fuzz: ${sessions} sessions\n`);
      expect(sessions).toBeGreaterThan(AT_ONCE);
    },
    (seconds + 60) * 1000,
  );

  test('the server lives, answers, and its memory is within bounds', async () => {
    expect(server.child?.running() ?? true).toBe(true);
    const client = await Client.connect(server.host, server.port);
    await client.send('version\r\n');
    expect(await client.readLine()).toMatch(/^VERSION /);
    client.close();
    if (server.child !== null) {
      expect(residentMib(server.child.pid)).toBeLessThan(RSS_MIB_MAX);
    }
  });
});

/** How the server ended, if it did. */
function ended(server: Server): string {
  return server.child === null || server.child.running()
    ? ''
    : `the server has ended; its last output: ${server.child.output().slice(-4000)}`;
}

function residentMib(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}
