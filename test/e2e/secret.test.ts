/**
 * The secret of two nodes: a pair draws its own, so that no other user of the machine can attach to it or depose it,
 * and a file that others can read is none.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { FrameType } from '../../backup/channel/frame.js';
import { freePort } from '../../failover/drill/free-port.js';
import { exitStatus } from '../../src/base/errors.js';
import { Client } from '../support/client.js';
import { expectRefusal, hotspare, patienceMs, pids, said, stats } from '../support/nodes.js';
import { Peer } from '../support/peer.js';
import type { Child } from '../support/process.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';
/** Nobody is found silent, however busy the machine is. */
const patience = ['--dead-after', '20000', '--ack-timeout', '60000'];

let folder: string;
let children: Child[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hotspare-secret-'));
});

afterEach(async () => {
  await Promise.all(children.map((child) => child.end()));
  children = [];
});

afterAll(() => rmSync(folder, { recursive: true }));

describe("a pair's link", () => {
  test.each([
    ['attaches', 0],
    ['claims to reign', 99],
  ])('is closed to a local user who knows no secret and %s', async (_, epoch) => {
    const { pair, port, linkPort } = await startPair();
    const peer = await Peer.connect(linkPort);
    try {
      await peer.prove({ epoch });
      expect(await peer.message(FrameType.REFUSED)).toMatchObject({
        reason: 'the standby does not know the secret',
      });
      await until('its end', () => peer.closed);
      const { CHALLENGE, REFUSED } = FrameType;
      expect(peer.frames.map(({ type }) => type)).toEqual([CHALLENGE, REFUSED]);
    } finally {
      peer.end();
    }
    const figures = await stats(port);
    expect([figures.get('mirror_epoch'), figures.get('mirror_state')]).toEqual(['1', 'in_sync']);
    expect(pair.output()).not.toMatch(/deposed/);
  });

  test('has a secret that is on no command line, nor in an environment', async () => {
    const { pair } = await startPair();
    const nodes = [...pids(pair, 'primary'), ...pids(pair, 'standby')];
    expect(nodes).toHaveLength(2);
    for (const pid of nodes) {
      const seen = ['cmdline', 'environ'].map((file) =>
        readFileSync(`/proc/${pid}/${file}`, 'latin1'),
      );
      // The only word of it is the number of the descriptor it came through.
      const words = seen
        .join('\0')
        .split('\0')
        .filter((word) => /secret/i.test(word));
      expect(words.filter((word) => !/^HOTSPARE_SECRET_DESCRIPTOR=\d$/.test(word))).toEqual([]);
    }
  });

  test('takes the secret of a file where one is named', async () => {
    const file = join(folder, 'known');
    writeFileSync(file, 'a secret of two nodes', { mode: 0o600 });
    const { linkPort } = await startPair('--secret-file', file);
    const peer = await Peer.connect(linkPort);
    await peer.prove({ node: 'other' }, readFileSync(file));
    expect(await peer.message(FrameType.REFUSED)).toMatchObject({
      reason: expect.stringMatching(/already has a standby/),
    });
    peer.end();
  });
});

describe('a secret file', () => {
  test.each(['644', '640', '604', '620', '602'])('with mode %s is refused', async (mode) => {
    const file = join(folder, `mode-${mode}`);
    writeFileSync(file, 'a secret of two nodes');
    chmodSync(file, Number.parseInt(mode, 8));
    const args = ['-p', '-1', '-l', host, '--link-listen', `${host}:0`, '--secret-file', file];
    const sentence = new RegExp(`--secret-file ${file}: .*mode 0${mode}.*chmod 600 ${file}`);
    await expectRefusal(args, exitStatus.USAGE, sentence);
    // The remedy works.
    chmodSync(file, 0o600);
    await started(...args);
  });
});

describe('--link-cipher', () => {
  const link = ['-p', '-1', '-l', host, '-m', '8', '--secret-file'];

  function known(): string {
    const file = join(folder, 'known');
    writeFileSync(file, 'a secret of two nodes', { mode: 0o600 });
    return file;
  }

  test.each([
    ['none', 'aes-gcm'],
    ['aes-gcm', 'none'],
  ])('%s at the standby and %s at the primary exclude each other', async (ours, theirs) => {
    const both = [...link, known()];
    const primary = await started(...both, '--link-listen', `${host}:0`, '--link-cipher', theirs);
    const [, port] = await said(primary, /standbys attach at 127\.0\.0\.1:(\d+)/);
    const flags = ['--of', `${host}:${port}`, '--link-cipher', ours];
    const sentence = `the standby wants --link-cipher ${ours}, the primary ${theirs} .give both nodes`;
    const args = ['standby', ...both.filter((flag) => !['-m', '8'].includes(flag)), ...flags];
    await expectRefusal(args, exitStatus.LINK_REFUSED, new RegExp(sentence));
  });

  test('aes-gcm without a secret is refused', async () => {
    const args = ['-p', '-1', '-l', host, '--link-cipher', 'aes-gcm'];
    await expectRefusal(args, exitStatus.USAGE, /--link-cipher aes-gcm needs a secret/);
  });

  test('aes-gcm: what was acknowledged is there after a takeover', async () => {
    const file = known();
    const sealed = ['--secret-file', file, '--link-cipher', 'aes-gcm'];
    const at = ['-p', '-1', '-l', host, ...sealed];
    const primary = await started(...at, '-m', '8', '--link-listen', `${host}:0`, ...patience);
    const [, port, of] = await said(primary, /serving on port (\d+),.* attach at [\d.]+:(\d+)/);
    const standby = await hotspare('standby', ...at, '--of', `${host}:${of}`, ...patience);
    children.push(standby);
    await said(standby, /in sync with/);
    const writer = await Client.connect(host, Number(port));
    const count = 200;
    for (let i = 0; i < count; i++) {
      await writer.send(`set key${i} 0 0 6\r\nvalue${i % 10}\r\n`);
      expect(await writer.readLine()).toBe('STORED');
    }
    writer.close();
    expect((await stats(Number(port), 'mirror')).get('mirror_cipher')).toBe('aes-gcm');
    primary.signal('SIGKILL');
    const [, heir] = await said(standby, /serving on port (\d+), epoch 2/);
    const reader = await Client.connect(host, Number(heir));
    for (let i = 0; i < count; i++) {
      await reader.send(`get key${i}\r\n`);
      const text = await reader.readUntil('END', (all) => all.endsWith('END\r\n'));
      expect(text.toString()).toBe(`VALUE key${i} 0 6\r\nvalue${i % 10}\r\nEND\r\n`);
    }
    reader.close();
  });
});

async function started(...args: string[]): Promise<Child> {
  const child = await hotspare(...args);
  children.push(child);
  await said(child, /serving on port/);
  return child;
}

async function startPair(...flags: string[]) {
  const port = await freePort();
  const pair = await started(
    'pair',
    '-v',
    '-p',
    String(port),
    '-l',
    host,
    '-m',
    '8',
    ...patience,
    ...flags,
  );
  const [, link] = await said(pair, /standbys attach at 127\.0\.0\.1:(\d+)/);
  const isInSync = async () => (await stats(port)).get('mirror_state') === 'in_sync';
  await until('a standby', isInSync, { withinMs: patienceMs });
  return { pair, port, linkPort: Number(link) };
}
