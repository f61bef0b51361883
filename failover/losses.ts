/** What a node says when it loses its primary, or its place: each loss in a sentence, with what to do about it. */
import { constants } from 'node:os';
import type { Welcome } from '../backup/channel/hello.js';
import type { PrimaryAddress } from '../backup/standby/standby.js';
import { HotspareError, systemReason } from '../src/base/errors.js';
import { address } from '../src/flags/options.js';
import type { Event, State } from './role.js';

const { ECONNREFUSED, ECONNRESET } = constants.errno;

/** `gaveUp`: the epoch of the cache that stood in the memory file, or null. */
export function attachedTo(primary: string, welcome: Welcome, gaveUp: number | null): string {
  const attached = `attached to ${primary} (node ${welcome.node}, epoch ${welcome.epoch})`;
  if (gaveUp === null) return attached;
  return `${attached}; the cache of epoch ${gaveUp} in the memory file is given up for its copy`;
}

/**
 * `copiedBytes`: what has landed of a copy that is not whole; null where nobody counts (rdma), undefined when the copy
 * was whole, or had not begun.
 */
export function linkLost(
  primary: string,
  reason: string,
  copiedBytes: number | null | undefined,
): HotspareError {
  const after = copiedBytes ? ` after ${(copiedBytes / 2 ** 20).toFixed(1)} MiB` : '';
  const sentence =
    copiedBytes === undefined
      ? `the link to ${primary} was lost: ${reason}`
      : `the primary was lost in mid-resync (${reason})${after}: this is half a cache and is not served`;
  return new HotspareError('LINK_LOST', sentence, 'start the primary, then this standby again');
}

/**
 * What a connection that could not be opened says of the primary. On the same machine a refusal is proof: no process
 * listens there. Across machines a firewall refuses as well, as do a balancer without back ends and a port forward that
 * restarts: there it is a hint (`isHint`). A reset on the way back to the primary is a listener that is being closed,
 * as those of a dying process are: it is knocked at again, and then nobody is there.
 */
export function unopened(errno: number, state: State, isHere: boolean): Event {
  if (errno === ECONNREFUSED) return isHere ? 'nobody' : 'unreachable';
  return errno === ECONNRESET && state === 'reconnecting' ? 'lost' : 'unreachable';
}

/** A primary on another machine that refuses connects need not be silent for as long as one that says nothing. */
export function isHint(errno: number): boolean {
  return errno === ECONNREFUSED;
}

export function unreachable(primary: string, errno: number): HotspareError {
  const why = errno === ECONNREFUSED ? 'nobody listens there' : systemReason(errno);
  const remedy = 'start the primary with --link-listen, or correct --of';
  const sentence = `cannot reach the primary at ${primary}: ${why}`;
  return new HotspareError('LINK_UNREACHABLE', sentence, remedy);
}

/** Somebody takes the connection, and does not speak as a primary does. */
export function silent(primary: string, afterMs: number): HotspareError {
  const sentence = `no answer from ${primary} within ${afterMs / 1000} s`;
  const remedy = "is that the --link-listen of a primary, and not its clients' port? Correct --of";
  return new HotspareError('LINK_UNREACHABLE', sentence, remedy);
}

/** The primary is dead, and may have gone on alone before. */
export function doubtful(reason: string, leaseMs: number): HotspareError {
  const sentence =
    `the primary is dead (${reason}), but was not heard to count on this copy for the last ` +
    `${leaseMs} ms: it may have gone on alone, and the copy may be out of date`;
  const remedy = 'start a primary at that address, and it is mirrored';
  return new HotspareError('LINK_LOST', sentence, remedy);
}

/** The lease of this standby ended in the midst of its takeover: it stood still meanwhile. */
export function tooLate(): HotspareError {
  const sentence =
    'not taking over: this node stood still until its lease was over, and the primary may have gone on alone';
  return new HotspareError('LINK_LOST', sentence, 'give this node more processor');
}

/** This node was deposed, and does not know by whom. */
export function homeless(epoch: number): HotspareError {
  return new HotspareError(
    'LINK_LOST',
    `epoch ${epoch} reigns elsewhere, and did not say where standbys attach`,
    'start this node as a standby of the new primary, and give that one a --link-listen',
  );
}

/** The address another node gave us, or null when it is none. */
export function parseLink(link: string): PrimaryAddress | null {
  try {
    return address(link, 0);
  } catch (error) {
    if (error instanceof HotspareError) return null;
    throw error;
  }
}
