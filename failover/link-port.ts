/**
 * What stands at a node's `--link-listen`: while it reigns, the primary's door for standbys; when it reigned once and
 * mirrors another now, a redirect to that one (backup/primary/redirect-listener.ts); otherwise nothing.
 */

import { advertisedLink, linkAt, type MirrorSettings } from '../backup/mirror-settings.js';
import type { Primary } from '../backup/primary/primary.js';
import { RedirectListener, type RedirectOwner } from '../backup/primary/redirect-listener.js';
import { HotspareError } from '../src/base/errors.js';
import { addressText } from '../src/flags/options.js';
import type { Timer } from '../src/native/ports.js';
import type { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';

/** How often the port is tried while somebody else holds it. */
const againMs = 50;

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

  /** True while this node can be met at its link port, as whatever it is. */
  get isOpen(): boolean {
    return this.port !== 0 || this.redirectListener !== null;
  }

  /** Where standbys attach, for people. */
  get text(): string {
    return addressText(this.mirrorSettings.linkListen!.host, this.port);
  }

  /** Where other nodes are told to attach; null where that is not known. */
  get advertised(): string | null {
    return linkAt(this.mirrorSettings, this.port) ?? advertisedLink(this.mirrorSettings);
  }

  /** Lets standbys attach to a primary, where the node has a `--link-listen`. Throws HotspareError LISTEN. */
  open(primary: Primary | null): void {
    const { linkListen } = this.mirrorSettings;
    this.redirectListener?.close();
    this.redirectListener = null;
    if (primary === null || linkListen === null) return;
    this.port = primary.listen(linkListen.host, linkListen.port);
  }

  /** The same for a node that has taken over: it serves, also while no standby can attach to it yet. */
  openOrTryOn(primary: Primary | null, complained = false): void {
    this.again = null;
    try {
      this.open(primary);
      if (complained) this.log.say(`standbys attach at ${this.text}`);
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      if (!complained) this.log.say(`${error.message}; trying on (${error.remedy})`);
      this.again = this.wire.ports.timers.after(againMs, () => this.openOrTryOn(primary, true));
    }
  }

  /** The primary has ended: whoever comes is led to the one that is mirrored now. */
  redirect(owner: RedirectOwner): void {
    const { port } = this;
    this.close();
    if (port === 0) return;
    const redirectListener = new RedirectListener(this.wire, this.mirrorSettings, this.log, owner);
    try {
      redirectListener.listen(this.mirrorSettings.linkListen!.host, port);
      this.redirectListener = redirectListener;
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      this.log.say(`${error.message}; whoever comes there is not led to the new primary`);
    }
  }

  /** Nothing stands there any more; a primary's door is closed by the primary. */
  close(): void {
    this.again?.cancel();
    this.again = null;
    this.redirectListener?.close();
    this.redirectListener = null;
    this.port = 0;
  }
}
