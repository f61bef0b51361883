/** Whatever keeps hotspare from starting is said in one line, with what to do about it, and its own exit status. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { FrameType, protocolVersion } from '../../backup/channel/frame.js';
import { exitStatus } from '../../src/base/errors.js';
import { expectRefusal, hotspare, patienceMs, said } from '../support/nodes.js';
import { helloOf, Peer, type PeerFrame } from '../support/peer.js';
import type { Child } from '../support/process.js';
import { Relay } from '../support/relay.js';
import { until, within } from '../support/until.js';

const linked = ['-p', '-1', '-l', '127.0.0.1', '--link-listen', '127.0.0.1:0'];
const alone = ['-p', '-1', '-l', '127.0.0.1'];

let folder: string;
let children: Child[] = [];
let relays: Relay[] = [];
let servers: net.Server[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-startup-'));
});

afterEach(async () => {
  for (const child of children) child.signal('SIGCONT');
  await Promise.all(children.map((child) => child.end()));
  children = [];
  for (const relay of relays) relay.end();
  relays = [];
  for (const server of servers) server.close();
  servers = [];
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('the command line', () => {
  test.each<[string, string[], RegExp]>([
    ['an unknown flag', ['--colour'], /unknown option '--colour'/],
    ['an unknown command', ['mirror'], /unknown command/],
    ['a misspelt flag', ['--prot', '1'], /unknown option '--prot' \(Did you mean --port\?\) \(/],
    ['a value that is no number', ['-p', 'http'], /'-p, --port <num>'.* a whole number/],
    ['a standby of nobody', ['standby'], /required option '--of/],
    ['a standby of no port', ['standby', '--of', '127.0.0.1'], /a port is missing/],
    [
      'a link beyond this machine without a secret',
      ['--link-listen', '0.0.0.0:0'],
      /needs a secret/,
    ],
    ['a primary beyond it, too', ['standby', '--of', '192.0.2.1:1'], /needs a secret/],
    ['a secret that is not there', ['--secret-file', '/nowhere/s'], /\/nowhere\/s.*no such file/],
    ['a secret that is too short', ['--secret-file', '/dev/null'], /has 0 bytes/],
    ['a hasty detector', ['--dead-after', '50'], /at least three times --heartbeat/],
    ['a pair without a port', ['pair', '-p', '-1'], /must be named/],
    ['a pair with one file', ['pair', '-p', '1', '-e', 'file'], /cannot share one file/],
    ['a drill without memory for its fill', ['drill', '--memory', '8', '--fill', '9'], /only 8/],
    ...['replicate', 'puts-only', 'gets-only', 'puts-gets'].map(
      (kind): [string, string[], RegExp] => [
        `a bench ${kind} whose file cannot be`,
        ['bench', kind, '--latencies', '/nowhere/l'],
        /--latencies \/nowhere\/l: cannot be written: .*\(ENOENT\)/,
      ],
    ),
  ])('%s', async (_, args, sentence) => {
    await expectRefusal(args, exitStatus.USAGE, sentence);
  });
});

test('a drill of a link that this machine has not', async () => {
  const args = ['drill', '--transport', 'rdma', '--fabric', 'verbs'];
  await expectRefusal(args, exitStatus.FABRIC, /--transport rdma: /);
});

describe('what is taken', () => {
  test('the port', async () => {
    const port = await listener();
    await expectRefusal(
      ['-p', String(port)],
      exitStatus.LISTEN,
      /port \d+: Address already in use/,
    );
  });

  test('the port for standbys', async () => {
    const args = [...alone, '--link-listen', `127.0.0.1:${await listener()}`];
    await expectRefusal(
      args,
      exitStatus.LISTEN,
      /listen for standbys on 127.0.0.1:\d+: EADDRINUSE/,
    );
  });

  test('a path for a UNIX socket', async () => {
    const path = join(folder, 'taken');
    writeFileSync(path, '');
    await expectRefusal(['-s', path], exitStatus.LISTEN, /taken: Address already in use/);
    const nowhere = join(folder, 'no', 'socket');
    await expectRefusal(['-s', nowhere], exitStatus.LISTEN, /bind: ENOENT \(name a path with -s/);
  });

  test('an address of another machine', async () => {
    const args = ['-p', '-1', '-l', '192.0.2.1'];
    await expectRefusal(args, exitStatus.LISTEN, /192\.0\.2\.1.*EADDRNOTAVAIL/);
    // A standby does not find out only when it must serve. Its primary may hold the port until then.
    const of = `127.0.0.1:${await primary()}`;
    await expectRefusal(
      ['standby', '--of', of, ...args],
      exitStatus.LISTEN,
      /192\.0\.2\.1.*EADDRNOTAVAIL/,
    );
    const port = String(await listener());
    await start('standby', '--of', of, '-p', port, '-l', '127.0.0.1');
  });
});

describe('memory', () => {
  test('more than may be mapped', async () => {
    const sentence = /cannot map 16\d\d\d MiB of memory: mmap: ENOMEM/;
    await expectRefusal([...alone, '-m', '16384'], exitStatus.MEMORY, sentence, limited);
  });

  test('more than a standby may map, though its primary could', async () => {
    const of = await primary('-m', '16384');
    const args = ['standby', ...alone, '--of', `127.0.0.1:${of}`];
    await expectRefusal(args, exitStatus.MEMORY, /cannot map 16\d\d\d MiB/, limited);
  });

  test('a file that cannot be made', async () => {
    const args = [...alone, '-e', join(folder, 'no', 'such', 'folder')];
    await expectRefusal(args, exitStatus.MEMORY, /folder: open: ENOENT/);
  });
});

describe('a standby', () => {
  test('of a port where nobody listens waits, and says so: its primary may be started later', async () => {
    const port = await closedPort();
    const standby = await waiting(`127.0.0.1:${port}`);
    await said(
      standby,
      /cannot reach the primary at \S+: nobody listens there; .*\(start the primary with --link-listen, or /,
    );
    await start('-p', '-1', '-l', '127.0.0.1', '--link-listen', `127.0.0.1:${port}`);
    await said(standby, /in sync with/);
  });

  test('of a port that clients use waits, and says which port that may be', async () => {
    const standby = await waiting(`127.0.0.1:${await listener()}`);
    const remedy =
      "is that the --link-listen of a primary, and not its clients' port? Correct --of";
    await said(standby, /no answer .*; trying again .*\(is that the --link-listen/);
    expect(standby.output()).toContain(`(${remedy})\n`);
    expect(standby.running()).toBe(true);
    await standby.end();
    const correct = await waiting(`127.0.0.1:${await primary()}`);
    await said(correct, /in sync with/);
  });

  test('of a primary with another secret: each side sees it', async () => {
    const of = await primary('--secret-file', secret('theirs'));
    const args = ['standby', ...alone, '--of', `127.0.0.1:${of}`, '--secret-file', secret('ours')];
    await expectRefusal(args, exitStatus.LINK_REFUSED, /the primary does not know the secret/);
    await expectRefusal(args.slice(0, -2), exitStatus.LINK_REFUSED, /does not know the secret/);
  });

  test('that does not know the secret is sent away, by whatever name', async () => {
    const of = await primary('--secret-file', secret('theirs'));
    const peer = await Peer.connect(of);
    peer.send(FrameType.HELLO, helloOf('none'));
    await peer.message(FrameType.CHALLENGE);
    const identity = {
      node: 'x',
      epoch: 9,
      cache: '',
      changes: 0,
      link: null,
      deposedBy: '',
      deadAfterMs: 100,
      transport: 'tcp',
      providers: '',
      lacks: '',
    };
    peer.send(FrameType.PROOF, { ...identity, proof: 'f'.repeat(64) });
    expect(await peer.message(FrameType.REFUSED)).toMatchObject({
      code: 'LINK_REFUSED',
      reason: 'the standby does not know the secret',
    });
    await said(
      children[0]!,
      /\(tcp:127\.0\.0\.1:\d+\) was not admitted: the standby does not know the secret/,
    );
    // Nor does the epoch it claimed depose anybody.
    expect(children[0]!.running()).toBe(true);
    peer.end();
  });

  test('beside another one waits until that one has gone', async () => {
    const of = `127.0.0.1:${await primary()}`;
    const first = await start('standby', ...alone, '--of', of);
    await said(first, /in sync with/);
    const second = await waiting(of);
    await said(
      second,
      new RegExp(
        'already has a standby \\(\\w+\\): it takes one standby; more than two nodes need a witness, ' +
          'which this version does not have; trying again .*\\(stop that standby first\\)',
      ),
    );
    await first.end();
    await said(second, /in sync with/);
  });

  test('of a primary that is lost in the middle of the copy serves nothing, and mirrors the next one', async () => {
    const { standby, primary: dying, relay } = await copying();
    relay.hold();
    dying.signal('SIGKILL');
    await within('the end of the primary', patienceMs, dying.exited);
    const line =
      /lost in mid-resync \(.*\) after [\d.]+ MiB: .*half a cache.*\(start the primary again, and it is mirrored\)/;
    await said(standby, line);
    relay.toStandby.keeps = () => false;
    relay.leadTo(await primary('-m', '16'));
    await said(standby, /in sync with/);
    expect(standby.output()).not.toMatch(/is dead|serving/);
    expect(standby.output().match(new RegExp(line.source, 'g'))).toHaveLength(1);
  });
});

describe('another version', () => {
  test('of the hello: the primary says so', async () => {
    const peer = await Peer.connect(await primary());
    peer.send(FrameType.HELLO, { protocol: 99, layout: 7, nonce: 'n' });
    expect(await peer.message(FrameType.REFUSED)).toMatchObject({
      code: 'LINK_VERSION',
      reason: expect.stringContaining(
        `standby speaks protocol 99, layout 7, the primary protocol ${protocolVersion}, `,
      ),
    });
    peer.end();
  });

  test('of the frames: the primary says so', async () => {
    const peer = await Peer.connect(await primary());
    peer.send(FrameType.HELLO, { protocol: 99, layout: 7, nonce: 'n' }, { version: 99 });
    expect(await peer.message(FrameType.REFUSED)).toMatchObject({ code: 'LINK_VERSION' });
    peer.end();
  });

  test('in a refusal: the standby ends with what it was told', async () => {
    const of = await falsePrimary((peer) =>
      peer.send(FrameType.REFUSED, {
        code: 'LINK_VERSION',
        reason: 'too old',
        remedy: 'update it',
      }),
    );
    const args = ['standby', ...alone, '--of', `127.0.0.1:${of}`];
    await expectRefusal(args, exitStatus.LINK_VERSION, /too old \(update it\)/);
  });

  test('in a refusal with a line of its own: nothing of it reaches the terminal as it is', async () => {
    const of = await falsePrimary((peer) =>
      peer.send(FrameType.REFUSED, {
        code: 'LINK_REFUSED',
        reason: 'no\n2026-01-01T00:00:00.000Z hotspare: all is well\u001b[2J',
        remedy: 'x'.repeat(3000),
      }),
    );
    const args = ['standby', ...alone, '--of', `127.0.0.1:${of}`];
    const line = /^hotspare: no\\u\{a\}2026\S+ hotspare: all is well\\u\{1b\}\[2J \(x{400}…\)$/;
    await expectRefusal(args, exitStatus.LINK_REFUSED, line);
  });

  test('of the frames: the standby ends with a line of its own', async () => {
    const of = await falsePrimary((peer) => peer.send(FrameType.CHALLENGE, {}, { version: 99 }));
    const args = ['standby', ...alone, '--of', `127.0.0.1:${of}`];
    await expectRefusal(args, exitStatus.LINK_VERSION, /version 99/);
  });

  test('of nothing we know: the standby says that this is no hotspare', async () => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.write('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    });
    const of = await listener(server);
    const args = ['standby', ...alone, '--of', `127.0.0.1:${of}`];
    await expectRefusal(args, exitStatus.LINK_LOST, /not a frame of ours/);
  });
});

/** A shell that lets hotspare map 4 GB and no more. */
const limited = ['bash', '-c', 'ulimit -v 4000000 && exec "$@"', 'limited'];

