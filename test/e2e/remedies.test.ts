/** What a message tells people to do is done here, and helps. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from '../../failover/drill/free-port.js';
import { exitStatus } from '../../src/base/errors.js';
import { expectRefusal, main, patienceMs, said } from '../support/nodes.js';
import { run, startChild } from '../support/process.js';
import { tlsFlags } from '../support/tls-client.js';
import { until } from '../support/until.js';

const root = join(__dirname, '../../..');
const isRoot = process.getuid?.() === 0;
const alone = ['-p', '-1', '-l', '127.0.0.1'];
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-remedies-'));
  writeFileSync(join(folder, 'users'), 'user:password\n');
  writeFileSync(join(folder, 'secret'), 'the secret of both nodes\n', { mode: 0o600 });
  writeFileSync(join(folder, 'foreign'), 'x'.repeat(10_000), { mode: 0o600 });
});
afterAll(() => rmSync(folder, { recursive: true }));

const here = (name: string): string => join(folder, name);

/** It serves with these arguments, and is ended. */
async function serves(args: readonly string[], prefix: readonly string[] = []): Promise<void> {
  const [program, ...rest] = [...prefix, process.execPath, main, ...args];
  const child = await startChild(program!, rest);
  try {
    await said(child, /serving on/);
  } finally {
    await child.end();
  }
}

interface Case {
  readonly remedy: RegExp;
  readonly broken: () => readonly string[];
  readonly mended: readonly (() => readonly string[])[];
  readonly status?: number;
}

const cases: Readonly<Record<string, Case>> = {
  'no such folder for the pid file': {
    remedy: /\(check the path and its rights\)$/,
    broken: () => [...alone, '-P', here('none/pid')],
    mended: [() => [...alone, '-P', here('pid')]],
  },
  'an item limit above half of the memory': {
    remedy: /\(give it more with -m, or choose a smaller -I\)$/,
    broken: () => [...alone, '-m', '8', '-I', '5m'],
    mended: [() => [...alone, '-m', '10', '-I', '5m'], () => [...alone, '-m', '8', '-I', '4m']],
  },
  'users over UDP': {
    remedy: /\(leave -U or -Y out\)$/,
    broken: () => [...alone, '-U', '-1', '-Y', here('users')],
    mended: [() => [...alone, '-U', '-1'], () => [...alone, '-Y', here('users')]],
  },
  'notls without TLS': {
    remedy: /\(leave notls: out, or add -Z\)$/,
    broken: () => ['-p', '-1', '-l', 'notls:127.0.0.1'],
    mended: [() => alone, () => ['-p', '-1', '-l', 'notls:127.0.0.1', ...tlsFlags()]],
  },
  'a memory file to discard that has no name': {
    remedy: /\(name it with -e\)$/,
    broken: () => [...alone, '--discard-memory-file', '-m', '8'],
    mended: [() => [...alone, '--discard-memory-file', '-m', '8', '-e', here('named')]],
  },
  'a file that is no memory file': {
    remedy:
      /\(use its flags; or start empty: with --discard-memory-file if it is one, else delete \S+foreign\)$/,
    broken: () => [...alone, '-m', '8', '-e', here('foreign')],
    status: exitStatus.REGION,
    mended: [
      () => {
        rmSync(here('foreign'));
        return [...alone, '-m', '8', '-e', here('foreign')];
      },
    ],
  },
  'a link that strangers can reach, without a secret': {
    remedy: /give both nodes the same --secret-file/,
    broken: () => [...alone, '--link-listen', '0.0.0.0:0'],
    mended: [() => [...alone, '--link-listen', '0.0.0.0:0', '--secret-file', here('secret')]],
  },
  'a flag before the command': {
    remedy: /\(put it behind\)$/,
    broken: () => ['-v', 'pair'],
    mended: [() => ['pair', '-v', '-p', '0', '-s', here('socket'), '-m', '8']],
  },
};

describe.each(Object.entries(cases))('%s', (_, { remedy, broken, mended, status }) => {
  test('is refused, and served after the remedy', async () => {
    await expectRefusal(broken(), status ?? exitStatus.USAGE, remedy);
    for (const args of mended) await serves(args());
  });
});

