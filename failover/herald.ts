/**
 * Tells whoever serves at the address of a primary that was taken over from that another epoch reigns: the old primary
 * itself, if it was only silent or cut off, or what was started in its place, with an old cache or an empty one. It
 * knocks every second for as long as this node reigns, as nobody knows when such a node is started.
 */
import { anywhere, type BackupSettings } from '../backup/settings.js';
import { type PrimaryAddress, Standby } from '../backup/standby.js';
import { isOwnAddress } from '../src/interfaces.js';
import type { Log } from '../src/log.js';
import { anonymous } from '../src/memory.js';
import { addressText } from '../src/options.js';
import type { Wire } from '../src/wire.js';

const knockMs = 1000;

export class Herald {
  private readonly timer: NodeJS.Timeout | null = null;
  private knock: Standby | null = null;

  private complained = false;

  constructor(wire: Wire, old: PrimaryAddress, settings: BackupSettings, epoch: number, log: Log) {
    if (listensAt(settings.linkListen, old)) return;
    const name = addressText(old.host, old.port);
    const attempt = (): void => {
      this.knock?.close();
      this.knock = new Standby(wire, old, settings, anonymous, {
        // Heard, or broken before it was: the next knock finds the door closed, or tries again.
        lost: () => this.forget(),
        unreachable: () => this.forget(),
        refused: (error) => {
          this.forget();
          if (this.complained) return;
          this.complained = true;
          log.say(`${name} does not step down: ${error.message}; ${error.remedy}`);
        },
        welcomed: () => {},
        synced: () => {},
        dropped: () => {},
        replaced: () => {},
      });
      this.knock.herald(epoch);
    };
    this.timer = setInterval(attempt, knockMs);
    attempt();
  }

  private forget(): void {
    this.knock = null;
  }

  end(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.knock?.close();
    this.knock = null;
  }
}

/** True when this node itself listens there now: nobody else can be met. */
function listensAt(own: BackupSettings['linkListen'], { host, port }: PrimaryAddress): boolean {
  if (own === null || own.port !== port) return false;
  return own.host === host || (anywhere.includes(own.host) && isOwnAddress(host) === true);
}
