/** SIGUSR2 writes the newest ack latencies to a file; SIGUSR1 is memcached's. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from './log.js';

/** `latencies` gives ns, one a line. The file stands in the folder for temporary files, named after the process. */
export function dumpOnSignal(latencies: () => string, log: Log): void {
  process.on('SIGUSR2', () => {
    const file = join(tmpdir(), `hotspare-${process.pid}-latencies`);
    const text = latencies();
    try {
      writeFileSync(file, text);
    } catch (error) {
      log.say(`the latencies cannot be written: ${(error as Error).message}`);
      return;
    }
    log.say(`${text.split('\n').length - 1} ack latencies (ns) written to ${file}`);
  });
}
