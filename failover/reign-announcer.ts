/**
 * Announces this node's reign at the address of the primary that was taken over from. The old primary may still serve
 * there, if it was only silent or cut off; or a node was started in its place, with an old cache or an empty one. Such
 * a node may be started at any time, so the announcer knocks for as long as this node reigns. The other node may answer
 * that it went on while nobody used this reign; then this node is outranked.
 */
import { anywhere, type MirrorSettings } from '../backup/mirror-settings.js';
import { type PrimaryAddress, type Reigning, Standby } from '../backup/standby/standby.js';
import { knockMs } from '../src/base/limits.js';
import { addressText } from '../src/flags/settings.js';
import type { Network, Timer } from '../src/native/ports.js';
import type { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';
import { anonymousMemory } from '../src/server/region-mapping.js';
import { parseLink } from './link-errors.js';

export interface ReignAnnouncerParts {
  readonly wire: Wire;
  /** Where the old primary let standbys attach. */
  readonly old: PrimaryAddress;
  readonly mirrorSettings: MirrorSettings;
  readonly log: Log;
  /** This node's present reign, for the node at this address. */
  reign(at: PrimaryAddress): Reigning;
  /** Another reign goes on, and this node's must end. */
  outranked(epoch: number, link: string | null): void;
}

/** A gap between two looks at a knock of more than this many `knockMs` is this node's own absence. */
const awayKnocks = 2;

export class ReignAnnouncer {
  private readonly parts: ReignAnnouncerParts;
  private readonly name: string;
  private readonly timer: Timer | null = null;
  private knock: Standby | null = null;
  private asking: (() => void)[] = [];
  private complained = false;
  /** The changes that the newest knock claimed. */
  private claimedChanges = 0;
  /** When the knock that is under way began, and when it was last looked at. */
  private knockedMs = 0;
  private lookedMs: number;

  constructor(parts: ReignAnnouncerParts) {
    this.parts = parts;
    this.name = addressText(parts.old.host, parts.old.port);
    this.lookedMs = parts.wire.ports.clock();
    const { network } = parts.wire.ports;
    if (listensAt(parts.mirrorSettings.linkListen, parts.old, network)) return;
    this.timer = parts.wire.ports.timers.every(knockMs, () => this.attempt());
    this.attempt();
  }

  /** Knocks now. `answered` follows, also when nobody is there, unless this node is outranked. */
  ask(answered: () => void): void {
    // Without a timer this node itself listens at the address.
    if (this.timer === null) {
      answered();
      return;
    }
    this.asking.push(answered);
    this.knock?.close();
    this.knockNow();
  }

  end(): void {
    this.timer?.cancel();
    this.asking = [];
    this.knock?.close();
    this.knock = null;
  }

  private attempt(): void {
    const now = this.parts.wire.ports.clock();
    // A node that stood still has not read yet the answers that came meanwhile.
    const wasAway = now - this.lookedMs > awayKnocks * knockMs;
    const isNew = now - this.knockedMs < knockMs;
    this.lookedMs = now;
    if (this.knock !== null) {
      if (wasAway || isNew) return;
      this.over(this.knock);
    }
    this.knockNow();
  }

  /** Knocks at the old primary's address, or at the address that the node there redirected us to. */
  private knockNow(at = this.parts.old): void {
    const { wire, old, mirrorSettings, log } = this.parts;
    const knock: Standby = new Standby(wire, at, mirrorSettings, anonymousMemory, {
      // The other node has stepped down, has died, or the connection broke: the next knock finds out which.
      lost: () => this.over(knock),
      unreachable: () => this.over(knock),
      refused: (error) => {
        this.over(knock);
        if (this.complained) return;
        this.complained = true;
        log.say(`${this.name} does not step down: ${error.message}; ${error.remedy}`);
      },
      outranked: (epoch, link) => {
        this.knock = null;
        // The other node judged by what this one said. Changes that were acknowledged since may turn the verdict.
        if (this.claimedChanges === 0 && this.parts.reign(at).changes > 0) {
          this.knockNow(at);
          return;
        }
        this.parts.outranked(epoch, link ?? addressText(at.host, at.port));
      },
      redirected: (link) => {
        const there = parseLink(link);
        if (
          at !== old ||
          there === null ||
          listensAt(mirrorSettings.linkListen, there, wire.ports.network)
        ) {
          this.over(knock);
        } else {
          this.knock = null;
          this.knockNow(there);
        }
      },
      welcomed: () => {},
      synced: () => {},
      dropped: () => {},
      // An announcer is nobody's standby, and is welcomed by nobody.
      met: () => 'keep',
      deposedBy: () => '',
    });
    this.knock = knock;
    this.knockedMs = wire.ports.clock();
    knock.announceReign(() => {
      const reign = this.parts.reign(at);
      this.claimedChanges = reign.changes;
      return reign;
    });
  }

  private over(knock: Standby): void {
    if (this.knock !== knock) return;
    this.knock = null;
    knock.close();
    for (const answered of this.asking.splice(0)) answered();
  }
}

/** True when this node itself listens there, so that no other node can be met. */
export function listensAt(
  own: MirrorSettings['linkListen'],
  { host, port }: PrimaryAddress,
  network: Network,
): boolean {
  if (own === null || own.port !== port) return false;
  return own.host === host || (anywhere.includes(own.host) && network.isOwnAddress(host) === true);
}
