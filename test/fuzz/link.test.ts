/**
 * Anybody may connect to the link's port: whatever bytes come, in whatever pieces, the node goes on serving, and a real
 * standby still gets in. FUZZ_SECONDS and FUZZ_SEED as for the clients' port.
 */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FrameType, frameHeaderBytes, sealFrame } from '../../backup/channel/frame.js';
import { freePort } from '../../failover/drill/free-port.js';
import { native } from '../../src/native/addon.js';
import { Client } from '../support/client.js';
import { hotspare, said, stats } from '../support/nodes.js';
import { helloOf } from '../support/peer.js';
import type { Child } from '../support/process.js';
import { until } from '../support/until.js';
import { Random } from './random.js';

const seconds = Number(process.env['FUZZ_SECONDS'] ?? 10) / 2;
const seed = Number(process.env['FUZZ_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const random = new Random(seed);
const atOnce = 8;

let primary: Child;
let linkPort: number;
let port: number;

beforeAll(async () => {
  linkPort = await freePort();
  const link = `127.0.0.1:${linkPort}`;
  primary = await hotspare('-p', '-1', '-l', '127.0.0.1', '--link-listen', link);
  port = Number((await said(primary, /serving on port (\d+)/))[1]);
});

afterAll(async () => {
  await primary.end();
});

describe(`the link's port, FUZZ_SEED=${seed}`, () => {
  test(
    'takes any bytes without harm',
    async () => {
      process.stderr.write(`fuzz of the link for ${seconds} s: FUZZ_SEED=${seed}\n`);
      const end = performance.now() + seconds * 1000;
      const worker = async (): Promise<number> => {
        let sessions = 0;
        while (performance.now() < end) {
          await stranger();
          sessions++;
        }
        return sessions;
      };
      const counts = await Promise.all(Array.from({ length: atOnce }, worker));
      expect(Math.min(...counts)).toBeGreaterThan(0);
      expect(primary.running()).toBe(true);
      const client = await Client.connect('127.0.0.1', port);
      await client.send('set k 0 0 1\r\n1\r\n');
      expect(await client.readLine()).toBe('STORED');
      client.close();
    },
    seconds * 1000 + 30_000,
  );

  test('still lets a standby in', async () => {
    const of = `127.0.0.1:${linkPort}`;
    const standby = await hotspare('standby', '--of', of, '-p', '-1', '-l', '127.0.0.1');
    try {
      await until('the standby to be in sync', async () => {
        return (await stats(port)).get('mirror_state') === 'in_sync';
      });
    } finally {
      await standby.end();
    }
  });
});

/** Connects, sends something in pieces, and goes away, in order or not; or is sent away. */
function stranger(): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(linkPort, '127.0.0.1', () => {
      const bytes = something();
      let at = 0;
      const send = (): void => {
        if (at >= bytes.length || socket.destroyed) {
          if (random.below(2) === 0) socket.end();
          else socket.resetAndDestroy();
          return;
        }
        const piece = 1 + random.below(Math.max(1, bytes.length >> random.below(4)));
        socket.write(bytes.subarray(at, at + piece), () => setImmediate(send));
        at += piece;
      };
      send();
    });
    socket.resume();
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}

function something(): Buffer {
  const frames = Array.from({ length: 1 + random.below(4) }, () => frame());
  const bytes = Buffer.concat(frames);
  // Some are left as they are, some get a few wrong bytes, some are noise from the first byte on.
  const kind = random.below(4);
  if (kind === 0)
    return Buffer.from(Array.from({ length: random.below(400) }, () => random.below(256)));
  if (kind === 1) for (let i = 0; i < 3; i++) bytes[random.below(bytes.length)] = random.below(256);
  return bytes;
}

/** What a proof says of the link. */
const linkWords = {
  link: null,
  deposedBy: '',
  transport: 'tcp',
  providers: '',
  lacks: '',
} as const;

/** A frame that is sealed rightly, of any type, with a payload that may be a message. */
function frame(): Buffer {
  const messages = [
    { protocol: 1, layout: 1, nonce: 'x'.repeat(random.below(100)) },
    helloOf('any'),
    { ...helloOf('none'), cipher: random.below(2) },
    { nonce: helloOf('none').nonce, cipher: 'aes-gcm', proof: 'f'.repeat(64) },
    { protocol: 1, layout: random.below(3), nonce: '' },
    { ...linkWords, proof: 'no', node: 'n', epoch: random.below(9), deadAfterMs: 100 },
    { failure: '', parts: [{ address: '1', key: '2' }] },
    { link: '127.0.0.1:1' },
    [],
    7,
  ];
  const text = JSON.stringify(messages[random.below(messages.length)]);
  const body = random.below(3) === 0 ? Buffer.alloc(random.below(5000)) : Buffer.from(text);
  const bytes = Buffer.concat([Buffer.alloc(frameHeaderBytes), body]);
  const fields = {
    type: random.below(3) === 0 ? random.below(FrameType.MEMORY + 2) : FrameType.HELLO,
    epoch: random.below(5),
    count: random.below(3),
    sequence: random.below(1000),
    length: body.length,
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  sealFrame(bytes, view, 0, fields, native.crc32c);
  return bytes;
}
