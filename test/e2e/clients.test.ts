/**
 * Workouts with clients that others wrote, against hotspare and against memcached: what is asked of the one must hold
 * for the other. A client that is not installed is reported as not run; that never counts as passed.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { hotspare, pids, said } from '../support/nodes.js';
import { run, startChild } from '../support/process.js';
import { memcachedMissing, type Server, startProgram } from '../support/server.js';
import { within } from '../support/until.js';
import { memcacheClient, memcached } from './node_clients.js';

const WORKOUT_MS = 50_000;
/** The Python that has Debian's packages comes first; PATH may lead to another. */
const pythons = ['/usr/bin/python3', 'python3'];
const scripts = join(__dirname, '../../../test/clients');

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

/** A script of test/clients, and the programs to try it with; called without an address some only load their client. */
interface Script {
  readonly name: string;
  readonly programs: readonly string[];
  readonly probe: readonly string[];
  readonly args: readonly string[];
}

const python = (name: string): Script => ({
  name,
  programs: pythons,
  probe: ['-c', `import ${name}`],
  args: [join(scripts, 'python', `${name}_workout.py`)],
});
const perl = (name: string): Script => {
  const args = [join(scripts, 'perl', 'workout.pl'), name];
  return { name, programs: ['/usr/bin/perl'], probe: args, args };
};
const phpArgs = [join(scripts, 'php', 'memcached_workout.php')];
const php: Script = {
  name: 'Memcached',
  programs: ['/usr/bin/php'],
  probe: phpArgs,
  args: phpArgs,
};
const written: readonly Script[] = [
  python('pymemcache'),
  python('pylibmc'),
  perl('Cache::Memcached'),
  perl('Cache::Memcached::Fast'),
  php,
];

for (const program of ['hotspare', 'memcached'] as const) {
  describe(`clients of ${program}`, () => {
    const absent = program === 'memcached' ? memcachedMissing() : null;
    let server: Server;
    beforeAll(async () => {
      if (absent === null) server = await startProgram(program);
    });
    afterAll(async () => {
      await server?.stop();
    });
    workout('npm memcache-client', absent ?? missingModule('memcache-client'), () =>
      memcacheClient(server),
    );
    workout('npm memcached', absent ?? missingModule('memcached'), () => memcached(server));
    for (const { name, programs, probe, args } of written) {
      const found = programs.find((path) => runs(path, probe));
      workout(name, absent ?? (found === undefined ? name : null), async () => {
        const address = [server.host, String(server.port)];
        const finished = await run(found as string, [...args, ...address], WORKOUT_MS);
        expect(finished.output.trim()).toBe(`${name} is content`);
        expect(finished.code).toBe(0);
      });
    }
    const memccapable = runs('memccapable', ['-h', '127.0.0.1', '-T', 'none', '-p', '1'], true);
    workout('memccapable', absent ?? (memccapable ? null : 'memccapable'), () => capable(server));
    notRun('ruby-dalli in meta mode', dalliHindrance());
  });
}

describe('clients across a takeover', () => {
  const takeovers: readonly Script[] = [
    { ...python('pymemcache'), args: [join(scripts, 'python', 'takeover.py')] },
    { ...php, args: [join(scripts, 'php', 'takeover.php')] },
  ];
  for (const { name, programs, probe, args } of takeovers) {
    const found = programs.find((path) => runs(path, probe));
    workout(name, found === undefined ? name : null, async () => {
      const port = await freePort();
      const pair = await hotspare('pair', '-p', String(port), '-l', '127.0.0.1', '-v');
      try {
        await said(pair, /standby \w+ is in sync/);
        const client = await startChild(found as string, [...args, '127.0.0.1', String(port)]);
        try {
          await said(client, /^ready$/);
          process.kill(pids(pair, 'primary')[0]!, 'SIGKILL');
          const { code } = await within('the end of the client', WORKOUT_MS, client.exited);
          expect(client.output()).toMatch(/ is content after [1-9]\d* breaks/);
          expect(code).toBe(0);
        } finally {
          await client.end();
        }
      } finally {
        await pair.end();
      }
    });
  }
});

async function capable(server: Server): Promise<void> {
  const flags = ['-a', '-h', server.host, '-p', String(server.port), '-t', '10'];
  const finished = await run('memccapable', flags, WORKOUT_MS);
  const passed = [...finished.output.matchAll(/^ascii (\S.*?)\s+\[pass\]$/gm)].map(
    ([, name]) => name,
  );
  expect(passed.sort()).toEqual([...capabilities].sort());
  expect(finished.output).toContain('All tests passed');
  expect(finished.code).toBe(0);
}

function workout(name: string, missing: string | null, work: () => Promise<void>): void {
  if (missing === null) {
    test(name, work, WORKOUT_MS + 10_000);
  } else {
    notRun(name, `${missing} is not installed`);
  }
}

function notRun(name: string, reason: string): void {
  test.skip(`${name} (not run: ${reason})`, () => {});
}

/** Why there is no workout of Debian's ruby-dalli: only its meta mode speaks a text protocol. */
function dalliHindrance(): string {
  const gems = '/usr/share/rubygems-integration/all/gems';
  const dalli = existsSync(gems)
    ? readdirSync(gems).find((name) => name.startsWith('dalli-'))
    : undefined;
  if (dalli === undefined) return 'ruby-dalli is not installed';
  if (existsSync(join(gems, dalli, 'lib/dalli/protocol/meta.rb'))) {
    return `${dalli} has a meta mode, and nobody has written a workout for it`;
  }
  return `${dalli} speaks the binary protocol only`;
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
