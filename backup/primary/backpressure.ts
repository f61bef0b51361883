/**
 * Stops the clients while too much is committed and not acked. A journal that fills within a tick makes batches within
 * it: so it is asked between commands, too, and the sockets follow at the end of the tick.
 */
import type { Wire } from '../../src/net/wire.js';

export class Backpressure {
  /** True while nothing more may be executed. */
  isOn = false;
  /** Times it went on. */
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
