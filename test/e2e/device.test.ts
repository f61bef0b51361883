/**
 * What doctor and a node with an RDMA device tell people to do to their machine is done here, and helps. It changes the
 * kernel's settings and takes devices away, so it runs in the virtual machine alone (test/rdma).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exitStatus } from '../../src/base/errors.js';
import { linkFlags, linkHost, provider } from '../support/links.js';
import { hotspare, main, patienceMs, said } from '../support/nodes.js';
import { type Child, run, startChild } from '../support/process.js';
import { until } from '../support/until.js';

/** The names that test/rdma/inside.sh has given. */
const [netdev, cable, deviceName] = ['veth0', 'veth1', 'device rxe0'];

interface Finding {
  readonly what: string;
  readonly state: string;
  readonly found: string;
  readonly remedy: string;
}

async function doctor(
  what: string,
  host: string,
  prefix: readonly string[] = [],
): Promise<Finding> {
  const all = [...prefix, process.execPath, main, 'doctor', '--json', '--host', host];
  const { output } = await run(all[0]!, all.slice(1), patienceMs);
  const { findings } = JSON.parse(output) as { findings: Finding[] };
  return findings.find((finding) => finding.what === what)!;
}

function shell(command: string): void {
  execFileSync('sh', ['-c', command]);
}

/** Once the kernel has noticed. */
function becomes(what: string, state: string): Promise<Finding | false> {
  const look = async (): Promise<Finding | false> => {
    const finding = await doctor(what, linkHost);
    return finding?.state === state && finding;
  };
  return until(`${what} to be ${state}`, look, { withinMs: patienceMs });
}

(provider === 'verbs' ? describe : describe.skip)('in a machine of its own', () => {
  test('no huge pages for shared memory', async () => {
    const file = '/sys/kernel/mm/transparent_hugepage/shmem_enabled';
    const remedy = 'echo advise > /sys/kernel/mm/transparent_hugepage/shmem_enabled';
    shell(`echo never > ${file}`);
    const found = await doctor('huge pages', linkHost);
    expect(found).toMatchObject({ state: 'note', found: 'never', remedy });
    shell(found.remedy);
    expect(await doctor('huge pages', linkHost)).toMatchObject({ state: 'good' });
  });

  test('an address that is not the device’s', async () => {
    shell('ip addr add 10.9.1.1/32 dev lo');
    try {
      const { state, remedy } = await doctor('provider verbs', '10.9.1.1');
      expect(state).toBe('fail');
      expect(remedy).toMatch(/^name the device’s own address with --host; or, without a device, /);
      expect((await doctor('provider verbs', linkHost)).state).toBe('good');
    } finally {
      shell('ip addr del 10.9.1.1/32 dev lo');
    }
  });

  test.each([
    ['a device whose link is down', netdev],
    ['a device whose cable is out', cable],
  ])('%s', async (_, end) => {
    shell(`ip link set ${end} down`);
    const found = await becomes(deviceName!, 'note');
    const remedy = 'bring its link up: ip link set DEV up, or check the cable';
    expect(found).toMatchObject({ remedy });
    // The other end of a veth is its cable.
    shell(`ip link set ${end} up`);
    await becomes(deviceName!, 'good');
  });

  // inside.sh has asked doctor before it made the device, in this very way.
  test('no device: one of Soft-RoCE', async () => {
    const { findings } = JSON.parse(readFileSync(process.env['WITHOUT_DEVICE']!, 'utf8')) as {
      findings: Finding[];
    };
    const { remedy } = findings.find(({ what }) => what === 'devices')!;
    const make = 'make one of Soft-RoCE: rdma link add rxe0 type rxe netdev DEV';
    expect(remedy).toBe(`load the driver of the card (lspci -k); or, without a card, ${make}`);
    const made = readFileSync(join(__dirname, '../../../test/rdma/inside.sh'), 'utf8');
    expect(made).toContain(make.replace(/^.*?: /, '').replace('DEV', netdev!));
    await becomes(deviceName!, 'good');
    expect((await doctor('provider verbs', linkHost)).state).toBe('good');
  });

  describe('two nodes', () => {
    let folder = '';
    let primary: Child;
    let standbyFlags: string[] = [];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'hotspare-device-'));
      const secret = join(folder, 'secret');
      writeFileSync(secret, 'the secret of both nodes', { mode: 0o600 });
      const both = ['-p', '-1', '-l', '127.0.0.1', '--secret-file', secret];
      const listen = ['--link-listen', `${linkHost}:0`];
      primary = await hotspare(...both, '-m', '64', ...listen, ...linkFlags);
      const [, link] = await said(primary, /standbys attach at (\S+)/);
      standbyFlags = ['standby', ...both, '--of', link!];
    });
    afterAll(async () => {
      await primary.end();
      rmSync(folder, { recursive: true });
    });

    const limited = (bytes: string): string[] => [
      ...['setpriv', '--bounding-set', '-ipc_lock', '--inh-caps', '-ipc_lock'],
      ...['prlimit', `--memlock=${bytes}:${bytes}`],
    ];

    test('memory that may not be locked', async () => {
      const few = limited('1048576');
      const standby = (flags: readonly string[], prefix: readonly string[]): string[] => [
        ...[...prefix, process.execPath, main],
        ...[...standbyFlags, ...flags],
      ];
      const ends = async (flags: readonly string[], remedy: RegExp, status: number) => {
        const [program, ...args] = standby(flags, few);
        const { code, output } = await run(program!, args, patienceMs);
        expect(output).toMatch(
          /it may lock 1024 KiB: ulimit -l unlimited, or LimitMEMLOCK=infinity/,
        );
        expect(output).toMatch(remedy);
        expect(code).toBe(status);
      };
      await ends(linkFlags, /\(run hotspare doctor\)$/m, exitStatus.FABRIC);
      const auto = ['--transport', 'auto'];
      await ends(auto, /\(run hotspare doctor on both nodes\)$/m, exitStatus.LINK_REFUSED);
      const { state, remedy } = await doctor('locked memory', linkHost, few);
      expect(state).toBe('fail');
      expect(remedy).toBe('ulimit -l unlimited, or LimitMEMLOCK=infinity in the service');
      // LimitMEMLOCK=infinity sets both limits, too, before the process begins.
      const service = limited('unlimited');
      const unlimited = [...few, 'sh', '-c', 'ulimit -l unlimited && exec "$@"', 'sh'];
      for (const prefix of [unlimited, service]) {
        expect((await doctor('locked memory', linkHost, prefix)).state).toBe('good');
        const [program, ...args] = standby(linkFlags, prefix);
        const child = await startChild(program!, args);
        await said(child, /in sync with/);
        await child.end();
      }
    });
  });
});
