/** The signals that end a process in order. */
import type { Log } from '../src/process/log.js';
import { report } from './report.js';

/** True when a pair started this node: it has a supervisor, which knows whether each node lives. */
export function isSupervised(): boolean {
  return process.env['HOTSPARE_SUPERVISED'] === '1' && process.send !== undefined;
}

/**
 * SIGINT, SIGTERM and SIGUSR1 end the process in order. A terminal and a service manager send them to all processes at
 * once, but of two nodes the standby must end first, or it takes over for a moment. A supervised node therefore leaves
 * its end to the supervisor. Returns a function that ends the process.
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
