/**
 * The link port of a node that was deposed, and mirrors another now: it tells whoever comes where that one is. Two
 * heirs of one primary, each behind a cut of its own, know nothing of each other but the address of that primary: here
 * they are led together, and settle which of them goes on (reign.ts). A standby that looks for its primary finds the
 * new one.
 */
import { HotspareError } from '../../src/base/errors.js';
import type { Wire } from '../../src/net/wire.js';
import type { Log } from '../../src/process/log.js';
import { FrameType } from '../channel/frame.js';
import type { BackupSettings } from '../settings.js';
import { Door } from './door.js';

/** Who is mirrored: its random name, null while it has not welcomed us, and where it lets standbys attach. */
export interface Mirrored {
  readonly node: string | null;
  readonly link: string;
}

export class Signpost {
  private readonly door: Door;

  constructor(wire: Wire, settings: BackupSettings, log: Log, mirrored: () => Mirrored | null) {
    this.door = new Door(wire, settings, log, (greeting, proof) => {
      const { channel } = greeting;
      const where = mirrored();
      if (where === null) {
        const sentence = 'this node does not serve, and looks for one that does';
        greeting.turnAway(new HotspareError('LINK_BUSY', sentence, 'try again'));
        return;
      }
      // The one that is mirrored knocks here as well, and need not be led to itself.
      const known = proof.node === where.node;
      if (!known) {
        const message = { node: settings.node, link: where.link };
        channel.sendMessage(FrameType.DEPOSED, message, directionEpoch);
      }
      channel.close(true);
    });
  }

  /** Throws HotspareError LISTEN. */
  listen(host: string, port: number): void {
    this.door.listen(host, port);
  }

  close(): void {
    this.door.close();
  }
}

/** Epoch of a DEPOSED that is no verdict on anybody's reign: it says only where to look. */
export const directionEpoch = 0;
