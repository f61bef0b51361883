/** The parts that the sessions of a server share, and the calls of a session to its server. */
import type { Wire } from '../net/wire.js';
import type { Authentication } from './authentication.js';
import type { EndReason, ServerControl } from './caller.js';
import type { Executor } from './execute.js';

/** A session whose value is arriving. */
export interface Arriving {
  readonly connection: number;
  /** Ends the connection at once. */
  end(reason: EndReason): void;
}

export interface SessionServer extends ServerControl {
  readonly wire: Wire;
  readonly executor: Executor;
  /** Null without -Y. */
  readonly authentication: Authentication | null;
  /** Seconds of the wire's clock. */
  readonly seconds: number;
  /** Sessions whose value is arriving past the event table, the earliest first. */
  readonly arriving: Set<Arriving>;
  /** Called when a session ends; `reason` as memcached tells watchers. */
  onClosed(connection: number, reason: EndReason): void;
}
