/**
 * Where standbys come in: the link's listener, and the greetings that are under way. Who has not proved itself in time
 * is sent away; who has is handed over.
 */

import { monotonicMs } from '../src/clock.js';
import { HotspareError } from '../src/errors.js';
import { greetingsMax, helloMs } from '../src/limits.js';
import type { Log } from '../src/log.js';
import { failed, type NativeFailure } from '../src/native.js';
import type { Endpoint, Wire } from '../src/wire.js';
import { Greeting } from './greeting.js';
import type { Proof } from './hello.js';

/** Stands for a connection that was closed as soon as it came. */
const nobody: Endpoint = { data: (_, length) => length, closed: () => {} };

export class Door {
  private readonly wire: Wire;
  private readonly secret: Uint8Array;
  private readonly log: Log;
  private readonly proved: (greeting: Greeting, proof: Proof) => void;
  private readonly greetings = new Map<Greeting, NodeJS.Timeout>();
  private listener = -1;
  private complainedMs = 0;
  private unsaid = 0;

  constructor(
    wire: Wire,
    secret: Uint8Array,
    log: Log,
    proved: (greeting: Greeting, proof: Proof) => void,
  ) {
    this.wire = wire;
    this.secret = secret;
    this.log = log;
    this.proved = proved;
  }

  /** Returns the port that was bound. Throws HotspareError LISTEN. */
  listen(host: string, port: number): number {
    const options = { host, port, path: null, mode: 0, backlog: 16, group: 1 } as const;
    const listener = this.wire.listen(options, (connection) => this.greet(connection));
    if (failed(listener)) throw linkListenFailure(host, port, listener);
    this.listener = listener;
    return this.wire.transport.listenerPort(listener);
  }

  /** Stops listening, and ends the greetings that are under way. */
  close(): void {
    if (this.listener >= 0) this.wire.closeListener(this.listener);
    for (const [greeting, timer] of this.greetings) {
      clearTimeout(timer);
      greeting.channel.close(false);
    }
    this.greetings.clear();
  }

  private greet(connection: number): Endpoint {
    if (this.greetings.size >= greetingsMax) {
      this.wire.close(connection, false);
      return nobody;
    }
    const greeting = new Greeting(this.wire, connection, this.secret, {
      proved: (_, proof) => {
        this.forget(greeting);
        this.proved(greeting, proof);
      },
      ended: (_, reason) => {
        this.forget(greeting);
        this.complain(reason);
      },
    });
    const late = new HotspareError('LINK_REFUSED', 'the hello took too long', 'try again');
    this.greetings.set(
      greeting,
      setTimeout(() => greeting.refuse(late), helloMs),
    );
    return greeting.channel;
  }

  /** At most a line a second: anybody may knock. */
  private complain(reason: string): void {
    const now = monotonicMs();
    if (now - this.complainedMs < 1000) {
      this.unsaid++;
      return;
    }
    const more = this.unsaid === 0 ? '' : ` (and ${this.unsaid} more)`;
    this.log.say(`a standby was not admitted: ${reason}${more}`);
    this.complainedMs = now;
    this.unsaid = 0;
  }

  private forget(greeting: Greeting): void {
    clearTimeout(this.greetings.get(greeting));
    this.greetings.delete(greeting);
  }
}

function linkListenFailure(host: string, port: number, failure: NativeFailure): HotspareError {
  return new HotspareError(
    'LISTEN',
    `cannot listen for standbys on ${host}:${port}: ${failure.error}`,
    'stop what serves there, or choose another --link-listen',
  );
}
