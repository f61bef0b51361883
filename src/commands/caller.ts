/**
 * A client's connection as the commands see it, and their requests to the server behind it. The session implements it;
 * a command needs to know nothing else of the session.
 */
import type { Access } from '../net/access.js';
import type { Wire } from '../net/wire.js';
import type { ServerStatSource } from '../stats/stat-sources.js';
import type { Mirror } from '../store/mirror.js';
import type { Reader } from './dumping.js';
import type { Retrieval } from './execution/request.js';

/** The reason for the end of a connection, as watchers are told. */
export type EndReason = 'normal' | 'error' | 'shutdown' | 'idle_timeout';

export interface Caller extends Reader {
  readonly connection: number;
  /** The retrieval whose keys the session finds. */
  readonly retrieval: Retrieval;
  /** The reason that is reported if this command closes the connection. */
  closeReason: EndReason;
  readonly server: ServerControl;
  /** From now on input of this connection is thrown away, and lines are sent to it. */
  becomeWatcher(): void;
}

/** The server as the commands about it see it. */
export interface ServerControl {
  readonly wire: Pick<Wire, 'answered' | 'budget'>;
  readonly statSource: ServerStatSource;
  /** The current mirror; it changes when a standby attaches. */
  readonly mirror: Mirror;
  readonly access: Access;
  /** Ends this process, as a signal would. */
  shutdown(graceful: boolean): void;
  /** The lines of `stats conns`; `asker` is the connection that asks. */
  connectionLines(asker: number): Iterator<string>;
}
