/**
 * A writer that is killed at any moment, or fenced: what a takeover then finds is a prefix of what was written, whole,
 * and has every batch that was acked, and every one that it says it has.
 */

import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import type { MemoryRegistration, Welcome } from '../../backup/channel/hello.js';
import { RdmaReceiver } from '../../backup/link/rdma-receiver.js';
import { native } from '../../src/native/addon.js';
import { machine } from '../../src/native/ports.js';
import { publishesIn, Stream } from '../support/fabric-stream.js';
import { fabricRegion } from '../support/fabrics.js';
import { linkHost, missing, provider, rounds } from '../support/links.js';
import { slowness, until } from '../support/until.js';

const folder = mkdtempSync(join(tmpdir(), 'hotspare-'));
afterAll(() => rmSync(folder, { recursive: true }));

const first = Number(process.env['CRASH_SEED'] ?? 1);
const seeds = Array.from({ length: rounds }, (_, i) => first + i);
const patient = { withinMs: 20_000 * slowness };

test('what stands there is told beside the nearest state', () => {
  // Seed 8, of which the writer's first turn did not arrive, four batches: all that shows of it later is one word.
  const stream = new Stream(8);
  const memory = new Uint8Array(2 ** 20);
  for (let sequence = 1; sequence <= 8; sequence++) {
    const list = stream.batch();
    if (sequence > 4) place(list, memory);
  }
  expect(() => publishesIn(memory, stream, stream.publishes[8]!)).toThrow(
    /nearest, behind publish 10 \(batch 7\): word 2 holds 0 instead of 514, which batch 3 published$/,
  );
});

(missing === null ? describe : describe.skip)(`a writer over ${provider}`, () => {
  // Between two batches, with the newest acked or on its way, placed or not.
  test.each(seeds)(
    'that is killed has written a prefix, and all that was acked (seed %i)',
    async (seed) => expectPrefix(seed, null),
    60_000 * slowness,
  );

  // In the midst of a batch, where the seed does not end it before.
  test.each(seeds)(
    'that is fenced has written a prefix, and all that was acked (seed %i)',
    async (seed) => expectPrefix(seed, seed % 40),
    60_000 * slowness,
  );

  // What a connection does not carry yet is refused. If the first turn went nowhere without a word, and the acks of
  // later batches were taken for acks of it, what these seeds have written at their end shows it.
  test.each([7, 8])(
    'that writes before it is connected loses nothing (seed %i)',
    async (seed) => expectPrefix(seed, seed, { isHasty: true }),
    60_000 * slowness,
  );
});

/** Fences the writer when it is dead, or when so many batches are acked: all that a hasty writer writes. */
async function expectPrefix(
  seed: number,
  fencedAt: number | null,
  { isHasty = false } = {},
): Promise<void> {
  const file = join(folder, String(seed));
  const program = join(__dirname, '../support/fabric-dying-writer.js');
  const child = fork(program, [String(seed), file, isHasty ? String(fencedAt) : '0']);
  const region = fabricRegion();
  const receiver = new RdmaReceiver(machine, region, {
    decided: (registration: MemoryRegistration) => child.send(registration.parts),
    heard: () => {},
    broken: () => {},
  });
  try {
    let port: number | undefined;
    child.once('message', (message) => {
      ({ port } = message as { port: number });
    });
    await until('the port', () => port, patient);
    receiver.open(linkHost, { provider, fabricPort: port, token: 'aa' } as Welcome);
    const dead = (): boolean => child.exitCode !== null || child.signalCode !== null;
    const due = (): boolean => dead() || (fencedAt !== null && ackedIn(file) >= fencedAt);
    await until('the moment', due, { ...patient, everyMs: fencedAt === null ? 10 : 0 });
    receiver.revoke();
    const memory = new Uint8Array(region.head.byteLength + region.segments[0]!.byteLength);
    memory.set(new Uint8Array(region.head));
    memory.set(new Uint8Array(region.segments[0]!), region.head.byteLength);
    // One that was fenced finds out by itself, and ends.
    await until('its end', dead, patient);
    expect(child.signalCode).toBe('SIGKILL');
    const stream = new Stream(seed);
    const acked = ackedIn(file);
    for (let sequence = 1; sequence <= acked + 400; sequence++) stream.batch();
    const least = Math.max(acked, receiver.sequence);
    try {
      publishesIn(memory, stream, stream.publishes[least]!);
    } catch (error) {
      const told = `batch ${acked} was acked, ${receiver.sequence} is in the mailbox`;
      throw new Error(`${told}: ${(error as Error).message}`);
    }
  } finally {
    child.kill('SIGKILL');
    receiver.close();
    native.regionClose(region.id);
  }
}

function ackedIn(file: string): number {
  const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  return bytes.length < 8 ? 0 : bytes.readDoubleLE(0);
}

/** Writes a batch's records to where they say. */
function place(list: Buffer, memory: Uint8Array): void {
  for (let at = 0; at < list.length; ) {
    const length = list.readUInt32LE(at + 8);
    memory.set(list.subarray(at + 12, at + 12 + length), list.readUInt32LE(at));
    at += 12 + length;
  }
}
