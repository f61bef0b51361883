/**
 * Tells a primary that was found silent, and may still live behind a cut cable, that another epoch reigns. It knocks
 * every second until the old primary has heard it (and closes), or is found dead (nobody listens there).
 */
import type { BackupSettings } from '../backup/settings.js';
import { connectionRefused, type PrimaryAddress, Standby } from '../backup/standby.js';
import { anonymous } from '../src/memory.js';
import type { Wire } from '../src/wire.js';

const knockMs = 1000;

export class Herald {
  private readonly timer: NodeJS.Timeout;
  private knock: Standby | null = null;

  constructor(wire: Wire, old: PrimaryAddress, settings: BackupSettings, epoch: number) {
    const attempt = (): void => {
      this.knock?.close();
      this.knock = new Standby(wire, old, settings, anonymous, {
        // Heard, or broken before it was: the next knock finds the door closed, or tries again.
        lost: () => this.forget(),
        refused: () => this.forget(),
        unreachable: (errno) => {
          this.forget();
          if (errno === connectionRefused) this.end();
        },
        welcomed: () => this.end(),
        synced: () => {},
        dropped: () => {},
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
    clearInterval(this.timer);
    this.knock?.close();
    this.knock = null;
  }
}
