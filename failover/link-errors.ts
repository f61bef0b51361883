/** The errors of a node that loses its primary, or its place: each in a sentence, with a remedy. */
import { constants } from 'node:os';
import type { Welcome } from '../backup/channel/hello.js';
import type { PrimaryAddress } from '../backup/standby/standby.js';
import { HotspareError, systemReason } from '../src/base/errors.js';
import { address } from '../src/flags/settings.js';
import type { Observation } from './observation.js';

const { ECONNREFUSED, ECONNRESET } = constants.errno;

/** `gaveUp`: the epoch of the cache that the memory file held, or null. */
export function attachedTo(primary: string, welcome: Welcome, gaveUp: number | null): string {
  const attached = `attached to ${primary} (node ${welcome.node}, epoch ${welcome.epoch})`;
  if (gaveUp === null) return attached;
  return `${attached}; the cache of epoch ${gaveUp} in the memory file is given up for its copy`;
}

/**
 * `copiedBytes`: the bytes received of a copy that is not whole; null where they are not counted (RDMA), undefined when
 * the copy was whole, or had not begun.
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
  return new HotspareError('LINK_LOST', sentence, 'start the primary again, and it is mirrored');
}

/** The observation in a connection that could not be opened; role.ts decides what it means. */
export function connectFailure(errno: number, isHere: boolean): Observation {
  if (errno === ECONNREFUSED) return { what: 'refused', isHere };
  return { what: errno === ECONNRESET ? 'reset' : 'unreachable' };
}

export function unreachable(primary: string, errno: number): HotspareError {
  const why = errno === ECONNREFUSED ? 'nobody listens there' : systemReason(errno);
  const remedy = 'start the primary with --link-listen, or correct --of';
  const sentence = `cannot reach the primary at ${primary}: ${why}`;
  return new HotspareError('LINK_UNREACHABLE', sentence, remedy);
}

/** A process accepts the connection, and does not speak as a primary does. */
export function silent(primary: string, afterMs: number): HotspareError {
  const sentence = `no answer from ${primary} within ${afterMs / 1000} s`;
  const remedy = "is that the --link-listen of a primary, and not its clients' port? Correct --of";
  return new HotspareError('LINK_UNREACHABLE', sentence, remedy);
}

/** The primary is dead, and may have gone on alone before it died. */
export function doubtful(reason: string, leaseMs: number): HotspareError {
  const sentence =
    `the primary is dead (${reason}), but was not heard to count on this copy for the last ` +
    `${leaseMs} ms: it may have gone on alone, and the copy may be out of date`;
  const remedy = 'start a primary at that address, and it is mirrored';
  return new HotspareError('LINK_LOST', sentence, remedy);
}

/** The error of a standby that stood still in the midst of its takeover until its lease was over. */
export function tooLate(): HotspareError {
  const sentence =
    'not taking over: this node stood still until its lease was over, and the primary may have gone on alone';
  return new HotspareError('LINK_LOST', sentence, 'give this node more processor');
}

/** Another node reigns, and this node cannot mirror it yet. `link`: where standbys attach to that node, or null. */
export function reignsElsewhere(epoch: number, link: string | null): HotspareError {
  const where = link === null ? ', and did not say where standbys attach' : `: at ${link}`;
  const sentence = `epoch ${epoch} reigns elsewhere${where}`;
  const remedy = 'give the new primary a --link-listen, or start this node as its standby';
  return new HotspareError('LINK_LOST', sentence, remedy);
}

/** The address that another node gave; null when it is none. */
export function parseLink(link: string): PrimaryAddress | null {
  try {
    return address(link, 0);
  } catch (error) {
    if (error instanceof HotspareError) return null;
    throw error;
  }
}
