/** The two clocks of the program. Pure parts get their time as an argument; outside of a tick it comes from here. */

/** CLOCK_MONOTONIC in ms with fractions: the clock of the ticks, the same for all processes of a machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Unix time in whole seconds. */
export function wallSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
