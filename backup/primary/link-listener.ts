/**
 * Where standbys come in: the listener of `--link-listen`, and the handshakes that are under way. A peer that has not
 * proved itself in time is sent away, and one that has is handed over. When there are too many, connection-limiter.ts
 * names the one to close. A peer that was handed over, and has no owner yet, is still closed with the listener.
 */

import { HotspareError } from '../../src/base/errors.js';
import { greetingsOfAddressMax, helloMs, refusedMs } from '../../src/base/limits.js';
import { addressText } from '../../src/flags/settings.js';
import { failed, type NativeFailure } from '../../src/native/addon.js';
import type { Timer } from '../../src/native/ports.js';
import type { Endpoint, Wire } from '../../src/net/wire.js';
import type { Log } from '../../src/process/log.js';
import type { HandshakeSettings } from '../channel/cipher.js';
import type { Proof } from '../channel/hello.js';
import { ConnectionLimiter } from './connection-limiter.js';
import { PrimaryHandshake } from './primary-handshake.js';

export class LinkListener {
  private readonly wire: Wire;
  private readonly handshakeSettings: HandshakeSettings;
  private readonly log: Log;
  private readonly proved: (handshake: PrimaryHandshake, proof: Proof) => void;
  private readonly handshakes = new Map<PrimaryHandshake, Timer>();
  private readonly limiter = new ConnectionLimiter<PrimaryHandshake>();
  /** Handshakes that are done, and whose channel waits for an owner. */
  private readonly waiting = new Set<PrimaryHandshake>();
  private listenerId = -1;
  private complainedMs = 0;
  private unsaid = 0;

  constructor(
    wire: Wire,
    handshakeSettings: HandshakeSettings,
    log: Log,
    proved: (handshake: PrimaryHandshake, proof: Proof) => void,
  ) {
    this.wire = wire;
    this.handshakeSettings = handshakeSettings;
    this.log = log;
    this.proved = proved;
  }

  /** Returns the port that was bound. Throws HotspareError LISTEN. */
  listen(host: string, port: number): number {
    const options = {
      host,
      port,
      path: null,
      mode: 0,
      backlog: greetingsOfAddressMax,
      group: 1,
    } as const;
    const listenerId = this.wire.listen(options, (connection) => this.accept(connection));
    if (failed(listenerId)) throw linkListenFailure(host, port, listenerId);
    this.listenerId = listenerId;
    return this.wire.transport.listenerPort(listenerId);
  }

  /** Stops listening, and ends the handshakes that are under way. */
  close(): void {
    if (this.listenerId >= 0) this.wire.closeListener(this.listenerId);
    for (const handshake of [...this.handshakes.keys(), ...this.waiting]) this.end(handshake);
  }

  private accept(connection: number): Endpoint {
    const handshake = new PrimaryHandshake(this.wire, connection, this.handshakeSettings, {
      greeted: () => this.limiter.note(handshake, 'greeted', this.wire.nowMs),
      proved: (_, proof) => {
        this.forget(handshake);
        this.wait(handshake);
        this.proved(handshake, proof);
      },
      refused: (_, reason) => {
        this.limiter.note(handshake, 'refused', this.wire.nowMs);
        this.closeIn(refusedMs, handshake);
        this.complain(peer, reason);
      },
      ended: (_, reason) => {
        this.forget(handshake);
        if (reason !== null) this.complain(peer, reason);
      },
      owned: () => this.waiting.delete(handshake),
    });
    // The peer's address is not known any more once the connection is gone.
    const { peer } = handshake.channel;
    const late = new HotspareError('LINK_BUSY', 'the hello took too long', 'try again');
    const timer = this.wire.ports.timers.after(helloMs, () => handshake.refuse(late));
    this.handshakes.set(handshake, timer);
    this.makeRoom(handshake);
    return handshake.channel;
  }

  private wait(handshake: PrimaryHandshake): void {
    for (const other of this.waiting) if (!other.channel.isOpen) this.waiting.delete(other);
    this.waiting.add(handshake);
  }

  /** Closes a connection when the newcomer is one too many; it may be the newcomer. */
  private makeRoom(newcomer: PrimaryHandshake): void {
    const { peer, peerHost } = newcomer.channel;
    const leaves = this.limiter.add(newcomer, peerHost, this.wire.nowMs);
    if (leaves === null) return;
    const whose = leaves === newcomer ? peer : leaves.channel.peer;
    // `Wire` does not know the newcomer yet.
    if (leaves === newcomer) this.wire.ports.timers.soon(() => this.end(leaves));
    else this.end(leaves);
    this.complain(whose, 'too many strangers connect at once: this one is closed');
  }

  private closeIn(ms: number, handshake: PrimaryHandshake): void {
    const timer = this.handshakes.get(handshake);
    // A channel that was handed over is closed by its owner.
    if (timer === undefined) return;
    timer.cancel();
    const later = this.wire.ports.timers.after(ms, () => this.end(handshake));
    this.handshakes.set(handshake, later);
  }

  private end(handshake: PrimaryHandshake): void {
    this.forget(handshake);
    handshake.channel.close(false);
  }

  /** Logs at most a line a second, as anybody may connect, and often. */
  private complain(peer: string, reason: string): void {
    const now = this.wire.ports.clock();
    if (now - this.complainedMs < 1000) {
      this.unsaid++;
      return;
    }
    const more = this.unsaid === 0 ? '' : ` (and ${this.unsaid} more)`;
    this.log.say(`a standby (${peer}) was not admitted: ${reason}${more}`);
    this.complainedMs = now;
    this.unsaid = 0;
  }

  private forget(handshake: PrimaryHandshake): void {
    this.handshakes.get(handshake)?.cancel();
    this.handshakes.delete(handshake);
    this.limiter.remove(handshake);
    this.waiting.delete(handshake);
  }
}

function linkListenFailure(host: string, port: number, failure: NativeFailure): HotspareError {
  return new HotspareError(
    'LISTEN',
    `cannot listen for standbys on ${addressText(host, port)}: ${failure.error}`,
    'stop what serves there, or choose another --link-listen',
  );
}
