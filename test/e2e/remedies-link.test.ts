/** What two nodes that do not come together are told to do about it, is done here, and they mirror. */
import {
  closeSync,
  copyFileSync,
  cpSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { FrameType, protocolVersion } from '../../backup/channel/frame.js';
import { freePort } from '../../failover/drill/free-port.js';
import { exitStatus } from '../../src/base/errors.js';
import { SuperWord } from '../../src/store/layout.js';
import { linkFlags, missing } from '../support/links.js';
import { expectRefusal, main, patienceMs, said, serves, stats } from '../support/nodes.js';
import { framed, Peer } from '../support/peer.js';
import { type Child, run, startChild } from '../support/process.js';
import { Relay } from '../support/relay.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
const root = join(__dirname, '../../..');
/** Without libfabric, which takes long to load. */
const alone = ['-p', '-1', '-l', host, '--transport', 'tcp'];
/** A primary does not wait long for a standby that is gone. */
const brief = ['--dead-after', '440', '--ack-timeout', '1000'];
/** Nobody is found silent, however busy the machine is. */
const patient = ['--dead-after', '20000', '--ack-timeout', '60000'];

let folder = '';
let files = 0;
let children: Child[] = [];
let relays: Relay[] = [];
const servers: net.Server[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-link-remedies-'));
  await serves([...alone, '-m', '8', '-e', join(folder, 'cache')]);
});
afterEach(async () => {
  for (const relay of relays) relay.end();
  relays = [];
  for (const server of servers.splice(0)) server.close();
  for (const child of children) child.signal('SIGCONT');
  await Promise.all(children.map((child) => child.end()));
  children = [];
});
afterAll(async () => {
  await shared?.node.end();
  rmSync(folder, { recursive: true });
});

async function start(args: readonly string[], entry = main): Promise<Child> {
  const child = await startChild(process.execPath, [entry, ...args]);
  children.push(child);
  return child;
}

interface Primary {
  readonly node: Child;
  readonly port: number;
  readonly link: string;
}

async function primary(flags: readonly string[] = [], entry = main): Promise<Primary> {
  const listen = flags.includes('--link-listen') ? [] : ['--link-listen', `${host}:0`];
  // A node that begins with a cache need not ask first whether another one reigns, for a second.
  const file = join(folder, `cache${files++}`);
  copyFileSync(join(folder, 'cache'), file);
  const memory = ['-m', '8', '-e', file];
  const node = await start([...alone, ...memory, ...patient, ...listen, ...flags], entry);
  const [, port, link] = await said(node, /serving on port (\d+),.* standbys attach at (\S+)/);
  return { node, port: Number(port), link: link! };
}

let shared: Primary | null = null;

/** A primary that no test ends or changes. */
async function sharedPrimary(): Promise<Primary> {
  if (shared === null) {
    shared = await primary(brief);
    children = children.filter((child) => child !== shared!.node);
  }
  return shared;
}

function standbyOf(link: string, ...flags: string[]): string[] {
  return ['standby', ...alone, '--of', link, ...patient, ...flags];
}

/** It is in sync, and stays until the end of the test. */
async function mirrors(args: readonly string[], entry = main): Promise<Child> {
  const standby = await start(args, entry);
  await said(standby, /in sync with/);
  return standby;
}

/** A relay to the primary, whose frames to the standby may be changed. */
async function relayTo(link: string): Promise<{ relay: Relay; of: string }> {
  const relay = new Relay(Number(link.split(':')[1]));
  relays.push(relay);
  return { relay, of: `${host}:${await relay.listen()}` };
}

test('two versions: run the same version of hotspare on both nodes', async () => {
  const other = join(folder, 'other');
  cpSync(join(root, 'dist'), join(other, 'dist'), {
    recursive: true,
    filter: (name) => !/\/dist\/(test|bench)/.test(name),
  });
  for (const name of ['build', 'node_modules', 'package.json'])
    symlinkSync(join(root, name), join(other, name));
  const file = join(other, 'dist/backup/channel/frame.js');
  const text = readFileSync(file, 'utf8');
  const newer = text.replace(
    `protocolVersion = ${protocolVersion};`,
    `protocolVersion = ${protocolVersion + 1};`,
  );
  expect(newer).not.toBe(text);
  writeFileSync(file, newer);
  const entry = join(other, 'dist/cli/main.js');
  const { link } = await sharedPrimary();
  const { code, output } = await run(process.execPath, [entry, ...standbyOf(link)], patienceMs);
  expect(output).toMatch(/ \(run the same version of hotspare on both nodes\)$/m);
  expect(code).toBe(exitStatus.LINK_VERSION);
  await mirrors(standbyOf((await primary([], entry)).link), entry);
});

