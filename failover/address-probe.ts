/**
 * Tries whether the clients' address can be bound, so that a standby could serve at once. A standby that is not ready
 * says so while its primary lives, when the operator can still help, and says when that changes.
 */
import { addressLookMs } from '../src/base/limits.js';
import type { Settings } from '../src/flags/settings.js';
import { addressTaken } from '../src/net/client-listeners.js';
import type { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';

export class AddressProbe {
  private readonly wire: Wire;
  private readonly settings: Settings;
  private readonly log: Log;
  /** Why the address could not be bound when it was last tried; empty when it could. */
  private taken = '';
  private lookedMs = 0;

  constructor(wire: Wire, settings: Settings, log: Log) {
    this.wire = wire;
    this.settings = settings;
    this.log = log;
  }

  /** The end of the log line that says that a standby is in sync. */
  get sentence(): string {
    return this.taken === '' ? 'ready to take over' : `NOT ready to take over: ${this.taken}`;
  }

  isDue(nowMs: number): boolean {
    return nowMs - this.lookedMs > addressLookMs;
  }

  /**
   * Tries the address. `shared`: the primary holds it, on this machine, until it dies. `tells`: the standby is in sync,
   * so that a change is logged.
   */
  look(nowMs: number, shared: boolean, tells: boolean): void {
    this.lookedMs = nowMs;
    const taken = shared ? '' : (addressTaken(this.wire, this.settings)?.message ?? '');
    if (taken === this.taken) return;
    this.taken = taken;
    if (!tells) return;
    const news = taken === '' ? 'the address can be bound again: ' : '';
    this.log.say(news + this.sentence);
  }
}
