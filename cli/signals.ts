/** The signals that end a process in order. */
import { report } from '../failover/report.js';
import type { Log } from '../src/process/log.js';

/** True when another process started this node beside a second one, and knows of both whether they live. */
export function isSupervised(): boolean {
  return process.env['HOTSPARE_SUPERVISED'] === '1' && process.send !== undefined;
}

/**
 * SIGINT, SIGTERM and SIGUSR1 end the process in order. A terminal and a service manager send them to all processes at
 * once; of two nodes the standby must end first, or it takes over for a moment: so a supervised node leaves it to its
 * supervisor. Returns what ends the process.
 */
export function stopOnSignals(stop: () => Promise<void>, log: Log): (why: string) => void {
  let ending = false;
  const end = (why: string): void => {
    if (ending) return;
    ending = true;
    log.say(`ending: ${why}`);
    void stop().finally(() => setImmediate(() => process.exit(0)));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const) {
    const why = signal === 'SIGUSR1' ? 'SIGUSR1: Gracefully stopping' : signal;
    process.on(signal, () => {
      if (isSupervised() && process.connected) report({ event: 'asked', signal });
      else end(why);
    });
  }
  return end;
}