describe('a standby that was given another address than that of its primary: correct --of', () => {
  /** It waits there, and says this; with the right address it mirrors. */
  async function corrected(of: string, remedy: RegExp, ...flags: string[]): Promise<void> {
    const lost = await start(standbyOf(of, ...flags));
    await said(lost, remedy);
    expect(lost.running()).toBe(true);
    await lost.end();
    await mirrors(standbyOf((await sharedPrimary()).link, ...brief));
  }

  test('nobody listens there', async () => {
    const remedy =
      /nobody listens there; .* \(start the primary with --link-listen, or correct --of\)$/m;
    await corrected(`${host}:${await freePort()}`, remedy);
  });

  test.each([
    [
      'something else',
      (peer: Peer) => peer.socket.write('HTTP/1.1 400 Bad Request\r\n'.repeat(9)),
      exitStatus.LINK_LOST,
    ],
    [
      'a frame of no primary',
      (peer: Peer) => peer.send(FrameType.WELCOME, {}),
      exitStatus.LINK_REFUSED,
    ],
  ])('a server there says %s', async (_, answer, status) => {
    const server = net.createServer((socket) => {
      const peer = new Peer(socket);
      socket.once('data', () => answer(peer));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    const { port } = server.address() as net.AddressInfo;
    const remedy = / \(name the --link-listen of a primary with --of\)$/;
    await expectRefusal(standbyOf(`${host}:${port}`), status, remedy);
    await mirrors(standbyOf((await sharedPrimary()).link, ...brief));
  });
});

test('a standby without a descriptor for its link: how many open files this process may have', async () => {
  const link = `${host}:${await freePort()}`;
  const standby = await start(standbyOf(link));
  await said(standby, /nobody listens there/);
  const limit = (files: string) =>
    run('prlimit', ['--pid', String(standby.pid), `--nofile=${files}:4096`], patienceMs);
  await limit('3');
  const remedy =
    /cannot connect to .* \(check --of, and how many open files this process may have\)$/;
  await said(standby, remedy);
  await primary(['--link-listen', link]);
  await limit('4096');
  await said(standby, /in sync with/);
});

test('an heir without a descriptor for its clients: raise the limit of open files', async () => {
  // Without a descriptor it is silence that proves the death, in time for the lease.
  const times = ['--dead-after', '1000', '--ack-timeout', '6000'];
  const { node, link } = await primary(times);
  const listen = ['--link-listen', `${host}:${await freePort()}`];
  const heir = await mirrors(standbyOf(link, ...listen, ...times));
  await said(node, /is in sync/);
  const limit = (files: string) =>
    run('prlimit', ['--pid', String(heir.pid), `--nofile=${files}:4096`], patienceMs);
  await limit('3');
  node.signal('SIGKILL');
  const remedy = /EMFILE; trying on: .* \(raise the limit of open files with prlimit --pid\)$/;
  await said(heir, remedy);
  await limit('4096');
  await said(heir, /serving on port \d+, epoch 2/);
});

describe('what comes of a primary is not right', () => {
  const sameVersion = /\(run the same version of hotspare on both nodes\)$/;
  const { CHALLENGE, WELCOME, REFUSED, BLOCK } = FrameType;
  type Payload = (payload: Buffer) => Uint8Array;
  const words = (text: object): Uint8Array => Buffer.from(JSON.stringify(text));
  const onVerbs: Payload = (payload) =>
    words({ ...JSON.parse(payload.toString()), provider: 'verbs' });

  test.each<[string, RegExp, number, number, Payload]>([
    ['its welcome', sameVersion, WELCOME, WELCOME, () => words({})],
    ['its refusal', sameVersion, CHALLENGE, REFUSED, () => words({})],
    [
      'its choice of a link',
      /the primary chose verbs, which was not offered \(run hotspare doctor on both nodes\)$/,
      WELCOME,
      WELCOME,
      onVerbs,
    ],
    [
      'its copy',
      /the copy of the region is damaged \(start the standby again\)$/,
      BLOCK,
      BLOCK,
      withoutMagic,
    ],
  ])('%s: the remedy helps', async (_, remedy, type, becomes, payload) => {
    const { link } = await sharedPrimary();
    const { relay, of } = await relayTo(link);
    relay.toStandby.changes = (frame, whole) => {
      const fields = { ...frame, epoch: whole.readUInt32LE(8) };
      return [frame.type === type ? framed(becomes, payload(frame.payload), fields) : whole];
    };
    const standby = standbyOf(of, ...brief);
    await expectRefusal(standby, exitStatus.LINK_REFUSED, remedy);
    if (payload === onVerbs) {
      const findings = await doctor();
      expect(findings).toMatch(/^(fail|good) +(provider verbs|libfabric) /m);
    }
    // The other node is of the same version from here on, or what went wrong on the way does not come again.
    relay.toStandby.changes = (__, whole) => [whole];
    await mirrors(standby);
  });
});

/** The records of a block, which say where each belongs; the superblock's magic is spoilt where it is among them. */
function withoutMagic(records: Buffer): Buffer {
  const bytes = Buffer.from(records);
  const magicAt = SuperWord.MAGIC * 4;
  for (let at = 0; at < bytes.length; ) {
    const offset = Number(bytes.readBigUInt64LE(at));
    const length = bytes.readUInt32LE(at + 8);
    const isThere = offset <= magicAt && magicAt < offset + length;
    if (isThere) bytes.writeInt32LE(1, at + 12 + magicAt - offset);
    at += 12 + 4 * Math.ceil(length / 4);
  }
  return bytes;
}

let found = '';

/** What doctor says; this machine stays as it is. */
async function doctor(): Promise<string> {
  if (found === '') found = (await run(process.execPath, [main, 'doctor'], patienceMs)).output;
  return found;
}

test('a stranger at the link port: connect a hotspare standby to this port, nothing else', async () => {
  const { link } = await sharedPrimary();
  const peer = await Peer.connect(Number(link.split(':')[1]));
  peer.send(FrameType.ACK, null);
  const remedy = 'connect a hotspare standby to this port, nothing else';
  expect(await peer.message(FrameType.REFUSED)).toMatchObject({ remedy });
  peer.end();
  await mirrors(standbyOf(link, ...brief));
});

test("a standby that waits less than three of its primary's heartbeats: raise one, or lower the other", async () => {
  const seldom = ['--heartbeat', '90'];
  const { link } = await primary(seldom);
  const hasty = ['--dead-after', '200', '--ack-timeout', '5000'];
  const remedy = /\(raise --dead-after here, or lower --heartbeat on the primary\)$/;
  await expectRefusal(standbyOf(link, ...hasty), exitStatus.LINK_REFUSED, remedy);
  await mirrors(standbyOf(link, '--dead-after', '300', '--ack-timeout', '5000'));
  await mirrors(standbyOf((await sharedPrimary()).link, ...hasty));
});

test('a standby that is dropped: more processor, or a longer --ack-timeout', async () => {
  const { node, link } = await primary(brief);
  const standby = await mirrors(standbyOf(link, ...brief));
  await said(node, /is in sync/);
  const begun = performance.now();
  standby.signal('SIGSTOP');
  await said(node, /standby \w+ dropped/);
  const stoodMs = performance.now() - begun;
  standby.signal('SIGCONT');
  const remedy =
    /dropped: acked too late; raise --ack-timeout on the primary, or give this node more processor$/;
  await said(standby, remedy);
  // It has a processor again.
  await said(standby, /in sync with/, 2);
  await Promise.all([standby.end(), node.end()]);
  const other = await primary(['--ack-timeout', '60000']);
  const second = await mirrors(standbyOf(other.link, ...brief));
  const again = performance.now();
  second.signal('SIGSTOP');
  await until('as long a time', () => performance.now() - again > stoodMs, { withinMs: 60_000 });
  second.signal('SIGCONT');
  expect((await stats(other.port)).get('mirror_state')).toBe('in_sync');
  expect(other.node.output()).not.toMatch(/dropped/);
});

// Who reigns is decided as they meet; a cache with a higher epoch that comes later is none of this reign.
test('two nodes serve two caches: end one of them', async () => {
  const link = `${host}:${await freePort()}`;
  const { node } = await primary(['--link-listen', link]);
  const own = ['--link-listen', `${host}:${await freePort()}`];
  const heir = await mirrors(standbyOf(link, ...own));
  await said(node, /is in sync/);
  node.signal('SIGKILL');
  await said(heir, /serving on port \d+, epoch 2/);
  const file = join(folder, 'of-others');
  await serves([...alone, '-m', '8', '-e', file]);
  writeEpoch(file, 9);
  const rival = await primary(['-e', file, '--link-listen', link]);
  await said(heir, /does not step down: epoch 9 .*; two nodes serve two caches: end one of them$/);
  await rival.node.end();
  const other = await start([...alone, '-m', '8', ...patient, '--link-listen', link]);
  await said(other, /deposed: epoch 2 reigns now[\s\S]*in sync with/);
});

(missing === null ? describe : describe.skip)('--transport rdma', () => {
  const none = ['--transport', 'rdma', '--fabric', 'verbs'];
  const isFound = /^good +provider tcp /m;

  test('where there is no such device: hotspare doctor says what there is', async () => {
    const args = [...alone, '-m', '8', '-e', join(folder, 'cache'), '--link-listen', `${host}:0`];
    const remedy = /\(hotspare doctor says what there is\)$/;
    await expectRefusal([...args, ...none], exitStatus.FABRIC, remedy);
    expect(await doctor()).toMatch(isFound);
    await serves([...args, '--transport', 'rdma', '--fabric', 'tcp']);
  });

  test('of two nodes without a provider in common: run hotspare doctor on both nodes', async () => {
    const { link } = await primary([...linkFlags]);
    const remedy = /cannot be had: .* \(run hotspare doctor on both nodes\)$/;
    await expectRefusal(standbyOf(link, ...none), exitStatus.LINK_REFUSED, remedy);
    expect(await doctor()).toMatch(isFound);
    await mirrors(standbyOf(link, ...linkFlags));
  });
});

function writeEpoch(file: string, epoch: number): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(epoch);
  const descriptor = openSync(file, 'r+');
  writeSync(descriptor, bytes, 0, 4, SuperWord.EPOCH * 4);
  closeSync(descriptor);
}