describe('limits of the process', () => {
  const limited = (...limits: string[]): string[] => ['prlimit', ...limits];

  test('-c: a smaller one, or a higher limit of descriptors', async () => {
    const few = limited('--nofile=200:200');
    const remedy = /\(try a smaller -c, or raise ulimit -Hn\)$/;
    await expectRefusal([...alone, '-c', '1000'], exitStatus.LISTEN, remedy, few);
    await serves([...alone, '-c', '100'], few);
    await serves([...alone, '-c', '1000'], limited('--nofile=4096:4096'));
  });

  (isRoot ? test : test.skip)('-k: a higher limit of locked memory, or none', async () => {
    const without = ['setpriv', '--bounding-set=-ipc_lock'];
    const little = [...limited('--memlock=65536:65536'), ...without];
    const remedy = /\(raise ulimit -l, or leave -k out\)$/;
    await expectRefusal([...alone, '-k', '-m', '4'], exitStatus.MEMORY, remedy, little);
    // The limit of this process is the kernel's default, 8 MiB, or more.
    await serves([...alone, '-k', '-m', '4'], without);
    await serves([...alone, '-m', '4'], little);
  });

  (isRoot ? test : test.skip)('-u: a user that exists; a port that it may bind again', async () => {
    const noUser = /\(name a user of \/etc\/passwd\)$/;
    await expectRefusal([...alone, '-u', 'nosuch'], exitStatus.USAGE, noUser);
    await serves([...alone, '-u', 'nobody']);
    const again = /\(choose a port from 1024 on, or leave -u out\)$/;
    const pair = ['pair', '-l', '127.0.0.1', '-m', '8'];
    await expectRefusal([...pair, '-u', 'nobody', '-p', '81'], exitStatus.USAGE, again);
    await serves([...pair, '-u', 'nobody', '-p', String(await freePort())]);
  });
});

describe('an address in use', () => {
  const taken = createServer();
  afterEach(() => {
    taken.close();
  });

  test('is free once what serves there is stopped; another is free at once', async () => {
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', () => resolve()));
    const { port } = taken.address() as { port: number };
    const args = ['-p', String(port), '-l', '127.0.0.1'];
    const remedy = /\(stop what serves there, or choose another address with -p, -l, -s or -U\)$/;
    await expectRefusal(args, exitStatus.LISTEN, remedy);
    await serves(['-p', String(await freePort()), '-l', '127.0.0.1']);
    await new Promise((resolve) => taken.close(resolve));
    await serves(args);
  });
});

const headers = existsSync('/usr/include/rdma/fi_rma.h');

// It said so, and ninja had nothing to do: cmake remembered that the headers were not there.
(headers ? test : test.skip)(
  'the headers of libfabric that are installed later are found by npm run build:native',
  async () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const out = here('native');
    const build = String(scripts['build:native']).replaceAll('build/native', out);
    const bin = join(root, 'node_modules/.bin');
    const sh = (command: string) =>
      run('sh', ['-c', `cd '${root}' && PATH="${bin}:$PATH" && ${command}`], 10 * patienceMs);
    const hidden = '--CDCMAKE_IGNORE_PATH=/usr/include';
    const without = await sh(`cmake-js configure ${hidden} --directory native --out '${out}'`);
    expect(without.output).toContain(
      "libfabric's headers are missing (apt-get install libfabric-dev)",
    );
    const rules = () => readFileSync(join(out, 'build.ninja'), 'utf8');
    expect(rules()).not.toContain('mirror_writer.cc.o');
    // They are installed: nothing hides them from here on. Compiling what was configured is the compiler's business.
    const unhide = 's|^\\(CMAKE_IGNORE_PATH:[A-Z]*=\\).*|\\1|';
    execFileSync('sed', ['-i', unhide, join(out, 'CMakeCache.txt')]);
    const configured = await sh(build.replace(/&& cmake-js compile/, '&& true cmake-js compile'));
    expect(configured.code).toBe(0);
    await until('the new rules', () => rules().includes('mirror_writer.cc.o'));
  },
);
