/** SIGUSR2 writes the newest ack latencies to a file; SIGUSR1 is memcached's. */
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from './log.js';

/** So many are made text at once: about a millisecond, for clients and heartbeats wait meanwhile. */
const linesAtOnce = 8192;

/** `latencies` gives ns. The file stands in the folder for temporary files, one a line, named after the process. */
export function dumpOnSignal(latencies: () => Uint32Array, log: Log): void {
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

/** A new file: the folder is everybody's, and what stands there under this name may lead elsewhere. */
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
