/** `stats conns`: listeners and connections, each with memcached's rows. */

import type { NativeTransport } from '../native/addon.js';
import type { Bound, Origin } from '../net/udp.js';

/** A client's connection, as the list shows it. */
export interface Listed {
  readonly connection: number;
  /** When input last arrived, in seconds of the server's clock. */
  readonly activeAt: number;
  /** memcached's name for the connection's state; `unsent`: replies have not left yet. */
  stateName(unsent: boolean): string;
}

/** The listeners and connections to list. */
export interface Connections {
  readonly transport: NativeTransport;
  readonly listeners: readonly number[];
  /** The bound UDP sockets. */
  readonly datagrams: readonly Bound[];
  readonly sessions: ReadonlyMap<number, Listed>;
  /** Origins of clients that the transport does not know, as their bytes come through TLS or UDP. */
  readonly origins: ReadonlyMap<number, Origin>;
  /** Seconds of the server's clock. */
  readonly now: number;
  readonly startedAt: number;
}

/** Lines of the answer to connection `asker`, made as they are asked for: one tick may not have room for all. */
export function* connectionLines(connections: Connections, asker: number): Generator<string> {
  const { transport, sessions, now, startedAt } = connections;
  for (const listener of connections.listeners) {
    const description = transport.describeListener(listener);
    if (description === null) continue;
    const { address, descriptor } = description;
    yield rows(descriptor, [
      ['addr', address],
      ['state', 'conn_listening'],
      ['secs_since_last_cmd', now - startedAt],
    ]);
  }
  for (const { address, descriptor } of connections.datagrams) {
    yield rows(descriptor, [
      ['UDP', 'UDP'],
      ['addr', address],
      ['state', 'conn_read'],
      ['secs_since_last_cmd', now - startedAt],
    ]);
  }
  // Sessions that open while the list is written stand at its end, and are left out.
  let left = sessions.size;
  for (const session of sessions.values()) {
    if (left-- === 0) return;
    const { connection } = session;
    const own = transport.describe(connection);
    // The connection was closed since the list was begun.
    if (own === null || sessions.get(connection) !== session) continue;
    const { address, listenAddress, descriptor } = connections.origins.get(connection) ?? own;
    yield rows(descriptor, [
      ['addr', address],
      ['listen_addr', listenAddress],
      ['state', connection === asker ? 'conn_parse_cmd' : session.stateName(own.pendingBytes > 0)],
      ['secs_since_last_cmd', now - session.activeAt],
    ]);
  }
}

function rows(descriptor: number, pairs: readonly (readonly [string, string | number])[]): string {
  return pairs.map(([name, value]) => `STAT ${descriptor}:${name} ${value}\r\n`).join('');
}
