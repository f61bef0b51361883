/**
 * Tells whoever serves at the address of a primary that was taken over from that another node reigns: the old primary
 * itself, if it was only silent or cut off, or what was started in its place, with an old cache or an empty one. It
 * knocks for as long as this node reigns, as nobody knows when such a node is started. The other may answer that it
 * went on while nobody used this reign: then this node is outranked.
 */
import { constants } from 'node:os';
import { anywhere, type BackupSettings } from '../backup/settings.js';
import { type PrimaryAddress, type Reigning, Standby } from '../backup/standby/standby.js';
import { knockMs } from '../src/base/limits.js';
import { addressText, isLoopback } from '../src/flags/options.js';
import type { Network, Timer } from '../src/native/ports.js';
import type { Wire } from '../src/net/wire.js';
import type { Log } from '../src/process/log.js';
import { anonymous } from '../src/server/memory.js';
import { parseLink } from './link-errors.js';

/**
 * What a knock finds: 'yields', a node that answers and does not go on; 'gone', nobody, and this machine knows it; or
 * 'silent': a silence of two `knockMs`, a machine elsewhere that refuses, a connection that broke.
 */
export type Answer = 'yields' | 'gone' | 'silent';

export interface HeraldParts {
  readonly wire: Wire;
  /** Where the old primary let standbys attach. */
  readonly old: PrimaryAddress;
  readonly settings: BackupSettings;
  readonly log: Log;
  /** This node's reign, as it is now, towards whoever is at this address. */
  reign(at: PrimaryAddress): Reigning;
  /** Another reign goes on, and this one must not. */
  outranked(epoch: number, link: string | null): void;
}

const { ECONNREFUSED } = constants.errno;
/** A longer gap between two looks at a knock, in `knockMs`, is this node's own absence. */
const awayKnocks = 2;

export class Herald {
  private readonly parts: HeraldParts;
  private readonly name: string;
  private readonly timer: Timer | null = null;
  private knock: Standby | null = null;
  private asking: ((answer: Answer) => void)[] = [];
  private complained = false;
  /** When the knock that is under way began, and when it was last looked at. */
  private knockedMs = 0;
  private lookedMs: number;

  constructor(parts: HeraldParts) {
    this.parts = parts;
    this.name = addressText(parts.old.host, parts.old.port);
    this.lookedMs = parts.wire.ports.clock();
    const { network } = parts.wire.ports;
    if (listensAt(parts.settings.linkListen, parts.old, network)) return;
    this.timer = parts.wire.ports.timers.every(knockMs, () => this.attempt());
    this.attempt();
  }

  /** Knocks now. `answered` follows, unless this node is outranked. */
  ask(answered: (answer: Answer) => void): void {
    // This node itself listens at the address.
    if (this.timer === null) {
      answered('gone');
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
    // A node that stood still has not read yet what came meanwhile.
    const wasAway = now - this.lookedMs > awayKnocks * knockMs;
    const isNew = now - this.knockedMs < knockMs;
    this.lookedMs = now;
    if (this.knock !== null) {
      if (wasAway || isNew) return;
      this.over(this.knock, 'silent');
    }
    this.knockNow();
  }

  /** At the old primary's address, or where we were led from there. */
  private knockNow(at = this.parts.old): void {
    const { wire, old, settings, log } = this.parts;
    const knock: Standby = new Standby(wire, at, settings, anonymous, {
      // It has stepped down, has died, or the connection broke: the next knock finds out which.
      lost: () => this.over(knock, 'silent'),
      unreachable: (errno) => {
        this.over(knock, errno === ECONNREFUSED && this.isHere(at) ? 'gone' : 'silent');
      },
      refused: (error) => {
        this.over(knock, 'yields');
        if (this.complained) return;
        this.complained = true;
        log.say(`${this.name} does not step down: ${error.message}; ${error.remedy}`);
      },
      outranked: (epoch, link) => {
        this.knock = null;
        this.parts.outranked(epoch, link ?? addressText(at.host, at.port));
      },
      directed: (link) => {
        const there = parseLink(link);
        if (
          at !== old ||
          there === null ||
          listensAt(settings.linkListen, there, wire.ports.network)
        ) {
          this.over(knock, 'yields');
        } else {
          this.knock = null;
          this.knockNow(there);
        }
      },
      welcomed: () => {},
      synced: () => {},
      dropped: () => {},
      // A herald is nobody's standby, and is welcomed by nobody.
      met: () => 'keep',
    });
    this.knock = knock;
    this.knockedMs = wire.ports.clock();
    knock.herald(() => this.parts.reign(at));
  }

  private over(knock: Standby, answer: Answer): void {
    if (this.knock !== knock) return;
    this.knock = null;
    knock.close();
    for (const answered of this.asking.splice(0)) answered(answer);
  }

  private isHere({ host }: PrimaryAddress): boolean {
    return isLoopback(host) || this.parts.wire.ports.network.isOwnAddress(host) === true;
  }
}

/** True when this node itself listens there: nobody else can be met. */
export function listensAt(
  own: BackupSettings['linkListen'],
  { host, port }: PrimaryAddress,
  network: Network,
): boolean {
  if (own === null || own.port !== port) return false;
  return own.host === host || (anywhere.includes(own.host) && network.isOwnAddress(host) === true);
}
