/**
 * A client's connection as the commands see it, and what they may ask of the server behind it. The session is one; a
 * command needs to know nothing else of it.
 */
import type { Access } from '../net/access.js';
import type { Wire } from '../net/wire.js';
import type { ServerFacts } from '../stats/facts.js';
import type { Mirror } from '../store/mirror.js';
import type { Reader } from './dumping.js';
import type { Retrieval } from './request.js';

/** Why a connection ends, as watchers are told. */
export type EndReason = 'normal' | 'error' | 'shutdown' | 'idle_timeout';

export interface Caller extends Reader {
  readonly connection: number;
  /** The retrieval whose keys the session finds. */
  readonly retrieval: Retrieval;
  /** Why the connection ends if this command closes it. */
  closeReason: EndReason;
  readonly shared: ServerControl;
  /** From now on what comes is thrown away; lines are sent to it. */
  becomeWatcher(): void;
}

/** The server as the commands about it see it. */
export interface ServerControl {
  readonly wire: Pick<Wire, 'answered' | 'budget'>;
  readonly facts: ServerFacts;
  /** The mirror of now; it changes when a standby attaches. */
  readonly mirror: Mirror;
  readonly access: Access;
  /** Ends this process, as a signal would. */
  shutdown(graceful: boolean): void;
  /** The lines of `stats conns`; `asker` is the connection that asks. */
  connectionLines(asker: number): Iterator<string>;
}
