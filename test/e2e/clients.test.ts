/**
 * Workouts with clients that others wrote, against the server under test. A client that is not installed is
 * reported as not run; that never counts as passed.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { run } from '../support/process.js';
import { type Server, startServer } from '../support/server.js';
import { memcacheClient, memcached } from './node_clients.js';

const WORKOUT_MS = 50_000;
/** The Python that has Debian's packages comes first; PATH may lead to another. */
const pythons = ['/usr/bin/python3', 'python3'];
const scripts = join(__dirname, '../../../test/e2e');

/** The tests of `memccapable -a`; memcached 1.6.18 passes them all. */
const capabilities = [
  ...['version', 'quit', 'verbosity', 'get', 'gets', 'mget', 'stat'],
  ...[
    'set',
    'flush',
    'add',
    'replace',
    'cas',
    'delete',
    'incr',
    'decr',
    'append',
    'prepend',
  ].flatMap((name) => [name, `${name} noreply`]),
];

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server?.stop();
});

describe('clients of npm', () => {
  workout('memcache-client', missingModule('memcache-client'), () => memcacheClient(server));
  workout('memcached', missingModule('memcached'), () => memcached(server));
});

describe('clients of Debian', () => {
  for (const name of ['pymemcache', 'pylibmc']) {
    const python = pythons.find((path) => runs(path, ['-c', `import ${name}`]));
    workout(name, python === undefined ? name : null, async () => {
      const script = join(scripts, `${name}_workout.py`);
      const finished = await run(
        python as string,
        [script, server.host, String(server.port)],
        WORKOUT_MS,
      );
      expect(finished.output.trim()).toBe(`${name} is content`);
      expect(finished.code).toBe(0);
    });
  }

  const memccapable = runs('memccapable', ['-h', '127.0.0.1', '-T', 'none', '-p', '1'], true);
  workout('memccapable', memccapable ? null : 'memccapable', async () => {
    const flags = ['-a', '-h', server.host, '-p', String(server.port), '-t', '10'];
    const finished = await run('memccapable', flags, WORKOUT_MS);
    const passed = [...finished.output.matchAll(/^ascii (\S.*?)\s+\[pass\]$/gm)].map(
      ([, name]) => name,
    );
    expect(passed.sort()).toEqual([...capabilities].sort());
    expect(finished.output).toContain('All tests passed');
    expect(finished.code).toBe(0);
  });
});

function workout(name: string, missing: string | null, work: () => Promise<void>): void {
  if (missing === null) {
    test(name, work, WORKOUT_MS + 10_000);
  } else {
    test.skip(`${name} (not run: ${missing} is not installed)`, () => {});
  }
}

function missingModule(name: string): string | null {
  try {
    require.resolve(name);
    return null;
  } catch {
    return name;
  }
}

/** Whether a program is there; with `anyEnd` it need not succeed. */
function runs(program: string, args: readonly string[], anyEnd = false): boolean {
  const finished = spawnSync(program, args, { timeout: 10_000, stdio: 'ignore' });
  return finished.error === undefined && (anyEnd || finished.status === 0);
}
