/**
 * A node's `--link-listen`. While the node reigns, its primary lets standbys attach there. A node that reigned once and
 * mirrors another now redirects there to that one (backup/primary/redirect-listener.ts). Otherwise the port is closed.
 */

import { advertisedLink, linkAt, type MirrorSettings } from '../backup/mirror-settings.js';
import type { Primary } from '../backup/primary/primary.js';
import { RedirectListener, type RedirectOwner } from '../backup/primary/redirect-listener.js';
import { HotspareError } from '../src/base/errors.js';
import { addressText } from '../src/flags/settings.js';
import type { Timer } from '../src/native/ports.js';
import type { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';

/** How often the port is tried while another process holds it. */
const againMs = 50;

interface Attempt {
  /** Throws HotspareError where it cannot be done now. */
  listen(): void;
  complaint(error: HotspareError): string;
  /** The line for the log once the port listens after a complaint. Null: no line. */
  relief(): string | null;
}

export class LinkPort {
  /** The port that is bound for standbys, 0 while none is. */
  port = 0;
  private readonly wire: Wire;
  private readonly mirrorSettings: MirrorSettings;
  private readonly log: Log;
  private redirectListener: RedirectListener | null = null;
  private again: Timer | null = null;

  constructor(wire: Wire, mirrorSettings: MirrorSettings, log: Log) {
    this.wire = wire;
    this.mirrorSettings = mirrorSettings;
    this.log = log;
  }

  /** True while this node can be met at its link port, in any role. */
  get isOpen(): boolean {
    return this.port !== 0 || this.redirectListener !== null;
  }

  /** The address where standbys attach, for people. */
  get text(): string {
    return addressText(this.mirrorSettings.linkListen!.host, this.port);
  }

  /** The address where other nodes are told to attach; null where it is not known. */
  get advertised(): string | null {
    return linkAt(this.mirrorSettings, this.port) ?? advertisedLink(this.mirrorSettings);
  }

  /** Lets standbys attach to a primary, where the node has a `--link-listen`. Throws HotspareError LISTEN. */
  open(primary: Primary | null): void {
    const { linkListen } = this.mirrorSettings;
    this.again?.cancel();
    this.again = null;
    this.redirectListener?.close();
    this.redirectListener = null;
    if (primary === null || linkListen === null) return;
    this.port = primary.listen(linkListen.host, linkListen.port);
  }

  /** As `open`, for a node that has taken over: it serves even while no standby can attach to it yet. */
  openOrTryOn(primary: Primary | null): void {
    this.tryOn({
      listen: () => this.open(primary),
      complaint: ({ message, remedy }) => `${message}; trying on (${remedy})`,
      relief: () => `standbys attach at ${this.text}`,
    });
  }

  /** The primary has ended: every node that comes is redirected to the one that is mirrored now. */
  redirect(owner: RedirectOwner): void {
    const { port, wire, mirrorSettings, log } = this;
    this.close();
    if (port === 0) return;
    const listener = new RedirectListener(wire, mirrorSettings, log, owner);
    this.tryOn({
      listen: () => {
        listener.listen(mirrorSettings.linkListen!.host, port);
        this.redirectListener = listener;
      },
      complaint: ({ message }) =>
        `${message}; trying on: nobody is led to the new primary from there`,
      relief: () => null,
    });
  }

  /** Listens now, or as soon as that can be done; says once why it cannot, and what comes of it once it can. */
  private tryOn(attempt: Attempt, complained = false): void {
    this.again = null;
    try {
      attempt.listen();
      const relief = complained ? attempt.relief() : null;
      if (relief !== null) this.log.say(relief);
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      if (!complained) this.log.say(attempt.complaint(error));
      this.again = this.wire.ports.timers.after(againMs, () => this.tryOn(attempt, true));
    }
  }

  /** Closes the port. A primary closes its own listener. */
  close(): void {
    this.again?.cancel();
    this.again = null;
    this.redirectListener?.close();
    this.redirectListener = null;
    this.port = 0;
  }
}
