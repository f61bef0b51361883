/**
 * A process that writes into its parent's memory as fast as it can, until the memory is closed to it. It reports its
 * port, is told where to write, and reports at the end why it could not go on.
 */
import { assert } from '../../src/base/errors.js';
import { failed } from '../../src/native/addon.js';
import { FabricCell, FabricEvent, fabric, type NativeFabric } from '../../src/native/fabric.js';
import { fabricRegion, record, span } from './fabrics.js';
import { linkHost, provider } from './links.js';

export interface WriterReport {
  readonly port?: number;
  readonly acked?: number;
  readonly broken?: string;
  readonly revoked?: boolean;
}

type Parts = Parameters<NativeFabric['aim']>[3];

const posted = { sequence: 0 };
/** Acks after which the parent is told that writes flow. */
const flowing = 64;
let told = false;
let connected = false;
let parts: Parts | null = null;
const region = fabricRegion();
const tell = (report: WriterReport): void => void process.send!(report);
const where = { provider, host: linkHost, port: 0, passive: true };
const end = fabric.fabricOpen(
  { ...where, stagingBytes: 2 ** 22, patienceMs: 5000, spinUs: 0 },
  (kind, connectionRequest, bytes, revoked) => {
    if (kind === FabricEvent.CONNECTION_REQUEST) (end as NativeFabric).accept(connectionRequest);
    else if (kind === FabricEvent.CONNECTED) {
      connected = true;
      begin();
    } else if (kind === FabricEvent.BROKEN) {
      process.send!({ broken: bytes.toString(), revoked }, () => process.exit(0));
    }
  },
);
if (failed(end)) throw new Error(`${end.call}: ${end.error}`);
tell({ port: end.listen() as number });
process.on('message', (message: Parts) => {
  parts = message;
  begin();
});

/** The reader may say where its memory is before this end knows that it is connected. */
function begin(): void {
  if (parts === null || !connected) return;
  const to = end as NativeFabric;
  to.aim(region.id, ...span, parts);
  write(to);
}

/** Every write of a batch fills the whole page with the batch's number, so that a mixture shows. */
function write(to: NativeFabric): void {
  for (let i = 0; i < 8; i++) {
    const fill = Buffer.alloc(8192, ++posted.sequence & 0xff);
    const list = Buffer.concat([record(span[1], fill), record(0, fill.subarray(0, 4))]);
    assert(to.post(list, 0, list.length, posted.sequence) >= 0, 'the batch is posted, not refused');
  }
  // No event tells of completions that came within a post.
  const acked = to.cells[FabricCell.ACKED_SEQUENCE]!;
  if (acked >= flowing && !told) {
    told = true;
    tell({ acked });
  }
  setImmediate(() => write(to));
}
