/** What all sessions of a server share: the face that the server shows them. */
import type { Access } from './access.js';
import type { Executor } from './execute.js';
import type { Mirror } from './mirror.js';
import type { Session } from './session.js';
import type { ServerFacts } from './stats/facts.js';
import type { Unlocking } from './unlocking.js';
import type { Wire } from './wire.js';

export interface Shared {
  readonly wire: Wire;
  readonly executor: Executor;
  readonly facts: ServerFacts;
  /** The mirror of now; it changes when a standby attaches. */
  readonly mirror: Mirror;
  readonly access: Access;
  /** Null without -Y. */
  readonly unlocking: Unlocking | null;
  /** The lines of `stats conns`. */
  connectionLines(asker: Session): Iterator<string>;
  /** Called when a session ends; `reason` as memcached tells watchers. */
  onClosed(session: Session, reason: 'normal' | 'error' | 'shutdown'): void;
}
