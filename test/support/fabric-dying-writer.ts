/**
 * A process that writes a stream (fabric-stream.ts) into its parent's memory, and is killed in the midst of it: by
 * itself right behind a write, before its loop can take a turn, or by a parent that waits for that. It notes in a file
 * each ack as it learns of it. argv is the seed, and this file. A third number makes a hasty writer: it also writes
 * before it is connected, right behind its accept; it posts again what is refused there, and stops behind this many
 * batches.
 *
 * CRASH_PACE: slow writers pause before every batch; fast ones write more of them in a turn of their loop.
 */
import { openSync, writeSync } from 'node:fs';
import { assert } from '../../src/base/errors.js';
import { failed } from '../../src/native/addon.js';
import {
  FabricCell,
  FabricEvent,
  FabricRefusal,
  fabric,
  type NativeFabric,
} from '../../src/native/fabric.js';
import { Random } from '../fuzz/random.js';
import { Stream } from './fabric-stream.js';
import { fabricRegion, nowhere, span } from './fabrics.js';
import { linkHost, provider } from './links.js';

/** Most batches; the process is killed after the last. Enough for a queue of writes to be full now and then. */
const batchesMost = 300;
/**
 * With a spin this long every ack is waited for: the last batch is acked, but in its place only where the loop took a
 * turn.
 */
const spinUs = 1_000_000;

type Parts = Parameters<NativeFabric['aim']>[3];

const seed = Number(process.argv[2]);
const acks = openSync(process.argv[3]!, 'w');
const stream = new Stream(seed);
const random = new Random(seed + 1);
const lives = random.between(1, batchesMost);
/** Batches of a hasty writer; 0 for one that waits until it is connected, and goes on. */
const hastyBatches = Number(process.argv[4] ?? 0);
const pace = process.env['CRASH_PACE'] ?? '';
/** Most batches in one turn of the loop. */
const turnMost = pace === 'fast' ? 64 : 4;
/** Longest pause before a batch, in ms. */
const pauseMost = pace === 'slow' ? 3 : 0;
const region = fabricRegion();
const acked = new Float64Array(1);
let sequence = 0;
let connected = false;
let parts: Parts | null = null;
/** The batch that a hasty writer could not post yet. */
let refused: Buffer | null = null;

const where = { provider, host: linkHost, port: 0, passive: true };
const end = fabric.fabricOpen(
  { ...where, stagingBytes: 2 ** 20, patienceMs: 5000, spinUs: seed % 2 === 0 ? 0 : spinUs },
  (kind, connectionRequest) => {
    if (kind === FabricEvent.CONNECTION_REQUEST) accept(end as NativeFabric, connectionRequest);
    else if (kind === FabricEvent.CONNECTED) {
      connected = true;
      begin();
    } else if (kind === FabricEvent.BROKEN) process.kill(process.pid, 'SIGKILL');
  },
);
if (failed(end)) throw new Error(`${end.call}: ${end.error}`);
process.send!({ port: end.listen() as number });
process.on('message', (message: Parts) => {
  parts = message;
  begin();
});

function accept(to: NativeFabric, connectionRequest: number): void {
  to.accept(connectionRequest);
  if (hastyBatches === 0) return;
  to.aim(region.id, ...span, nowhere);
  writeTurn(to);
}

/** The reader may say where its memory is before this end knows that it is connected. */
function begin(): void {
  if (parts === null || !connected) return;
  const to = end as NativeFabric;
  to.aim(region.id, ...span, parts);
  write(to);
}

function write(to: NativeFabric): void {
  writeTurn(to);
  note(to);
  setImmediate(() => write(to));
}

/** Writes the batches of one turn of the loop. */
function writeTurn(to: NativeFabric): void {
  for (let more = random.below(turnMost); more >= 0; more--) {
    if (hastyBatches > 0 && sequence >= hastyBatches) return;
    if (pauseMost > 0) pause(random.below(pauseMost * 1000) / 1000);
    const list = refused ?? stream.batch();
    const posted = to.post(list, 0, list.length, sequence + 1);
    refused = !connected && posted === FabricRefusal.UNCONNECTED ? list : null;
    if (refused !== null) return;
    sequence++;
    assert(posted >= 0, `batch ${sequence} is posted, not refused: ${posted}`);
    note(to);
    if (sequence >= lives) process.kill(process.pid, 'SIGKILL');
    if (random.chance(5)) to.beat(sequence, 0);
    if (random.chance(2)) to.tell();
  }
}

/** Blocks this process: it writes no byte, and its loop takes no turn. */
function pause(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

function note(to: NativeFabric): void {
  acked[0] = to.cells[FabricCell.ACKED_SEQUENCE]!;
  writeSync(acks, acked, 0, 8, 0);
}
