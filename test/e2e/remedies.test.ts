/** What a message tells people to do is done here, and helps. */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { fabricRemedy } from '../../backup/link/fabrics.js';
import { freePort } from '../../failover/drill/free-port.js';
import { exitStatus } from '../../src/base/errors.js';
import { linkFlags, missing } from '../support/links.js';
import { expectRefusal, hotspare, main, patienceMs, said, serves } from '../support/nodes.js';
import { run } from '../support/process.js';
import { tlsFlags } from '../support/tls-client.js';
import { until } from '../support/until.js';

const root = join(__dirname, '../../..');
const isRoot = process.getuid?.() === 0;
const alone = ['-p', '-1', '-l', '127.0.0.1'];
/** Without libfabric, which takes long to load. */
const tcp = ['--transport', 'tcp'];
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-remedies-'));
  writeFileSync(join(folder, 'users'), 'user:password\n');
  writeFileSync(join(folder, 'secret'), 'the secret of both nodes\n', { mode: 0o600 });
  writeFileSync(join(folder, 'foreign'), 'x'.repeat(10_000), { mode: 0o600 });
});
afterAll(() => rmSync(folder, { recursive: true }));

const here = (name: string): string => join(folder, name);

interface Case {
  readonly remedy: RegExp;
  readonly broken: () => readonly string[];
  readonly mended: readonly (() => readonly string[])[];
  readonly status?: number;
  /** What stands before the refused command line. */
  readonly prefix?: readonly string[];
  /** True where only root can try it. */
  readonly asRoot?: true;
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
    broken: () => [...alone, '--link-listen', '0.0.0.0:0', ...tcp],
    mended: [
      () => [...alone, '--link-listen', '0.0.0.0:0', ...tcp, '--secret-file', here('secret')],
    ],
  },
  'a file of users that is none': {
    remedy: /\(correct the file of -Y\)$/,
    broken: () => {
      writeFileSync(here('others'), 'nobody\n');
      return [...alone, '-Y', here('others')];
    },
    mended: [
      () => {
        writeFileSync(here('others'), 'nobody:password\n');
        return [...alone, '-Y', here('others')];
      },
    ],
  },
  'TLS without a certificate': {
    remedy: /\(name the file\)$/,
    broken: () => [...alone, '-Z'],
    mended: [() => [...alone, ...tlsFlags()]],
  },
  'a certificate that is none': {
    remedy: /\(correct the ssl_ words of -o\)$/,
    broken: () => [
      ...alone,
      '-Z',
      '-o',
      `ssl_chain_cert=${here('users')},ssl_key=${here('users')}`,
    ],
    mended: [() => [...alone, ...tlsFlags()]],
  },
  'no such folder for the memory file': {
    remedy: /\(check the path, its rights and the space on its disk\)$/,
    broken: () => [...alone, '-m', '8', '-e', here('none/cache')],
    status: exitStatus.MEMORY,
    mended: [() => [...alone, '-m', '8', '-e', here('cache')]],
  },
  'an address of another machine': {
    remedy: /\(name an address of this machine with -l, and a port you may use with -p\)$/,
    broken: () => ['-p', '-1', '-l', '198.51.100.1'],
    status: exitStatus.LISTEN,
    mended: [() => alone],
  },
  'a path for the socket that cannot be written': {
    remedy: /\(name a path with -s that you may write to\)$/,
    broken: () => ['-s', here('none/socket')],
    status: exitStatus.LISTEN,
    mended: [() => ['-s', here('socket')]],
  },
  'the binary protocol': {
    remedy: /the binary protocol is not served: choose ascii or auto \(/,
    broken: () => [...alone, '-B', 'binary'],
    mended: [() => [...alone, '-B', 'ascii'], () => [...alone, '-B', 'auto']],
  },
  'a cipher without a secret': {
    remedy: /: give both nodes the same --secret-file/,
    broken: () => [...alone, '--link-listen', '127.0.0.1:0', ...tcp, '--link-cipher', 'aes-gcm'],
    mended: [
      () => {
        const link = ['--link-listen', '127.0.0.1:0', ...tcp, '--link-cipher', 'aes-gcm'];
        return [...alone, ...link, '--secret-file', here('secret')];
      },
    ],
  },
  'a sandbox that is not there': {
    remedy: /\(leave it out, or give up root with -u\)$/,
    broken: () => [...alone, '-o', 'drop_privileges'],
    mended: [() => alone, () => [...alone, '-u', 'nobody']],
  },
  'sockets that are to be marked': {
    remedy: /\(leave it out\)$/,
    broken: () => [...alone, '-o', 'sock_cookie_id=5'],
    mended: [() => alone],
  },
  'a file for items on a disk': {
    remedy: /\(leave it out\)$/,
    broken: () => [...alone, '-o', 'ext_path=/x:1G'],
    mended: [() => alone],
  },
  'an unknown word of -o': {
    remedy: /\(docs\/OPERATING.md lists the words\)$/,
    broken: () => [...alone, '-o', 'slab_automover'],
    mended: [
      () => {
        const operating = readFileSync(join(root, 'docs/OPERATING.md'), 'utf8');
        const [, listed] = /^\| `(slab_automove)(?:=\S+)?`/m.exec(operating)!;
        return [...alone, '-o', `${listed}=1`];
      },
    ],
  },
  'shares of more than the whole': {
    remedy: /\(lower one of them\)$/,
    broken: () => [...alone, '-o', 'hot_lru_pct=50,warm_lru_pct=40'],
    mended: [() => [...alone, '-o', 'hot_lru_pct=40,warm_lru_pct=40']],
  },
  SASL: {
    remedy: /\(leave it out, or let in users with -Y\)$/,
    broken: () => [...alone, '-S'],
    mended: [() => alone, () => [...alone, '-Y', here('users')]],
  },
  'a name that nobody has': {
    remedy: /\(name an address of this machine\)$/,
    broken: () => ['-p', '-1', '-l', 'nobody.invalid'],
    mended: [() => alone],
  },
  'a name where standbys attach': {
    remedy: /: name an IP address; host names are not resolved \(/,
    broken: () => [...alone, '--link-listen', 'here:0'],
    mended: [() => [...alone, '--link-listen', '127.0.0.1:0', ...tcp]],
  },
  'a port that is none': {
    remedy: /: a port is 0 to 65535 \(see hotspare -h\)$/,
    broken: () => [...alone, '--link-listen', '127.0.0.1:70000'],
    mended: [
      () => {
        const help = execFileSync(process.execPath, [main, '-h'], { encoding: 'utf8' });
        const [, flag] = /^ +(--link-listen) <HOST:PORT>/m.exec(help)!;
        return [...alone, flag!, '127.0.0.1:0', ...tcp];
      },
    ],
  },
  'the secret of no pair': {
    remedy: /HOTSPARE_SECRET_DESCRIPTOR=99, which only a pair may set: .* \(unset it\)$/,
    broken: () => alone,
    prefix: ['env', 'HOTSPARE_SECRET_DESCRIPTOR=99'],
    mended: [() => alone],
  },
  "another user's secret": {
    asRoot: true,
    remedy: /\(chown nobody \S+\)$/,
    broken: () => {
      writeFileSync(here('theirs'), 'the secret of both nodes', { mode: 0o600 });
      chownSync(here('theirs'), 1234, 0);
      return [...alone, '--secret-file', here('theirs')];
    },
    // It may read the file all the same.
    prefix: [
      ...['setpriv', '--reuid', '65534', '--clear-groups'],
      ...['--inh-caps', '+dac_override', '--ambient-caps', '+dac_override'],
    ],
    mended: [
      () => {
        execFileSync('chown', ['nobody', here('theirs')]);
        return [...alone, '--secret-file', here('theirs')];
      },
    ],
  },
  'a flag before the command': {
    remedy: /\(put it behind\)$/,
    broken: () => ['-v', 'pair'],
    mended: [() => ['pair', '-v', '-p', '0', '-s', here('socket'), '-m', '8']],
  },
};

/** Without the flag that was wrong many command lines are the same, and need not be tried again. */
let plain: Promise<string> | null = null;

describe.each(Object.entries(cases))('%s', (_, { remedy, broken, mended, status, ...more }) => {
  const { prefix, asRoot } = more;
  (asRoot && !isRoot ? test.skip : test)('is refused, and served after the remedy', async () => {
    await expectRefusal(broken(), status ?? exitStatus.USAGE, remedy, prefix);
    for (const mend of mended) {
      const args = mend();
      if (args !== alone) await serves(args, asRoot ? prefix : []);
      else {
        plain ??= serves(alone);
        await plain;
      }
    }
  });
});

describe('limits of the process', () => {
  const limited = (...limits: string[]): string[] => ['prlimit', ...limits];

  test('a higher limit of descriptors, where the node itself has too few', async () => {
    const remedy = /\(raise ulimit -Hn \(LimitNOFILE= of a unit\)\)$/;
    await expectRefusal([...alone, '-c', '60'], exitStatus.LISTEN, remedy, limited('--nofile=60'));
    await serves([...alone, '-c', '60'], limited('--nofile=200'));
  });

  test('-c: where there is room for fewer clients, that is said', async () => {
    const [few, many] = ['--nofile=200:200', '--nofile=4096:4096'].map((limit) => limited(limit));
    const remedy = /\(raise ulimit -Hn, LimitNOFILE= of a unit, or choose a smaller -c\)$/m;
    expect(await serves([...alone, '-c', '200'], few)).toMatch(remedy);
    expect(await serves([...alone, '-c', '100'], few)).not.toMatch(remedy);
    expect(await serves([...alone, '-c', '200'], many)).not.toMatch(remedy);
  });

  test('of a tool, too: a higher limit of descriptors', async () => {
    const flags = ['--transport', 'tcp', '--latencies', here('latencies'), '--count', '10'];
    const bench = async (files: number) => {
      const limit = limited(`--nofile=${files}:${files}`);
      const args = [...limit.slice(1), process.execPath, main, 'bench', 'replicate', ...flags];
      return run(limit[0]!, args, patienceMs);
    };
    // How many descriptors the program has open by then is not its promise.
    let files = 20;
    let finished = await bench(files);
    while (!/cannot wait for connections: /.test(finished.output)) {
      files++;
      expect(files).toBeLessThan(60);
      finished = await bench(files);
    }
    expect(finished.output).toMatch(/\(raise ulimit -n\)$/m);
    expect(finished.code).toBe(exitStatus.LISTEN);
    expect((await bench(4096)).code).toBe(0);
  });

  test('-m: a smaller one', async () => {
    const remedy = /\(choose a smaller -m\)$/;
    await expectRefusal(
      [...alone, '-m', '1000000'],
      exitStatus.MEMORY,
      remedy,
      limited('--as=100000000000'),
    );
    await serves([...alone, '-m', '100'], limited('--as=100000000000'));
  });

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

describe('two nodes that do not fit', () => {
  const secrets = (name: string): string[] => ['--secret-file', name];
  const cipher = (wish: string): string[] => [...secrets('secret'), '--link-cipher', wish];
  /** The folder is made once the tests begin. */
  const placed = (flags: string[]): string[] =>
    flags.map((word, i) => (flags[i - 1] === '--secret-file' ? here(word) : word));
  const times = (deadAfterMs: number, ackTimeoutMs: number): string[] => [
    ...['--dead-after', String(deadAfterMs), '--ack-timeout', String(ackTimeoutMs)],
  ];

  /** A standby with these flags is in sync with a primary with those; or it ends, with this remedy. */
  async function meet(theirs: string[], ours: string[], remedy: RegExp | null): Promise<void> {
    const listen = ['--link-listen', '127.0.0.1:0'];
    // A node that begins with a cache need not ask first whether another one reigns, for a second.
    const cache = ['-m', '8', '-e', here('begun')];
    if (!existsSync(here('begun'))) await serves([...alone, ...cache]);
    const primary = await hotspare(...alone, ...cache, ...listen, ...tcp, ...theirs);
    try {
      const [, link] = await said(primary, /standbys attach at (\S+)/);
      const args = ['standby', ...alone, ...tcp, '--of', link!, ...ours];
      if (remedy === null) await mirrors(args);
      else {
        await expectRefusal(args, exitStatus.LINK_REFUSED, remedy);
        const isSecret = remedy.source.includes('--secret-file');
        if (isSecret)
          await said(primary, /at our proof \(give both nodes the same --secret-file\)$/);
      }
    } finally {
      await primary.end();
    }
  }

  async function mirrors(args: readonly string[]): Promise<void> {
    const standby = await hotspare(...args);
    try {
      await said(standby, /in sync with/);
    } finally {
      await standby.end();
    }
  }

  test.each<[string, RegExp, [string[], string[]], [string[], string[]][]]>([
    [
      'in their secret',
      /\(give both nodes the same --secret-file\)$/,
      [secrets('secret'), secrets('foreigners')],
      [[secrets('secret'), secrets('secret')]],
    ],
    [
      'in their cipher',
      /\(give both nodes the same --link-cipher\)$/,
      [cipher('aes-gcm'), cipher('none')],
      [
        [cipher('aes-gcm'), cipher('aes-gcm')],
        [cipher('none'), cipher('none')],
      ],
    ],
    [
      'in their times',
      /\(raise --ack-timeout on the primary, or lower --dead-after here\)$/,
      [[], times(900, 5000)],
      [
        [times(100, 5000), times(900, 5000)],
        [[], times(200, 5000)],
      ],
    ],
  ])('%s do fit after the remedy', async (_, remedy, [theirs, ours], mended) => {
    writeFileSync(here('foreigners'), 'the secret of others\n', { mode: 0o600 });
    await meet(placed(theirs), placed(ours), remedy);
    for (const [primary, standby] of mended) await meet(placed(primary), placed(standby), null);
  });

  (missing === null ? test : test.skip)('in their transport do fit after the remedy', async () => {
    const remedy = /\(give both nodes the same --transport\)$/;
    await meet(['--transport', 'tcp'], [...linkFlags], remedy);
    await meet(['--transport', 'tcp'], ['--transport', 'tcp'], null);
    await meet([...linkFlags], [...linkFlags], null);
  });

  test('at a port for standbys that is taken: another one, or the same once it is free', async () => {
    const port = await freePort();
    const link = [...tcp, '--link-listen', `127.0.0.1:${port}`];
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(port, '127.0.0.1', () => resolve()));
    const remedy = /\(stop what serves there, or choose another --link-listen\)$/;
    await expectRefusal([...alone, ...link], exitStatus.LISTEN, remedy);
    await serves([...alone, ...tcp, '--link-listen', `127.0.0.1:${await freePort()}`]);
    await new Promise((resolve) => taken.close(resolve));
    await serves([...alone, ...link]);
  });
});

const headers = existsSync('/usr/include/rdma/fi_rma.h');

// It said so, and ninja had nothing to do: cmake remembered that the headers were not there.
(headers ? test : test.skip)(
  'the headers of libfabric that are installed later are found by npm run build:native',
  async () => {
    expect(fabricRemedy({ call: 'build', error: '' })).toBe(
      'apt-get install libfabric-dev, then npm run build:native',
    );
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
