/**
 * Chooses which unproved connection at the link's port is closed when there are too many. Anybody may connect, and
 * stay; a standby must get in all the same. A standby says hello at once and proves itself a round trip later, so other
 * connections go first: those that were refused, then those that have said nothing, the oldest first, and from the
 * address that has most. A connection that has said hello is left alone for as long as a handshake may take on a bad
 * day. Pure: time comes in.
 */
import { greetedMs, greetingsMax, greetingsOfAddressMax } from '../../src/base/limits.js';

interface PendingConnection {
  /** The peer's address, or its network: see `neighbourhood`. */
  readonly address: string;
  state: 'silent' | 'greeted' | 'refused';
  /** When the connection came to this state. */
  sinceMs: number;
}

export class ConnectionLimiter<Key> {
  /** Oldest first. */
  private readonly connections = new Map<Key, PendingConnection>();

  get size(): number {
    return this.connections.size;
  }

  /**
   * Adds a connection from this host. Returns the connection to close for it, which may be `key` itself; null while
   * there is room.
   */
  add(key: Key, host: string, nowMs: number): Key | null {
    const address = neighbourhood(host);
    const leaves = this.crowding(address, nowMs);
    if (leaves === 'nobody') return key;
    this.connections.set(key, { address, state: 'silent', sinceMs: nowMs });
    if (leaves !== null) this.connections.delete(leaves.key);
    return leaves?.key ?? null;
  }

  /** The connection has said hello, or has been refused. */
  note(key: Key, state: 'greeted' | 'refused', nowMs: number): void {
    const connection = this.connections.get(key);
    if (connection === undefined) return;
    connection.state = state;
    connection.sinceMs = nowMs;
  }

  remove(key: Key): void {
    this.connections.delete(key);
  }

  /**
   * The connection to close for a newcomer from this address: null when there is room, `nobody` when all are to stay.
   */
  private crowding(address: string, nowMs: number): { readonly key: Key } | 'nobody' | null {
    const counts = new Map<string, number>();
    for (const one of this.connections.values()) {
      counts.set(one.address, (counts.get(one.address) ?? 0) + 1);
    }
    if ((counts.get(address) ?? 0) >= greetingsOfAddressMax) {
      return this.worst(nowMs, (one) => one.address === address) ?? 'nobody';
    }
    if (this.connections.size < greetingsMax) return null;
    const most = Math.max(...counts.values());
    const crowd = this.worst(nowMs, (one) => counts.get(one.address) === most);
    return crowd ?? this.worst(nowMs, () => true) ?? 'nobody';
  }

  private worst(
    nowMs: number,
    among: (connection: PendingConnection) => boolean,
  ): { key: Key } | null {
    const oldest = (fits: (connection: PendingConnection) => boolean): { key: Key } | null => {
      for (const [key, one] of this.connections) if (among(one) && fits(one)) return { key };
      return null;
    };
    return (
      oldest(({ state }) => state === 'refused') ??
      oldest(({ state }) => state === 'silent') ??
      oldest(({ sinceMs }) => nowMs - sinceMs > greetedMs)
    );
  }
}

/** The addresses that one peer may have: an IPv6 /64 is given to one customer, and counts as one address. */
export function neighbourhood(host: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(host);
  if (mapped !== null) return mapped[1]!;
  if (!host.includes(':')) return host;
  const [head = '', rest] = host.split('%')[0]!.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = rest === undefined || rest === '' ? [] : rest.split(':');
  const zeroes = rest === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...new Array<string>(Math.max(0, zeroes)).fill('0'), ...right];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
