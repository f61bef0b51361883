/**
 * A takeover, one act after the other. Pure but for its parts.
 *
 *      lease? ─► revoke ─► (end the old primary) ─► lease? ─► promote ─► tell ─► lease? ─► serve
 *
 * The copy may be served only while the lease holds: a primary that has lost its standby answers nobody for as long,
 * and goes on alone after it. This process may stand still at any point (stopped, swapped out, a log that cannot be
 * written), and the lease may end meanwhile. So it is looked at again right before each act that cannot be undone, with
 * nothing that may block in between:
 *
 * - before `revoke`: afterwards no batch of the primary's is acked any more;
 * - before `promote`: afterwards this node reigns, and says so;
 * - before each attempt to serve. When the lease has ended by then, the old primary's address is asked once more: an
 *   old primary that went on says so, and this node gives way (reign.ts); otherwise nobody else serves this cache.
 *
 * A primary that is known to have ended *while the lease held* cannot go on alone: then the lease is not asked again.
 */
import type { HotspareError } from '../src/base/errors.js';

export interface TakeoverParts {
  /** True while the lease holds: whoever stops the clock stops before or after this call, not within. */
  holdsLease(): boolean;
  /** Law 4: from now on not one byte of the old primary's lands. */
  revoke(): void;
  /** Ends the old primary's process, unless the lease is over by then: then `ended` is told false. Null: nobody can. */
  readonly endOld: ((ended: (true_: boolean) => void) => void) | null;
  /** Begins the new reign: new epoch, region opened, link listening. */
  promote(): void;
  /** Tells the old primary, and those who watch. */
  tell(): void;
  /** Binds the clients' addresses, and serves. Returns why that cannot be done now, or null. */
  serve(): HotspareError | null;
  /** Asks whoever is at the old primary's address; `answered` unless it is told that we must give way. */
  ask(answered: () => void): void;
  /** Says that the address cannot be had yet. */
  waits(error: HotspareError, attempt: number): void;
  after(ms: number, then: () => void): void;
  /** Events of role.ts. */
  on(event: 'fenced' | 'late' | 'bound'): void;
}

/** How often an address that is taken is tried: at first often, for a dead process gives it up within milliseconds. */
const bindRetryMs = 1;
const bindRetriesQuick = 1000;
const bindRetrySlowMs = 100;

export class Takeover {
  private readonly parts: TakeoverParts;
  /** The old primary is known to have ended, or to have been asked, while nobody else could have gone on. */
  private certain: boolean;
  private attempts = 0;
  private ended = false;

  /** `oldIsDead`: its process is known to have ended already. */
  constructor(parts: TakeoverParts, oldIsDead: boolean) {
    this.parts = parts;
    this.certain = oldIsDead;
  }

  fence(): void {
    const { parts } = this;
    if (!parts.holdsLease()) {
      parts.on('late');
      return;
    }
    parts.revoke();
    if (this.certain || parts.endOld === null) {
      parts.on('fenced');
      return;
    }
    parts.endOld((ended) => {
      if (this.ended) return;
      this.certain = ended;
      parts.on(ended ? 'fenced' : 'late');
    });
  }

  promote(): void {
    const { parts } = this;
    if (!this.certain && !parts.holdsLease()) {
      parts.on('late');
      return;
    }
    parts.promote();
    parts.tell();
    this.serve();
  }

  /** This node has become something else. */
  end(): void {
    this.ended = true;
  }

  /** Whoever holds the only copy never ends for want of an address: it tries on. */
  private serve(): void {
    const { parts } = this;
    if (this.ended) return;
    if (!this.certain && !parts.holdsLease()) {
      parts.ask(() => {
        this.certain = true;
        this.serve();
      });
      return;
    }
    const error = parts.serve();
    if (error === null) {
      parts.on('bound');
      return;
    }
    this.attempts++;
    parts.waits(error, this.attempts);
    const soon = this.attempts < bindRetriesQuick;
    parts.after(soon ? bindRetryMs : bindRetrySlowMs, () => this.serve());
  }
}
