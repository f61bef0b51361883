/**
 * Where standbys come in: the link's listener, and the greetings that are under way. Who has not proved itself in time
 * is sent away; who has is handed over.
 */
import { HotspareError } from '../src/errors.js';
import { helloMs } from '../src/limits.js';
import type { Log } from '../src/log.js';
import { failed, type NativeFailure } from '../src/native.js';
import type { Wire } from '../src/wire.js';
import type { Channel } from './channel.js';
import { Greeting } from './greeting.js';
import type { Proof } from './hello.js';

export class Door {
  private readonly wire: Wire;
  private readonly secret: Uint8Array;
  private readonly log: Log;
  private readonly proved: (greeting: Greeting, proof: Proof) => void;
  private readonly greetings = new Map<Greeting, NodeJS.Timeout>();
  private listener = -1;

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

  private greet(connection: number): Channel {
    const greeting = new Greeting(this.wire, connection, this.secret, {
      proved: (_, proof) => {
        this.forget(greeting);
        this.proved(greeting, proof);
      },
      ended: (_, reason) => {
        this.forget(greeting);
        this.log.say(`a standby was not admitted: ${reason}`);
      },
    });
    const late = new HotspareError('LINK_REFUSED', 'the hello took too long', 'try again');
    this.greetings.set(
      greeting,
      setTimeout(() => greeting.refuse(late), helloMs),
    );
    return greeting.channel;
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
