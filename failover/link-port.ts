/**
 * What stands at a node's `--link-listen`: while it reigns, the primary's door for standbys; when it reigned once and
 * mirrors another now, a signpost to that one (backup/primary/signpost.ts); otherwise nothing.
 */
import type { Primary } from '../backup/primary/primary.js';
import { Signpost, type SignpostOwner } from '../backup/primary/signpost.js';
import { advertisedLink, type BackupSettings, linkAt } from '../backup/settings.js';
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
  private readonly settings: BackupSettings;
  private readonly log: Log;
  private signpost: Signpost | null = null;
  private again: Timer | null = null;

  constructor(wire: Wire, settings: BackupSettings, log: Log) {
    this.wire = wire;
    this.settings = settings;
    this.log = log;
  }

  /** True while this node can be met at its link port, as whatever it is. */
  get isOpen(): boolean {
    return this.port !== 0 || this.signpost !== null;
  }

  /** Where standbys attach, for people. */
  get text(): string {
    return addressText(this.settings.linkListen!.host, this.port);
  }

  /** Where other nodes are told to attach; null where that is not known. */
  get advertised(): string | null {
    return linkAt(this.settings, this.port) ?? advertisedLink(this.settings);
  }

  /** Lets standbys attach to a primary, where the node has a `--link-listen`. Throws HotspareError LISTEN. */
  open(primary: Primary | null): void {
    const { linkListen } = this.settings;
    this.again?.cancel();
    this.again = null;
    this.signpost?.close();
    this.signpost = null;
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
  direct(owner: SignpostOwner): void {
    const { port } = this;
    this.close();
    if (port !== 0) this.directFrom(port, owner);
  }

  private directFrom(port: number, owner: SignpostOwner, complained = false): void {
    this.again = null;
    const signpost = new Signpost(this.wire, this.settings, this.log, owner);
    try {
      signpost.listen(this.settings.linkListen!.host, port);
      this.signpost = signpost;
    } catch (error) {
      if (!(error instanceof HotspareError)) throw error;
      signpost.close();
      if (!complained) {
        this.log.say(`${error.message}; trying on: nobody is led to the new primary from there`);
      }
      this.again = this.wire.ports.timers.after(againMs, () => this.directFrom(port, owner, true));
    }
  }

  /** Nothing stands there any more; a primary's door is closed by the primary. */
  close(): void {
    this.again?.cancel();
    this.again = null;
    this.signpost?.close();
    this.signpost = null;
    this.port = 0;
  }
}
