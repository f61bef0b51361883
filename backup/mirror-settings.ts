/** The settings of both ends of a mirror. */

import { addressText } from '../src/flags/settings.js';
import type { FabricProvider } from '../src/native/fabric.js';
import type { LinkCipher } from './channel/cipher.js';

/** The links that `--transport` may choose. */
export const linkPreferences = ['auto', 'tcp', 'rdma'] as const;
export type LinkPreference = (typeof linkPreferences)[number];

/** The settings that decide how two nodes are linked. */
export interface LinkSettings {
  /** `--transport`. */
  readonly linkPreference: LinkPreference;
  /** `--fabric`: the only provider for the RDMA link, or null for the best there is. */
  readonly provider: FabricProvider | null;
  /** `--link-spin`: microseconds in which an ack of the RDMA link is waited for within the tick. */
  readonly spinUs: number;
  /** `--link-cipher`. */
  readonly cipher: LinkCipher;
}

export interface MirrorSettings extends LinkSettings {
  /** `--link-listen`: where standbys attach, or null. */
  readonly linkListen: { readonly host: string; readonly port: number } | null;
  /** The bytes of `--secret-file`; empty without one. */
  readonly secret: Uint8Array;
  /** `--ack`. */
  readonly ack: 'sync' | 'async';
  /** `--ack-timeout`: a standby that has not acked a batch for this long is dropped. */
  readonly ackTimeoutMs: number;
  /** `--heartbeat`. */
  readonly heartbeatMs: number;
  /** `--dead-after`: silence after which a standby takes over. */
  readonly deadAfterMs: number;
  /** How many standbys a primary takes. More than one need a supervisor that says which of them takes over. */
  readonly standbysMost: number;
  /** `--require-standbys`: with fewer in sync, writes are refused. */
  readonly standbysRequired: number;
  /** Random name of this node, for logs and for the order of reigns. */
  readonly node: string;
}

/** Hosts that mean every address of this machine. */
export const anywhere: readonly string[] = ['0.0.0.0', '::'];

/** The address where standbys attach, as this node tells it to others; null where it is not known beforehand. */
export function advertisedLink({ linkListen }: MirrorSettings): string | null {
  if (linkListen === null || linkListen.port === 0) return null;
  return addressText(linkListen.host, linkListen.port);
}

/** The address where standbys attach to a node that listens on this port; null when it listens nowhere. */
export function linkAt({ linkListen }: MirrorSettings, port: number): string | null {
  return linkListen === null || port === 0 ? null : addressText(linkListen.host, port);
}

/**
 * The address where standbys attach to a peer that told us `link`. A peer that listens on all its addresses is attached
 * to at the address it is seen at: `peer`, as the native transport shows it (tcp:10.0.0.2:4711). Null when `peer` is of
 * the other address family, where nobody listens.
 */
export function seenLink(link: string | null, peer: string): string | null {
  const anywhere = link === null ? null : /^(0\.0\.0\.0|\[::\]):(\d+)$/.exec(link);
  if (anywhere === null) return link;
  const [, host, port] = anywhere;
  const seen = host === '0.0.0.0' ? /^tcp:([\d.]+):/.exec(peer) : /^tcp6:(\[[^\]]+\]):/.exec(peer);
  return seen === null ? null : `${seen[1]}:${port}`;
}
