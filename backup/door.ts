/**
 * Where standbys come in: the link's listener, and the greetings that are under way. Who has not proved itself in time
 * is sent away; who has is handed over.
 *
 * Anybody may connect, and stay. So the strangers here are few at any time, refused ones that do not close included:
 * when there are more, the one that has been here for longest goes. A standby needs only a few round trips.
 */

import { monotonicMs } from '../src/clock.js';
import { HotspareError } from '../src/errors.js';
import { greetingsMax, helloMs, refusedMs } from '../src/limits.js';
import type { Log } from '../src/log.js';
import { failed, type NativeFailure } from '../src/native.js';
import { addressText } from '../src/options.js';
import type { Endpoint, Wire } from '../src/wire.js';
import { Greeting } from './greeting.js';
import type { Proof } from './hello.js';

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
    for (const greeting of [...this.greetings.keys()]) this.end(greeting);
  }

  private greet(connection: number): Endpoint {
    if (this.greetings.size >= greetingsMax) {
      const [oldest] = this.greetings.keys();
      const { peer } = oldest!.channel;
      this.end(oldest!);
      this.complain(peer, 'too many strangers connect at once: the first of them is closed');
    }
    const greeting = new Greeting(this.wire, connection, this.secret, {
      proved: (_, proof) => {
        this.forget(greeting);
        this.proved(greeting, proof);
      },
      refused: (_, reason) => {
        this.closeIn(refusedMs, greeting);
        this.complain(peer, reason);
      },
      ended: (_, reason) => {
        this.forget(greeting);
        if (reason !== null) this.complain(peer, reason);
      },
    });
    // Once the connection is gone nobody knows any more.
    const { peer } = greeting.channel;
    const late = new HotspareError('LINK_BUSY', 'the hello took too long', 'try again');
    const timer = setTimeout(() => greeting.refuse(late), helloMs);
    this.greetings.set(greeting, timer);
    return greeting.channel;
  }

  private closeIn(ms: number, greeting: Greeting): void {
    const timer = this.greetings.get(greeting);
    // One that was handed over is closed by its owner.
    if (timer === undefined) return;
    clearTimeout(timer);
    this.greetings.set(
      greeting,
      setTimeout(() => this.end(greeting), ms),
    );
  }

  private end(greeting: Greeting): void {
    this.forget(greeting);
    greeting.channel.close(false);
  }

  /** At most a line a second: anybody may knock. */
  private complain(peer: string, reason: string): void {
    const now = monotonicMs();
    if (now - this.complainedMs < 1000) {
      this.unsaid++;
      return;
    }
    const more = this.unsaid === 0 ? '' : ` (and ${this.unsaid} more)`;
    this.log.say(`a standby (${peer}) was not admitted: ${reason}${more}`);
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
    `cannot listen for standbys on ${addressText(host, port)}: ${failure.error}`,
    'stop what serves there, or choose another --link-listen',
  );
}
