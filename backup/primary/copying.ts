/** What turns an attached standby into one in sync: blocks, SYNCED behind them, and a heartbeat that is echoed. */
import type { Timers } from '../../src/native/ports.js';
import type { Log } from '../../src/process/log.js';
import type { Attached } from './attached.js';
import { mebibytes } from './figures.js';

/**
 * Keeps a few blocks on their way. When the last has landed, and `flush` has sent what was changed meanwhile, the copy
 * is whole as of the batch that `flush` returns: a block may be read late, and hold bytes of any batch up to that one.
 * Where there is more to look at before an ack comes, `again` does so when clients and heartbeats have had their turn.
 */
export function copy(
  standby: Attached,
  epoch: number,
  flush: () => number,
  timers: Pick<Timers, 'soon'>,
  again: () => void,
): void {
  const { resync, link } = standby;
  if (resync === null || link === null || standby.inSync || resync.waitsForTurn) return;
  if (resync.proceed(link, epoch, standby.blocksAcked)) {
    resync.waitsForTurn = true;
    timers.soon(() => {
      resync.waitsForTurn = false;
      again();
    });
  }
  if (!resync.isSent || standby.blocksAcked < resync.blocksSent) return;
  standby.syncedSequence = flush();
  standby.inSync = true;
  link.sendSynced(epoch, standby.syncedSequence);
}

/** Tells how far the copy is. True once: when the standby may take over. */
export function progress(standby: Attached, log: Log): boolean {
  const { resync, node } = standby;
  if (resync === null) return false;
  const quarter = resync.passedQuarter();
  if (quarter !== null) {
    log.say(`resync of ${node}: ${quarter} % of ${mebibytes(resync.totalBytes)} MiB`);
  }
  if (!standby.confirmed) return false;
  standby.resync = null;
  log.say(`standby ${node} is in sync (${mebibytes(resync.doneBytes)} MiB copied)`);
  return true;
}
