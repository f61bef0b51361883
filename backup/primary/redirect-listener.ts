/**
 * The link port of a node that was deposed, and mirrors another now: it tells every node that comes where the mirrored
 * one is. A standby that looks for its primary so finds the new one. Two heirs of one primary, each behind a cut of its
 * own, know only the address of that primary; here each is told of the other, and they settle which of them goes on
 * (reign.ts).
 */
import { HotspareError } from '../../src/base/errors.js';
import type { Wire } from '../../src/net/wire.js';
import type { Log } from '../../src/process/log.js';
import { FrameType } from '../channel/frame.js';
import { redirectEpoch } from '../channel/hello.js';
import { type MirrorSettings, seenLink } from '../mirror-settings.js';
import { LinkListener } from './link-listener.js';

/** The primary that this node mirrors: its random name, null before its welcome, and where it lets standbys attach. */
export interface Mirrored {
  readonly node: string | null;
  readonly link: string;
}

/** A node that came to this port, and has proved that it knows the secret. */
export interface Passer {
  /** The node serves; otherwise it looks for a primary. */
  readonly reigns: boolean;
  /** The node has a cache, or a whole copy of a cache. */
  readonly holds: boolean;
  /** Where the node lets standbys attach when it serves; null for nowhere. */
  readonly link: string | null;
  /** The host that the node was seen at. */
  readonly host: string;
}

export interface RedirectOwner {
  /** The primary that this node mirrors, or looks for; null when none is known. */
  mirrored(): Mirrored | null;
  met(passer: Passer): void;
}

export class RedirectListener {
  private readonly listener: LinkListener;

  constructor(wire: Wire, mirrorSettings: MirrorSettings, log: Log, owner: RedirectOwner) {
    this.listener = new LinkListener(wire, mirrorSettings, log, (handshake, proof) => {
      const { channel } = handshake;
      const link = seenLink(proof.link, channel.peer);
      const host = channel.peerHost;
      owner.met({ reigns: proof.epoch > 0, holds: proof.cache !== '', link, host });
      const where = owner.mirrored();
      // A node that looks for a primary must not be redirected to itself, where it would look for ever.
      if (where === null || (proof.epoch === 0 && link === where.link)) {
        const sentence = 'this node does not serve, and looks for one that does';
        handshake.refuseAndClose(new HotspareError('LINK_BUSY', sentence, 'try again'));
        return;
      }
      // The mirrored primary announces its reign here as well, and need not be redirected to itself.
      const known = proof.node === where.node || link === where.link;
      if (!known) {
        const message = { node: mirrorSettings.node, link: where.link };
        channel.sendMessage(FrameType.DEPOSED, message, redirectEpoch);
      }
      channel.close(true);
    });
  }

  /** Throws HotspareError LISTEN. */
  listen(host: string, port: number): void {
    this.listener.listen(host, port);
  }

  close(): void {
    this.listener.close();
  }
}
