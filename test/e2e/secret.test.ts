/**
 * The secret of two nodes: a pair draws its own, so that no other user of the machine can attach to it or depose it,
 * and a file that others can read is none.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { FrameType } from '../../backup/frame.js';
import { freePort } from '../../failover/drill/port.js';
import { exitStatus } from '../../src/errors.js';
import { expectRefusal, hotspare, pids, said, stats } from '../support/nodes.js';
import { Peer } from '../support/peer.js';
import type { Child } from '../support/process.js';
import { until } from '../support/until.js';

const host = '127.0.0.1';

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

async function started(...args: string[]): Promise<Child> {
  const child = await hotspare(...args);
  children.push(child);
  await said(child, /serving on port/);
  return child;
}

async function startPair(...flags: string[]) {
  const port = await freePort();
  const patient = ['--dead-after', '20000', '--ack-timeout', '60000'];
  const pair = await started(
    'pair',
    '-v',
    '-p',
    String(port),
    '-l',
    host,
    '-m',
    '8',
    ...patient,
    ...flags,
  );
  const [, link] = await said(pair, /standbys attach at 127\.0\.0\.1:(\d+)/);
  await until('a standby', async () => (await stats(port)).get('mirror_state') === 'in_sync');
  return { pair, port, linkPort: Number(link) };
}
