/**
 * Tries whether the clients' addresses can be bound, so that a standby could serve at once. A standby that is not ready
 * says so while its primary lives, when the operator can still help, again once a minute, and when that changes.
 */
import { addressLookMs, complaintMs } from '../src/base/limits.js';
import type { Settings } from '../src/flags/settings.js';
import { type HeldAddresses, tryAddresses } from '../src/net/client-addresses.js';
import type { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';

export class AddressProbe {
  private readonly wire: Wire;
  private readonly settings: Settings;
  private readonly log: Log;
  /** Why an address could not be bound when they were last tried; empty when all could. */
  private taken = '';
  private lookedMs = 0;
  private saidMs = 0;

  constructor(wire: Wire, settings: Settings, log: Log) {
    this.wire = wire;
    this.settings = settings;
    this.log = log;
  }

  /** The end of the log line that says that a standby is in sync. */
  sentence(nowMs: number): string {
    this.saidMs = nowMs;
    return this.taken === '' ? 'ready to take over' : `NOT ready to take over: ${this.taken}`;
  }

  isDue(nowMs: number): boolean {
    return nowMs - this.lookedMs > addressLookMs;
  }

  /**
   * Tries the addresses. `held`: those that the primary holds, on this machine, until it dies. `tells`: the standby is
   * in sync, so that what is found is logged.
   */
  look(nowMs: number, held: HeldAddresses, tells: () => boolean): void {
    this.lookedMs = nowMs;
    tryAddresses(this.wire, this.settings, held, (error) => {
      const taken = error?.message ?? '';
      const isNew = taken !== this.taken;
      this.taken = taken;
      const isDue = isNew || (taken !== '' && nowMs - this.saidMs >= complaintMs);
      if (!isDue || !tells()) return;
      const news = taken === '' ? 'the address can be bound again: ' : '';
      this.log.say(news + this.sentence(nowMs));
    });
  }
}
