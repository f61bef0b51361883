/**
 * Backpressure: stops the clients while too much is committed and not acked. A journal that fills up within a tick
 * makes batches within that tick, so the store asks `isOn` between commands as well; reading from sockets is paused and
 * resumed at the end of the tick.
 */
import type { Wire } from '../../src/net/wire.js';

export class Backpressure {
  /** True while nothing more may be executed. */
  isOn = false;
  /** How many times clients were stopped. */
  stalls = 0;
  private readonly wire: Wire;
  private paused = false;

  constructor(wire: Wire) {
    this.wire = wire;
  }

  set(on: boolean): void {
    this.isOn = on;
    if (on === this.paused) return;
    this.paused = on;
    if (on) this.stalls++;
    this.wire.pause('unacked', on);
  }
}
