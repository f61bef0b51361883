/**
 * Time, timers, the network, memory and randomness, as a node gets them from the machine it runs on. All code that
 * decides anything takes these as arguments, so that the same node also runs on the simulator's time, network and
 * memory (test/sim/). `machine` is the real one.
 */
import { randomBytes } from 'node:crypto';
import { isOwnAddress } from '../base/own-addresses.js';
import { native } from './addon.js';
import { monotonicMs } from './clock.js';
import { type FabricFunctions, fabric } from './fabric.js';

/** A timer that was started. */
export interface Timer {
  /** Stops the timer. Has no effect once it ran. */
  cancel(): void;
}

export interface Timers {
  /** Runs once, after `ms`. A timer that `keeps` the process alive does so until it runs (default: it does). */
  after(ms: number, run: () => void, keeps?: boolean): Timer;
  /** Runs every `ms`. */
  every(ms: number, run: () => void, keeps?: boolean): Timer;
  /** Runs in the next turn of the loop, after events that have arrived already. */
  soon(run: () => void): Timer;
}

export interface Network {
  readonly transportCreate: typeof native.transportCreate;
  /** Connections for one-sided writes. */
  readonly fabric: FabricFunctions;
  /** Whether this machine has the address; null where that is unknown (base/own-addresses.ts). */
  isOwnAddress(host: string): boolean | null;
}

/** Memory of regions, named by `NativeRegion.id`, and the checksum of bytes in memory. */
export type RegionMemoryPort = Pick<
  typeof native,
  | 'regionOpen'
  | 'regionOpenLater'
  | 'regionWipeLater'
  | 'regionClose'
  | 'regionSync'
  | 'regionApply'
  | 'regionScan'
  | 'crc32c'
>;

export interface Ports {
  /** Milliseconds, with fractions, of a clock that does not step and goes on while the machine sleeps (clock.ts). */
  readonly clock: () => number;
  /** Unix time in ms. It may step. */
  readonly wallMs: () => number;
  readonly timers: Timers;
  readonly network: Network;
  readonly memory: RegionMemoryPort;
  /** This many random bytes, which nobody can guess. */
  readonly random: (bytes: number) => Buffer;
}

const timers: Timers = {
  after(ms, run, keeps = true) {
    const timer = setTimeout(run, ms);
    if (!keeps) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  every(ms, run, keeps = true) {
    const timer = setInterval(run, ms);
    if (!keeps) timer.unref();
    return { cancel: () => clearInterval(timer) };
  },
  soon(run) {
    const immediate = setImmediate(run);
    return { cancel: () => clearImmediate(immediate) };
  },
};

export const machine: Ports = {
  clock: monotonicMs,
  wallMs: Date.now,
  timers,
  network: {
    transportCreate: native.transportCreate,
    fabric,
    isOwnAddress: (host) => isOwnAddress(host),
  },
  memory: native,
  random: randomBytes,
};
