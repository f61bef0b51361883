/** What all sessions of a server share, and all that a session asks of its server. */
import type { Executor } from './execute.js';
import type { Mirror } from './mirror.js';
import type { Session } from './session.js';
import type { ServerFacts } from './stats/facts.js';
import type { Wire } from './wire.js';

export interface Shared {
  readonly wire: Wire;
  readonly executor: Executor;
  readonly facts: ServerFacts;
  /** The mirror of now; it changes when a standby attaches. */
  readonly mirror: Mirror;
  /** Seconds that pass as the wire's clock does. */
  readonly seconds: number;
  /** Ends this process, as a signal would. */
  shutdown(graceful: boolean): void;
  /** Called when a session ends. */
  onClosed(session: Session): void;
}
