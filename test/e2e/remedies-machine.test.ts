/**
 * What hotspare tells people to do to their machine is done here, and helps: what doctor says, and what a node without
 * libfabric or OpenSSL does. What needs a kernel of its own is tried in the virtual machine: device.test.ts.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exitStatus } from '../../src/base/errors.js';
import { wallSeconds } from '../../src/native/clock.js';
import { interposerMissing } from '../support/faults.js';
import { missing } from '../support/links.js';
import { expectRefusal, main, patienceMs, serves } from '../support/nodes.js';
import { run } from '../support/process.js';

const alone = ['-p', '-1', '-l', '127.0.0.1'];
const isRoot = process.getuid?.() === 0;
const libfabric = '/usr/lib/x86_64-linux-gnu/libfabric.so.1';
const asRoot = isRoot ? test : test.skip;
const withFabric = missing === null ? test : test.skip;
const withCompiler = interposerMissing() === null ? test : test.skip;
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-machine-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Finding {
  readonly state: string;
  readonly found: string;
  readonly remedy: string;
}

/** What doctor finds, by what it looks at. */
async function doctor(
  args: readonly string[] = [],
  prefix: readonly string[] = [],
): Promise<ReadonlyMap<string, Finding>> {
  const all = [...prefix, process.execPath, main, 'doctor', '--json', ...args];
  const { output } = await run(all[0]!, all.slice(1), patienceMs);
  const { findings } = JSON.parse(output) as { findings: (Finding & { what: string })[] };
  return new Map(findings.map((finding) => [finding.what, finding]));
}

const nobody = ['setpriv', '--reuid', '65534', '--clear-groups'];

describe('doctor', () => {
  asRoot('rights to move an address: run as root, or AmbientCapabilities', async () => {
    const findings = await doctor([], nobody);
    const named = ['address rights', 'raw sockets'].map((what) => {
      const { remedy } = findings.get(what)!;
      return /^run as root, or AmbientCapabilities=CAP_(\w+) in the service$/.exec(remedy)![1]!;
    });
    const granted = named.map((name) => `+${name.toLowerCase()}`).join(',');
    // As systemd does for AmbientCapabilities=.
    const ambient = [...nobody, '--inh-caps', granted, '--ambient-caps', granted];
    for (const prefix of [[], ambient]) {
      const mended = await doctor([], prefix);
      expect(mended.get('address rights')!.state).toBe('good');
      expect(mended.get('raw sockets')!.state).toBe('good');
    }
  });

  withFabric('an address of another machine: name one with --host', async () => {
    const { remedy } = (await doctor(['--host', '198.51.100.1'])).get('provider tcp')!;
    const [, own] = /^name one with --host: (\S+?)(?:,|$)/.exec(remedy)!;
    expect((await doctor(['--host', own!])).get('provider tcp')!.state).toBe('good');
  });

  withFabric('a provider that the environment keeps out: unset FI_PROVIDER', async () => {
    const found = await doctor([], ['env', 'FI_PROVIDER=verbs']);
    expect(found.get('provider tcp')).toMatchObject({ state: 'fail', remedy: 'unset FI_PROVIDER' });
    const unset = await doctor([], ['env', '-u', 'FI_PROVIDER']);
    expect(unset.get('provider tcp')!.state).toBe('good');
  });

  test('a clock that differs: set both clocks alike, as NTP does', async () => {
    let ahead = 72;
    const peer = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(`STAT time ${wallSeconds() + ahead}\r\nEND\r\n`));
    });
    await new Promise<void>((resolve) => peer.listen(0, '127.0.0.1', resolve));
    const { port } = peer.address() as net.AddressInfo;
    const found = (await doctor(['--peer', `127.0.0.1:${port}`])).get('clock')!;
    expect(found.found).toMatch(/^7\d s from/);
    expect(found.remedy).toBe('set both clocks alike, as NTP does');
    ahead = 0;
    expect((await doctor(['--peer', `127.0.0.1:${port}`])).get('clock')!.state).toBe('good');
    peer.close();
  });
});

describe('a machine without what a link needs', () => {
  const rdma = ['--transport', 'rdma', '--fabric', 'tcp', '--link-listen', '127.0.0.1:0'];
  const file = existsSync(libfabric) ? realpathSync(libfabric) : '';

  (isRoot && file !== '' ? test : test.skip)('apt-get install libfabric1', async () => {
    // Its file is hidden from this process alone, by a mount of its own; what unhides it is what installs it.
    const hidden = [
      'unshare',
      '-m',
      'sh',
      '-c',
      `mount --bind /dev/null ${file} && exec "$@"`,
      'sh',
    ];
    const remedy = /libfabric\.so\.1 is not installed \(apt-get install libfabric1\)$/;
    await expectRefusal([...alone, ...rdma], exitStatus.FABRIC, remedy, hidden);
    const owner = execFileSync('dpkg', ['-S', libfabric], { encoding: 'utf8' });
    expect(owner).toMatch(/^libfabric1:/);
    await serves([...alone, ...rdma]);
  });

  (missing === null ? withCompiler : test.skip)('use libfabric 1.17 or newer', async () => {
    const old = join(folder, 'libfabric.so.1');
    const names = ['getinfo', 'freeinfo', 'dupinfo', 'fabric', 'strerror'];
    const functions = names.map((name) => `void *fi_${name}(void) { return 0; }`).join('\n');
    compile(old, `${functions}\nunsigned fi_version(void) { return 1 << 16 | 16; }\n`);
    const prefix = ['env', `LD_LIBRARY_PATH=${folder}`];
    const remedy =
      /older than 1\.17 \(use libfabric 1\.17 or newer, with its providers verbs and tcp\)$/;
    await expectRefusal([...alone, ...rdma], exitStatus.FABRIC, remedy, prefix);
    await serves([...alone, ...rdma]);
  });

  withCompiler('run another build of node.js, or --link-cipher none on both nodes', async () => {
    const library = join(folder, 'without-openssl.so');
    // A node.js that was linked without OpenSSL's names: the addon does not find them.
    compile(
      library,
      `#define _GNU_SOURCE
       #include <dlfcn.h>
       #include <string.h>
       void *dlsym(void *library, const char *name) {
         static void *(*found)(void *, const char *);
         if (!found) found = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
         return strncmp(name, "EVP_", 4) == 0 ? (void *)0 : found(library, name);
       }`,
    );
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'the secret of both nodes', { mode: 0o600 });
    const args = [...alone, '--secret-file', secret];
    const prefix = ['env', `LD_PRELOAD=${library}`];
    const remedy = /\(run another build of node\.js, or --link-cipher none on both nodes\)$/;
    await expectRefusal(args, exitStatus.USAGE, remedy, prefix);
    await serves(args);
    await serves([...args, '--link-cipher', 'none'], prefix);
  });
});

function compile(library: string, source: string): void {
  const file = `${library}.c`;
  writeFileSync(file, source);
  execFileSync('cc', ['-shared', '-fPIC', '-w', '-o', library, file, '-ldl']);
}
