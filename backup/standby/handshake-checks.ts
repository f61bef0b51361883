/** A standby's checks: which frames a primary may send at each stage, and which welcome is refused. Pure. */
import { HotspareError } from '../../src/base/errors.js';
import { FrameType } from '../channel/frame.js';
import type { Welcome } from '../channel/hello.js';
import { leaseMsOf } from '../lease/lease.js';
import type { LinkOffer } from '../link/link-choice.js';
import type { MirrorSettings } from '../mirror-settings.js';

/** How far the handshake with the primary has come. */
export const HandshakeStage = { UNPROVED: 0, PROVED: 1, WELCOMED: 2 } as const;

/** Heartbeats that may pass between the last confirmed one and the beginning of a silence. */
const leaseSlackHeartbeats = 3;

/** Whether a frame of this type may arrive at this stage. */
export function mayArrive(type: number, stage: number): boolean {
  if (type === FrameType.REFUSED) return true;
  if (stage === HandshakeStage.UNPROVED) return type === FrameType.CHALLENGE;
  if (type === FrameType.DEPOSED) return true;
  // A heartbeat before the welcome says that we must wait, as another standby may still take over.
  if (stage === HandshakeStage.PROVED)
    return type === FrameType.WELCOME || type === FrameType.HEARTBEAT;
  switch (type) {
    case FrameType.BEGIN:
    case FrameType.BATCH:
    case FrameType.BLOCK:
    case FrameType.SYNCED:
    case FrameType.HEARTBEAT:
    case FrameType.DROPPED:
      return true;
    default:
      return false;
  }
}

/** Why this node does not accept the link that the primary chose; null when it does. */
export function unwantedLink(
  { linkPreference, providers }: LinkOffer,
  welcome: Welcome,
): string | null {
  const { provider, why } = welcome;
  const known = provider === '' || (providers as readonly string[]).includes(provider);
  if (!known) return `the primary chose ${provider}, which was not offered`;
  return provider === '' && linkPreference === 'rdma' ? `--transport rdma: ${why}` : null;
}

/**
 * Whether a connection leads straight to the primary: both of its ends see it between the same two addresses. A port
 * forward, a proxy or a balancer has a connection of its own behind it, and what translates addresses changes one.
 */
export function isDirect(
  { local, peer }: { readonly local: string; readonly peer: string },
  { seenStandby, seenPrimary }: Welcome,
): boolean {
  return local !== '' && local === seenStandby && peer === seenPrimary;
}

/**
 * Refuses times with which the primary's death is found only after the lease is over: no takeover would ever follow.
 * Null when they fit.
 */
export function deathFoundTooLate(
  { deadAfterMs, heartbeatMs }: MirrorSettings,
  welcome: Welcome,
): HotspareError | null {
  if (deadAfterMs < leaseSlackHeartbeats * welcome.heartbeatMs) {
    return new HotspareError(
      'LINK_REFUSED',
      `--dead-after ${deadAfterMs} is less than three of the primary's heartbeats (${welcome.heartbeatMs} ms)`,
      'raise --dead-after here, or lower --heartbeat on the primary',
    );
  }
  const foundMs = deadAfterMs + leaseSlackHeartbeats * Math.max(heartbeatMs, welcome.heartbeatMs);
  const leaseMs = leaseMsOf(welcome.ackTimeoutMs);
  if (foundMs <= leaseMs) return null;
  return new HotspareError(
    'LINK_REFUSED',
    `--dead-after ${deadAfterMs} is too long for the primary's --ack-timeout ${welcome.ackTimeoutMs}: ` +
      `a silent primary is found after up to ${foundMs} ms, when this copy may be out of date already`,
    'raise --ack-timeout on the primary, or lower --dead-after here',
  );
}
