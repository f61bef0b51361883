/** The file that MEMCACHED_PORT_FILENAME names: which ports are bound, for whoever started us with `-p -1`. */
import { renameSync, writeFileSync } from 'node:fs';
import type { Log } from './log.js';

export interface BoundPort {
  readonly transport: 'TCP' | 'UDP';
  readonly host: string;
  readonly port: number;
}

/** Writes it whole: a reader sees all lines or no file. A file that cannot be written is said and no more. */
export function writePortFile(file: string, ports: readonly BoundPort[], log: Log): void {
  const lines = ports.map(({ transport, host, port }) => {
    return `${transport} ${host.includes(':') ? 'INET6' : 'INET'}: ${port}\n`;
  });
  try {
    writeFileSync(`${file}.lck`, lines.join(''));
    renameSync(`${file}.lck`, file);
  } catch (error) {
    log.say(`Failed to open "${file}": ${(error as NodeJS.ErrnoException).code}`);
  }
}