async function start(...args: string[]): Promise<Child> {
  const child = await hotspare(...args);
  children.push(child);
  await said(child, /serving on port|attached to/);
  return child;
}

/** A standby that does not find what it looks for. */
async function waiting(of: string): Promise<Child> {
  const child = await hotspare('standby', ...alone, '--of', of);
  children.push(child);
  return child;
}

/** Starts a primary; resolves to the port where standbys attach. */
async function primary(...args: string[]): Promise<number> {
  const child = await start(...linked, ...args);
  const [, port] = await said(child, /standbys attach at 127\.0\.0\.1:(\d+)/);
  return Number(port);
}

/** A primary and a standby whose copy stops after the first block, until it is released. */
async function copying(...flags: string[]) {
  const of = await primary('-m', '32');
  const relay = new Relay(of);
  relays.push(relay);
  let blocks = 0;
  relay.toStandby.keeps = ({ type }) =>
    type === FrameType.SYNCED || (type === FrameType.BLOCK && ++blocks > 1);
  const port = await relay.listen();
  // Neither heartbeat is kept, so nobody is found silent.
  const standby = await start('standby', ...alone, '--of', `127.0.0.1:${port}`, ...flags);
  // The first ack says that memory is there, and counts no block.
  const landed = ({ type, count }: PeerFrame): boolean => type === FrameType.ACK && count > 0;
  await until('a block', () => relay.toPrimary.arrived.some(landed));
  return { standby, primary: children[0]!, relay, release: () => relay.end() };
}

function secret(text: string): string {
  const file = join(folder, `secret-${text}`);
  writeFileSync(file, text.padEnd(32, '.'), { mode: 0o600 });
  return file;
}

function listener(server = net.createServer()): Promise<number> {
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, () => resolve((server.address() as net.AddressInfo).port));
  });
}

async function closedPort(): Promise<number> {
  const server = net.createServer();
  const port = await listener(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Answers a hello with whatever the test says. */
function falsePrimary(answer: (peer: Peer) => void): Promise<number> {
  const server = net.createServer((socket) => {
    const peer = new Peer(socket);
    socket.once('data', () => answer(peer));
  });
  return listener(server);
}
