/** What all sessions of a server share, and all that a session asks of its server. */
import type { Access } from '../net/access.js';
import type { Wire } from '../net/wire.js';
import type { ServerFacts } from '../stats/facts.js';
import type { Mirror } from '../store/mirror.js';
import type { Executor } from './execute.js';
import type { Session } from './session.js';
import type { Unlocking } from './unlocking.js';

/** Why a connection ends, as watchers are told. */
export type EndReason = 'normal' | 'error' | 'shutdown' | 'idle_timeout';

export interface Shared {
  readonly wire: Wire;
  readonly executor: Executor;
  readonly facts: ServerFacts;
  /** The mirror of now; it changes when a standby attaches. */
  readonly mirror: Mirror;
  readonly access: Access;
  /** Null without -Y. */
  readonly unlocking: Unlocking | null;
  /** Seconds that pass as the wire's clock does. */
  readonly seconds: number;
  /** Sessions whose value is arriving past the event table, those that began first at the head. */
  readonly arriving: Set<Session>;
  /** Ends this process, as a signal would. */
  shutdown(graceful: boolean): void;
  /** The lines of `stats conns`. */
  connectionLines(asker: Session): Iterator<string>;
  /** Called when a session ends; `reason` as memcached tells watchers. */
  onClosed(session: Session, reason: EndReason): void;
}
