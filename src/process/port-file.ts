/** The file that MEMCACHED_PORT_FILENAME names: the bound ports, for a program that started us with `-p -1`. */
import { systemReason } from '../base/errors.js';
import type { Log } from './log.js';
import { replaceFile } from './safe-files.js';

export interface BoundPort {
  readonly protocol: 'TCP' | 'UDP';
  readonly host: string;
  readonly port: number;
}

/** Writes the file whole: a reader sees all lines or no file. A failure is logged, and no more. */
export function writePortFile(file: string, ports: readonly BoundPort[], log: Log): void {
  const lines = ports.map(({ protocol, host, port }) => {
    return `${protocol} ${host.includes(':') ? 'INET6' : 'INET'}: ${port}\n`;
  });
  try {
    replaceFile(file, lines.join(''));
  } catch (error) {
    log.say(`Failed to open "${file}": ${systemReason((error as NodeJS.ErrnoException).code)}`);
  }
}
