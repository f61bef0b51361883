/** SIGUSR2 writes the newest ack latencies to a file; SIGUSR1 is memcached's. */
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from './log.js';

/** Latencies made text at once: about a millisecond of work, as clients and heartbeats wait meanwhile. */
const linesAtOnce = 8192;

/**
 * `latencies` gives ns. The file has one latency a line, and stands in the folder for temporary files, named after the
 * process.
 */
export function dumpLatenciesOnSignal(latencies: () => Uint32Array, log: Log): void {
  const file = join(tmpdir(), `hotspare-${process.pid}-latencies`);
  let dumping = false;
  process.on('SIGUSR2', async () => {
    if (dumping) return;
    dumping = true;
    try {
      const written = latencies();
      await write(file, written);
      log.say(`${written.length} ack latencies (ns) written to ${file}`);
    } catch (error) {
      log.say(`the latencies cannot be written: ${(error as Error).message}`);
    }
    dumping = false;
  });
}

/**
 * Makes the file anew: anybody may write to the folder, so a file that stands there already may be a link elsewhere.
 */
async function write(file: string, latencies: Uint32Array): Promise<void> {
  await rm(file, { force: true });
  const handle = await open(file, 'wx', 0o600);
  try {
    for (let at = 0; at < latencies.length; at += linesAtOnce) {
      await handle.write(`${latencies.subarray(at, at + linesAtOnce).join('\n')}\n`);
    }
  } finally {
    await handle.close();
  }
}
