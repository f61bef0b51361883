/** What both ends of a mirror are started with. */

import { addressText } from '../src/flags/options.js';
import type { LinkCipher } from '../src/flags/transport.js';
import type { FabricProvider, Transport } from '../src/native/fabric.js';

export interface MirrorSettings {
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
  /** `--transport`. */
  readonly transport: Transport;
  /** `--fabric`: the only provider for the RDMA link, or null for the best there is. */
  readonly provider: FabricProvider | null;
  /** `--link-spin`: microseconds in which an ack of the RDMA link is waited for within the tick. */
  readonly spinUs: number;
  /** `--link-cipher`. */
  readonly cipher: LinkCipher;
  /** Random name of this node, for logs. */
  readonly node: string;
}

/** Hosts that stand for every address of this machine. */
export const anywhere: readonly string[] = ['0.0.0.0', '::'];

/** What this node tells others of where standbys attach to it; null where it does not know beforehand. */
export function advertisedLink({ linkListen }: MirrorSettings): string | null {
  if (linkListen === null || linkListen.port === 0) return null;
  return addressText(linkListen.host, linkListen.port);
}

/** Where standbys attach to a node that listens on this port; null when it listens nowhere. */
export function linkAt({ linkListen }: MirrorSettings, port: number): string | null {
  return linkListen === null || port === 0 ? null : addressText(linkListen.host, port);
}

/**
 * The link that a peer has told us. Where it listens on all its addresses, that is the one we see it at: `peer` is what
 * the transport says (tcp:10.0.0.2:4711). Null when that is of the other family: nobody listens there.
 */
export function seenLink(link: string | null, peer: string): string | null {
  const anywhere = link === null ? null : /^(0\.0\.0\.0|\[::\]):(\d+)$/.exec(link);
  if (anywhere === null) return link;
  const [, host, port] = anywhere;
  const seen = host === '0.0.0.0' ? /^tcp:([\d.]+):/.exec(peer) : /^tcp6:(\[[^\]]+\]):/.exec(peer);
  return seen === null ? null : `${seen[1]}:${port}`;
}

/** The host of an address as the transport shows it (tcp:10.0.0.2:4711, tcp6:[::1]:4711); empty when it has none. */
export function hostOf(address: string): string {
  const [, plain, bracketed] = /^(?:tcp:([\d.]+)|tcp6:\[([^\]]+)\]):\d+$/.exec(address) ?? [];
  return plain ?? bracketed ?? '';
}
