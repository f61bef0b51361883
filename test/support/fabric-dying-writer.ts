/**
 * A process that writes a stream (fabric-stream.ts) into its parent's memory, and is killed in the midst of it: by
 * itself right behind a write, before its loop can take a turn, or by whoever waits for that. Into a file it writes
 * which batch is acked, as it learns it. argv is the seed, and that file.
 */
import { openSync, writeSync } from 'node:fs';
import { FabricCell, FabricEvent, fabric, type NativeFabric } from '../../src/fabric.js';
import { failed } from '../../src/native.js';
import { Random } from '../fuzz/random.js';
import { Stream } from './fabric-stream.js';
import { fabricRegion, span } from './fabrics.js';
import { linkHost, provider } from './links.js';

/** Of the batches: after the last it is killed. Enough for a queue of writes to be full now and then. */
const batchesMost = 300;
/** Where every ack is waited for, the last batch is acked, and in its place only where the loop took a turn. */
const spinUs = 1_000_000;

const seed = Number(process.argv[2]);
const acks = openSync(process.argv[3]!, 'w');
const stream = new Stream(seed);
const random = new Random(seed + 1);
const lives = random.between(1, batchesMost);
const region = fabricRegion();
const acked = new Float64Array(1);
let sequence = 0;

const where = { provider, host: linkHost, port: 0, passive: true };
const end = fabric.fabricOpen(
  { ...where, stagingBytes: 2 ** 20, patienceMs: 5000, spinUs: seed % 2 === 0 ? 0 : spinUs },
  (kind, request) => {
    if (kind === FabricEvent.REQUEST) (end as NativeFabric).accept(request);
    else if (kind === FabricEvent.BROKEN) process.kill(process.pid, 'SIGKILL');
  },
);
if (failed(end)) throw new Error(`${end.call}: ${end.error}`);
process.send!({ port: end.listen() as number });
process.on('message', (parts: Parameters<NativeFabric['aim']>[3]) => {
  end.aim(region.id, ...span, parts);
  write(end);
});

function write(to: NativeFabric): void {
  for (let more = random.below(4); more >= 0; more--) {
    const list = stream.batch();
    to.post(list, 0, list.length, ++sequence);
    note(to);
    if (sequence >= lives) process.kill(process.pid, 'SIGKILL');
    if (random.chance(5)) to.beat(sequence, 0);
    if (random.chance(2)) to.tell();
  }
  setImmediate(() => write(to));
}

function note(to: NativeFabric): void {
  acked[0] = to.cells[FabricCell.ACKED_SEQUENCE]!;
  writeSync(acks, acked, 0, 8, 0);
}
