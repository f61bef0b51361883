#!/usr/bin/env node
/**
 * `node dist/bench/seal.js`: the cost of sealing and checking a frame of the node-to-node connection, with a checksum
 * and with the cipher: µs of one processor, the best of 40 repetitions, as other work on the machine disturbs that
 * least.
 */
import { randomBytes } from 'node:crypto';
import { Opener, Sealer } from '../backup/channel/cipher.js';
import {
  FrameHeader,
  FrameType,
  frameHeaderBytes,
  isIntact,
  sealFrame,
  tagBytes,
  writeHeader,
} from '../backup/channel/frame.js';
import { native } from '../src/native/addon.js';

const repetitions = 40;
/** Payloads: an ack, batches of a tick, a block. */
const sizes = [0, 100, 1000, 10_000, 262_144];

const row = (cells: readonly string[]): void => {
  process.stdout.write(`${cells.map((cell) => cell.padStart(12)).join('')}\n`);
};

row(['bytes', 'CRC seal', 'CRC check', 'GCM seal', 'GCM open']);
for (const bytes of sizes) row([String(bytes), ...measure(bytes).map((us) => us.toFixed(2))]);

function measure(payloadBytes: number): number[] {
  const length = frameHeaderBytes + payloadBytes;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  const fields = { type: FrameType.BATCH, epoch: 1, count: 2, sequence: 7, length: payloadBytes };
  const header = new FrameHeader();
  header.length = payloadBytes;
  const key = randomBytes(32);
  const [sealer, opener] = [new Sealer(key), new Opener(key)];
  const total = length + tagBytes;
  const count = Math.max(3, Math.min(1000, Math.floor(2 ** 20 / total)));
  const sealedFrame = (): Uint8Array => {
    writeHeader(view, 0, fields);
    return sealer.seal(bytes, length);
  };
  const unsealed = best(() => sealFrame(bytes, view, 0, fields, native.crc32c), count);
  header.checksum = view.getUint32(frameHeaderBytes - 4, true);
  const checked = best(() => isIntact(bytes, view, 0, header, native.crc32c), count);
  // Each frame opens only once, so they are sealed beforehand, into a buffer as large as the transport's.
  const kept = new Uint8Array(count * repetitions * total);
  for (let at = 0; at < kept.length; at += total) kept.set(sealedFrame().subarray(0, total), at);
  let at = 0;
  const opened = best(() => {
    if (!opener.open(kept, at, total)) throw new Error('a frame did not open');
    at += total;
  }, count);
  return [unsealed, checked, best(sealedFrame, count), opened];
}

/** µs of one call. */
function best(call: () => unknown, count: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let repetition = 0; repetition < repetitions; repetition++) {
    const begun = process.hrtime.bigint();
    for (let i = 0; i < count; i++) call();
    const us = Number(process.hrtime.bigint() - begun) / 1000 / count;
    least = Math.min(least, us);
  }
  return least;
}
