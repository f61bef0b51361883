/** The two clocks of the program. Pure parts get their time as an argument; outside of a tick it comes from here. */
import { native } from './addon.js';

/**
 * CLOCK_BOOTTIME in ms with fractions: the clock of the ticks, the same for all processes of a machine. It goes on
 * while the machine is suspended, so that a lease is over when its holder wakes.
 */
export const monotonicMs: () => number = native.monotonicMs;

/** Unix time in whole seconds. */
export function wallSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
